"""Fresh weights, as the classic program draws them."""

from __future__ import annotations

from torch import nn

from unretouch.settings.train import InitName


def initialise(net: nn.Module, init_type: InitName, gain: float) -> None:
    """Draw fresh weights in place, from torch's random state.

    Convolutions: `init_type` with `gain` (standard deviation of "normal", gain of "xavier" and
    "orthogonal"; "kaiming" has its own), biases 0. Batch normalisation: scale N(1, gain), shift 0.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            match init_type:
                case "normal":
                    nn.init.normal_(module.weight, 0.0, gain)
                case "xavier":
                    nn.init.xavier_normal_(module.weight, gain)
                case "kaiming":
                    nn.init.kaiming_normal_(module.weight)
                case "orthogonal":
                    nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)

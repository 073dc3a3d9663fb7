"""What the classic networks share: 4 x 4 convolutions, normalisation, fresh weights.

The convolutions are torch's own layers, with the same weights and, but for rounding, the same
results. Only the order of the sums differs, and only where that was measured to be quicker: on a
processor, in training. Everything else (prediction, export, GPUs) takes torch's own way. Weights
are drawn as the classic program draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unretouch.settings.train import InitName, NormName, TrainSettings

TAKES = frozenset({"input_nc", "output_nc", "ngf", "norm", "no_dropout", "init_type", "init_gain"})
"""The settings by which classic generators are built."""

EPSILON = 1e-5
"""Added to variances, as in the classic program."""

SLOPE = 0.2
"""Of the leaky ReLUs: on the way down a U-Net, and in discriminators."""

# --- convolutions

MANY_CHANNELS = 128
"""From so many channels on a layer is wide."""

FEW_POSITIONS = 256
"""Up to so many positions a wide layer's time goes into moving its weights, not multiplying."""

FEW_OUTPUTS = 4
"""Up to so many output channels the kernels of convolutions compute mostly padding."""

TAPS, OUTPUTS = 4, 3
SPAN = TAPS + OUTPUTS - 1
"""Inputs that OUTPUTS outputs depend on; twice OUTPUTS, so that neighbours share half."""

POINTS = (0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)
"""Where the polynomials are evaluated, besides infinity; rounds least of 7000 choices tried."""


class Halve(nn.Conv2d):
    """Convolution to half the size: (N, C, H, W) to (N, out, H / 2, W / 2)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        if not (_in_training(self, x) and _is_wide(self) and height * width <= FEW_POSITIONS):
            return super().forward(x)
        # As one matrix product the weights are used as they lie in memory, not rearranged for the
        # convolution's kernel at every use.
        y = self.weight.flatten(1) @ F.unfold(x.contiguous(), 4, padding=1, stride=2)
        return _finished(self, y.view(len(x), -1, height, width))


class Double(nn.ConvTranspose2d):
    """Transposed convolution to twice the size: (N, C, H, W) to (N, out, 2 H, 2 W)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = x.shape[2:]
        few = _is_wide(self) and height * width <= FEW_POSITIONS
        if not (_in_training(self, x) and (few or self.out_channels <= FEW_OUTPUTS)):
            return super().forward(x, output_size)
        parts = self.weight.flatten(1).t() @ x.flatten(2)
        return _finished(self, F.fold(parts, (2 * height, 2 * width), 4, padding=1, stride=2))


class Keep(nn.Conv2d):
    """Convolution that keeps the size but for one: (N, C, H, W) to (N, out, H - 1, W - 1)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if _in_training(self, x) and self.out_channels <= FEW_OUTPUTS:
            # What each position gives to each output around it, then added up there.
            parts = self.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)
            y = F.fold(parts @ x.flatten(2), (height - 1, width - 1), 4, padding=2)
            return _finished(self, y)
        float32 = not torch.is_autocast_enabled(x.device.type)
        if _in_training(self, x) and _is_wide(self) and float32:
            return _finished(self, winograd(x, self.weight))
        return super().forward(x)


def _in_training(layer: nn.Module, x: Tensor) -> bool:
    return x.device.type == "cpu" and layer.training and torch.is_grad_enabled()


def _is_wide(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    return min(layer.in_channels, layer.out_channels) >= MANY_CHANNELS


def _finished(layer: nn.Conv2d | nn.ConvTranspose2d, y: Tensor) -> Tensor:
    """`y` with the layer's bias, in the memory order that convolutions hand on."""
    y = y.contiguous(memory_format=torch.channels_last)
    return y if layer.bias is None else y + layer.bias[:, None, None]


def winograd(x: Tensor, weight: Tensor) -> Tensor:
    """Return conv2d(x, weight, padding=1) for x (N, C, H, W), weight (O, C, 4, 4), on a processor.

    With a quarter of the multiplications. Formula: Winograd 1980, Arithmetic Complexity of
    Computations; Lavin & Gray 2016 for networks. Three outputs of a filter of four taps are
    coefficients of a product of polynomials, which six points determine: six multiplications
    instead of twelve, in two dimensions 36 instead of 144. It is the same sum in another order;
    rounding in float32 takes 1.1e-6 of its size, in torch's own convolutions 0.3e-6 to 1.1e-6.
    Differentiable as often as wanted. The result is channels-last.
    """
    count, channels, height, width = x.shape
    rows, columns = (-(-(side - 1) // OUTPUTS) for side in (height, width))
    below, right = ((n + 1) * OUTPUTS - 1 - side for n, side in ((rows, height), (columns, width)))
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below))
    of_inputs, of_taps, to_outputs = (torch.from_numpy(m).to(x.dtype) for m in _transforms())

    inputs = (of_inputs @ _tiles(padded)).view(SPAN**2, -1, channels)
    taps = of_taps @ weight.permute(2, 3, 1, 0).reshape(TAPS**2, -1)
    products = torch.bmm(inputs, taps.view(SPAN**2, channels, -1))
    outputs = to_outputs @ products.flatten(1)
    outputs = outputs.view(OUTPUTS, OUTPUTS, count, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
    outputs = outputs.reshape(count, rows * OUTPUTS, columns * OUTPUTS, -1)
    return outputs[:, : height - 1, : width - 1].permute(0, 3, 1, 2)


def _tiles(x: Tensor) -> Tensor:
    """(N, H, W, C) to (SPAN * SPAN, tiles * C): windows of SPAN, one every OUTPUTS pixels."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // OUTPUTS, OUTPUTS, width // OUTPUTS, OUTPUTS, channels)
    x = torch.cat([x[:, :-1], x[:, 1:]], 2)
    x = torch.cat([x[:, :, :, :-1], x[:, :, :, 1:]], 4)
    return x.permute(2, 4, 0, 1, 3, 5).reshape(SPAN**2, -1)


@cache
def _transforms() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The matrices that inputs, taps and products are multiplied by, for both dimensions at once.

    Toom and Cook: values of the filter's polynomial at the points, divided by what the Lagrange
    polynomials leave over; their coefficients for the inputs; powers of the points for the outputs.
    """
    points = np.array(POINTS)
    of_inputs = np.zeros((SPAN, SPAN))
    of_taps = np.zeros((SPAN, TAPS))
    to_outputs = np.zeros((OUTPUTS, SPAN))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        of_inputs[i, :-1] = np.poly(others)[::-1]
        of_taps[i] = point ** np.arange(TAPS) / np.prod(point - others)
        to_outputs[:, i] = point ** np.arange(OUTPUTS)
    of_inputs[-1] = np.poly(points)[::-1]  # the point at infinity: the highest coefficients
    of_taps[-1, -1] = to_outputs[-1, -1] = 1
    first, second, third = (
        np.kron(m, m).astype(np.float64) for m in (of_inputs, of_taps, to_outputs)
    )
    return first, second, third


# --- normalisation and weights


class InstanceNorm(nn.Module):
    """Every channel of every picture to mean 0 and variance 1; without parameters or statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        if len(x) == 1:
            # One picture's statistics are its batch's: the same numbers, and this kernel keeps
            # channels-last memory as it is.
            return F.batch_norm(x, None, None, training=True, eps=EPSILON)
        return F.instance_norm(x, eps=EPSILON)


def make_norm(name: NormName, channels: int) -> nn.Module:
    """Return the normalisation `name` for `channels` channels."""
    match name:
        case "batch":
            return nn.BatchNorm2d(channels, eps=EPSILON)
        case "instance":
            return InstanceNorm()
        case "none":
            return nn.Identity()


def convolutions_have_bias(name: NormName) -> bool:
    """Whether a convolution before the normalisation has a bias: in classic files only before
    instance normalisation (before batch normalisation it would be superfluous)."""
    return name == "instance"


def norm_of(state: Mapping[str, Tensor], convolution: str, norm: str) -> NormName:
    """Return the normalisation in a state dict, told by the keys of one and of the convolution
    before it."""
    if f"{norm}.weight" in state:
        return "batch"
    return "instance" if f"{convolution}.bias" in state else "none"


def initialise(net: nn.Module, init_type: InitName, gain: float) -> None:
    """Draw fresh weights in place, from torch's random state.

    Convolutions: `init_type` with `gain` (standard deviation of "normal", gain of "xavier" and
    "orthogonal"; "kaiming" has its own), biases 0. Batch normalisation: scale N(1, gain), shift 0.
    Weights without memory, of which only the shape is asked, have none: to draw them torch would
    import its compiler, which takes two seconds.
    """
    if next(net.parameters()).is_meta:
        return
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


# --- discriminators: the PatchGANs `basic` (70 x 70 pixels) and `n_layers`, and `pixel`


class PatchDiscriminator(nn.Module):
    """Source and picture side by side, (N, input_nc, H, W), to logits (N, 1, h, w).

    With three layers h = H / 8 - 2, and each value sees 70 x 70 pixels.
    """

    def __init__(self, layers: int, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        norm, ndf = settings.norm, settings.ndf
        bias = convolutions_have_bias(norm)
        widths = [ndf * min(8, 2**layer) for layer in range(layers + 1)]
        part: dict[str, nn.Module] = {
            "0": Halve(settings.input_nc + settings.output_nc, ndf, bias=True)
        }
        for layer in range(1, layers + 1):
            kind = Keep if layer == layers else Halve
            part[str(3 * layer - 1)] = kind(widths[layer - 1], widths[layer], bias)
            part[str(3 * layer)] = make_norm(norm, widths[layer])
        part[str(3 * layers + 2)] = Keep(widths[layers], 1, bias=True)
        self.layers = layers
        self.model = nn.ModuleDict(part)
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, h, w)."""
        part = self.model
        x = F.leaky_relu_(part["0"](x), SLOPE)
        for layer in range(1, self.layers + 1):
            x = part[str(3 * layer)](part[str(3 * layer - 1)](x))
            x = F.leaky_relu_(x, SLOPE)
        y: torch.Tensor = part[str(3 * self.layers + 2)](x)
        return y


class PixelDiscriminator(nn.Module):
    """Judges every pixel by itself (1 x 1 PatchGAN): (N, input_nc, H, W) to logits (N, 1, H, W)."""

    def __init__(self, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        norm, ndf = settings.norm, settings.ndf
        bias = convolutions_have_bias(norm)
        self.net = nn.ModuleDict(
            {
                "0": nn.Conv2d(settings.input_nc + settings.output_nc, ndf, 1),
                "2": nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
                "3": make_norm(norm, 2 * ndf),
                "5": nn.Conv2d(2 * ndf, 1, 1, bias=bias),
            }
        )
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, H, W)."""
        part = self.net
        x = F.leaky_relu_(part["0"](x), SLOPE)
        x = F.leaky_relu_(part["3"](part["2"](x)), SLOPE)
        y: torch.Tensor = part["5"](x)
        return y

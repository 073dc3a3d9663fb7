"""The literal tables of generators and discriminators; a network is built and recognised here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from unretouch.networks.discriminators import PatchDiscriminator, PixelDiscriminator
from unretouch.networks.generator import Generator, GeneratorKind, WeightsDescription
from unretouch.networks.pyramid import DETAIL
from unretouch.networks.resnet import RESNET_6, RESNET_9
from unretouch.networks.unet import UNET_128, UNET_256
from unretouch.settings.train import DiscriminatorName, GeneratorName, TrainSettings

GENERATORS: dict[GeneratorName, GeneratorKind] = {
    "unet_256": UNET_256,
    "unet_128": UNET_128,
    "resnet_9blocks": RESNET_9,
    "resnet_6blocks": RESNET_6,
    "detail": DETAIL,
}

DISCRIMINATORS: dict[DiscriminatorName, Callable[[TrainSettings], nn.Module]] = {
    "basic": lambda settings: PatchDiscriminator(3, settings),
    "n_layers": lambda settings: PatchDiscriminator(settings.n_layers_D, settings),
    "pixel": PixelDiscriminator,
}


def build_generator(settings: TrainSettings) -> Generator:
    """Return the generator of the settings with fresh weights, drawn from torch's random state."""
    return GENERATORS[settings.netG].build(settings)


def build_discriminator(settings: TrainSettings) -> nn.Module:
    """Return the discriminator of the settings with fresh weights, drawn from torch's random state.

    It judges source and picture side by side: (N, input_nc + output_nc, H, W) to logits.
    """
    return DISCRIMINATORS[settings.netD](settings)


def describe_weights(state: Mapping[str, Tensor]) -> WeightsDescription | None:
    """Return which generator `state` belongs to, by keys and shapes; None if to none.

    Its `netG` may be one that is not in GENERATORS, such as a U-Net of another depth.
    """
    for kind in GENERATORS.values():
        found = kind.recognise(state)
        if found is not None:
            return found
    return None

"""Generators and discriminators: one file each, one literal table.

A generator maps the source to the prediction, both in network space: float32 (N, C, H, W) in
[-1, 1], C of the source its `input_nc`, H and W multiples of its `size_multiple` (see predict for
any size).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from unretouch.networks import detail, patch, pixel, pyramid, resnet, unet
from unretouch.networks.initial import initialise
from unretouch.networks.predict import predict
from unretouch.networks.state import describe_weights, load_weights
from unretouch.settings.train import DiscriminatorName, GeneratorName, TrainSettings

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "build_discriminator",
    "build_generator",
    "describe_weights",
    "initialise",
    "load_weights",
    "predict",
]

GENERATORS: dict[GeneratorName, Callable[[TrainSettings], nn.Module]] = {
    "unet_256": unet.build_256,
    "unet_128": unet.build_128,
    "resnet_9blocks": resnet.build_9,
    "resnet_6blocks": resnet.build_6,
    "detail": lambda settings: (
        pyramid.build(settings) if settings.size == "pyramid" else detail.build(settings)
    ),
}

DISCRIMINATORS: dict[DiscriminatorName, Callable[[TrainSettings], nn.Module]] = {
    "basic": patch.build_basic,
    "n_layers": patch.build_n_layers,
    "pixel": pixel.build,
}


def build_generator(settings: TrainSettings) -> nn.Module:
    """Return the generator of the settings with fresh weights, drawn from torch's random state."""
    return GENERATORS[settings.netG](settings)


def build_discriminator(settings: TrainSettings) -> nn.Module:
    """Return the discriminator of the settings with fresh weights, drawn from torch's random state.

    It judges source and picture side by side: (N, input_nc + output_nc, H, W) to logits.
    """
    return DISCRIMINATORS[settings.netD](settings)

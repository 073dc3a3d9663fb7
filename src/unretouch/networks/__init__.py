"""Generators and discriminators: a file each, or a family; a line each in the tables below.

A generator maps the source to the prediction, both in network space: float32 (N, C, H, W) in
[-1, 1]. What is to be known of one (its margin, the settings it takes, how its weights are
recognised) it says itself, see generator.py. Pictures of any size are predicted in prediction.py.
By the tables networks are built, and weights recognised and loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from unretouch.base.errors import CheckpointError
from unretouch.base.terminal import listed
from unretouch.networks.classic import PatchDiscriminator, PixelDiscriminator
from unretouch.networks.generator import Generator, GeneratorKind, WeightsDescription
from unretouch.networks.prediction import predict, predict_picture
from unretouch.networks.pyramid import DETAIL
from unretouch.networks.resnet import RESNET_6, RESNET_9
from unretouch.networks.unet import UNET_128, UNET_256
from unretouch.settings.train import DiscriminatorName, GeneratorName, TrainSettings

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Generator",
    "build_discriminator",
    "build_generator",
    "describe_weights",
    "load_weights",
    "predict",
    "predict_picture",
]

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

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


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


def load_weights(net: nn.Module, state: Mapping[str, Tensor], where: object) -> None:
    """Put `state` into `net`, or raise CheckpointError in one line and leave `net` as it was.

    Refused: missing or unexpected keys, wrong shapes, values that are not numbers or not finite.
    Statistics that very old files hold for instance normalisation are ignored, and counters that
    they lack are taken as zero. `where` names the file in the message.
    """
    own = net.state_dict()
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError("is not a state dict: it holds more than named tensors", where)
    given = {key: value for key, value in state.items() if not _is_relic(key, state)}
    for key, value in own.items():
        if key.endswith(".num_batches_tracked"):
            given.setdefault(key, torch.zeros_like(value))
    problem = _misfit(own, given)
    if problem:
        hint = "Give the settings it was trained with"
        raise CheckpointError(_tell(own, given, problem), where, hint)
    broken = [k for k, v in given.items() if v.is_floating_point() and not bool(v.isfinite().all())]
    if broken:
        raise CheckpointError(f"holds values that are not finite, in {listed(broken)}", where)
    net.load_state_dict(given)


def _misfit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Return what is wrong with `given`, or an empty text."""
    missing = [key for key in own if key not in given]
    if missing:
        return f"lacks {listed(missing)}"
    unexpected = [key for key in given if key not in own]
    if unexpected:
        return f"holds {listed(unexpected)}, which this network does not have"
    for key, value in own.items():
        if given[key].shape != value.shape:
            return f"has {key} of shape {tuple(given[key].shape)}, not {tuple(value.shape)}"
        if given[key].is_floating_point() != value.is_floating_point():
            return f"has {key} as {given[key].dtype}, not {value.dtype}"
    return ""


def _tell(own: Mapping[str, Tensor], given: Mapping[str, Tensor], problem: str) -> str:
    asked, found = describe_weights(own), describe_weights(given)
    if found is not None and asked is not None and found != asked:
        return f"holds a {found}; what was asked for is a {asked}"
    if found is not None and asked is None:
        return f"holds a {found}, not the network asked for; it {problem}"
    return problem


def _is_relic(key: str, state: Mapping[str, Tensor]) -> bool:
    """Whether `key` is a statistic without the weight that batch normalisation has beside it."""
    stem, _, last = key.rpartition(".")
    return last in _STATISTICS and f"{stem}.weight" not in state

"""Pairs at the size they are trained at, checked against what the generator can take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from unretouch import networks
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.base.memory import memory_bytes
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair
from unretouch.pixels.pairs.lazy import changed
from unretouch.pixels.preprocess import Sizing, resized, target_size
from unretouch.settings.train import TrainSettings

SHARE_OF_MEMORY = 0.25
"""Kept for decoded pairs on a machine, unless --cache_gb says otherwise."""


def cache_bytes(settings: TrainSettings) -> int:
    """Return the bytes of decoded pairs that this process keeps."""
    if settings.cache_gb is not None:
        return int(settings.cache_gb * 10**9)
    return int(memory_bytes() * SHARE_OF_MEMORY / settings.devices)


def sizing(settings: TrainSettings) -> Sizing:
    """Return what the settings say about sizes."""
    return Sizing(settings.preprocess, settings.load_size, settings.crop_size)


def at_scale(settings: TrainSettings, pair: Pair) -> Pair:
    """Return the pair in the size, and grey where the network sees or makes grey, of training."""
    how = sizing(settings)
    channels = (settings.input_nc, settings.output_nc)
    height, width = pair.shape

    def scaled(side: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        side = resized(side, how)
        return images.grey(side) if channels[number] == 1 else side

    return changed(pair, target_size(width, height, how)[::-1], scaled)


def prepared_pairs(settings: TrainSettings, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs at the scale of training; they are evaluated as they are here.

    Raises ManyDataErrors for pictures smaller than the training window, UsageError for a window
    that the generator cannot take.
    """
    how = sizing(settings)
    prepared = [at_scale(settings, pair) for pair in pairs]
    if settings.recipe == "classic":
        _check_windows(settings, how, prepared)
    return prepared


def padded_pairs(settings: TrainSettings, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that whole-picture training sees: sides reflected to what networks take."""
    if settings.recipe != "classic" or sizing(settings).crops:
        return list(pairs)
    multiple = _size_multiple(settings)

    def padded(pair: Pair) -> Pair:
        height, width = (-(-side // multiple) * multiple for side in pair.shape)
        if (height, width) == pair.shape:
            return pair
        return changed(pair, (height, width), lambda side, _: _padded(side, multiple))

    return [padded(pair) for pair in pairs]


def _check_windows(settings: TrainSettings, how: Sizing, pairs: Sequence[Pair]) -> None:
    sizes = {pair.shape for pair in pairs}
    if how.crops:
        multiple, size = _size_multiple(settings), how.crop_size
        if size % multiple:
            below = size // multiple * multiple
            raise UsageError(
                f"{settings.netG} needs a multiple of {multiple}, not {size}",
                "--crop_size",
                f"Take {below or multiple} or {below + multiple}",
            )
        small = [
            DataError(
                f"is {p.shape[1]} x {p.shape[0]}, smaller than --crop_size {size}",
                p.files[0],
            )
            for p in pairs
            if min(p.shape) < size
        ]
        if small:
            raise ManyDataErrors(small)
    elif settings.batch_size > 1 and len(sizes) > 1:
        raise UsageError(
            "pairs of different sizes cannot share a batch",
            "--batch_size",
            "Set it to 1, or take --preprocess resize_and_crop",
        )


def _size_multiple(settings: TrainSettings) -> int:
    with torch.device("meta"):  # no memory, no weights: only what the network says of itself
        return networks.build_generator(settings).size_multiple


def _padded(side: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    height, width = side.shape[:2]
    amounts = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    return np.pad(side, amounts, mode="symmetric")

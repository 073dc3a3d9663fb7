"""Pairs as a training sees them: at the size they are trained at, checked against what the
generator can take."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.base.memory import memory_bytes
from unretouch.pixels import spaces
from unretouch.pixels.pairs import NO_PAIRS, LazyPair, LoadedPairs, Pair, changed, load_untouched
from unretouch.pixels.photo_kind import PhotoKind, kind_of
from unretouch.pixels.spaces import Rgb, Sizing, resized, target_size
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


MOST_KINDS = (16, 4)
"""Pairs of which it is measured what kind of pictures they are: those that are in memory, and those
that would have to be decoded for it."""


def kinds_among(pairs: Sequence[Pair], untouched: Sequence[Pair] = ()) -> list[PhotoKind]:
    """Return of what kind the pictures are that a network learns to restore, of many those of some
    evenly spread ones: the sources of `pairs` and, for `untouched` pictures, what a retouch as that
    of the pairs would leave of them.

    All are at the scale of training.
    """
    chosen = _spread(pairs)
    found = [kind_of(pair.source) for pair in chosen]
    if not (found and untouched):
        return found
    targets = [kind_of(pair.target) for pair in chosen]

    both = list(zip(found, targets, strict=True))
    noise = sum(b.noise - a.noise for a, b in both) / len(both)
    sharpness = sum(b.sharpness - a.sharpness for a, b in both) / len(both)
    for pair in _spread(untouched):
        kind = kind_of(pair.target)
        found.append(
            dataclasses.replace(
                kind, noise=kind.noise - noise, sharpness=kind.sharpness - sharpness
            )
        )
    return found


def _spread(pairs: Sequence[Pair]) -> Sequence[Pair]:
    most = MOST_KINDS[any(isinstance(pair, LazyPair) for pair in pairs)]
    return pairs[:: -(-len(pairs) // most) or 1]


def at_scale(settings: TrainSettings, pair: Pair) -> Pair:
    """Return the pair in the size, and grey where the network sees or makes grey, of training."""
    how = sizing(settings)
    channels = (settings.input_nc, settings.output_nc)
    height, width = pair.shape

    def scaled(side: Rgb, number: int) -> Rgb:
        side = resized(side, how)
        return spaces.grey(side) if channels[number] == 1 else side

    return changed(pair, target_size(width, height, how)[::-1], scaled)


def prepared_pairs(settings: TrainSettings, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs at the scale of training; they are evaluated as they are here.

    Raises ManyDataErrors for pictures smaller than the training window, UsageError for a window
    that the generator cannot take.
    """
    prepared = [at_scale(settings, pair) for pair in pairs]
    if settings.recipe == "classic":
        _check_windows(settings, prepared)
    return prepared


def untouched_pictures(
    settings: TrainSettings, loaded: LoadedPairs, further: LoadedPairs = NO_PAIRS
) -> LoadedPairs:
    """Return the pictures that --also names, if any, at the scale of training.

    Those of the pairs `loaded`, and of `further` ones, are left out. Raises as load_untouched does.
    """
    if not settings.also:
        return NO_PAIRS
    found = load_untouched(Path(settings.also), loaded, further)
    return dataclasses.replace(found, pairs=prepared_pairs(settings, found.pairs))


def padded_pairs(settings: TrainSettings, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that whole-picture training sees: sides reflected to what networks take."""
    if settings.recipe != "classic" or sizing(settings).crops:
        return list(pairs)
    multiple = _size_multiple(settings)

    def padded(pair: Pair) -> Pair:
        amounts = [(0, -side % multiple) for side in pair.shape]
        height, width = (side + more for side, (_, more) in zip(pair.shape, amounts, strict=True))
        if (height, width) == pair.shape:
            return pair

        def extended(side: Rgb, _: int) -> Rgb:
            return np.pad(side, (*amounts, (0, 0)), mode="symmetric")

        return changed(pair, (height, width), extended)

    return [padded(pair) for pair in pairs]


def _check_windows(settings: TrainSettings, pairs: Sequence[Pair]) -> None:
    if sizing(settings).crops:
        multiple, size = _size_multiple(settings), settings.crop_size
        if size % multiple:
            below = size // multiple * multiple
            lower = f"{below} or " if below else ""
            raise UsageError(
                f"{settings.netG} needs a multiple of {multiple}, not {size}",
                "--crop_size",
                f"Take {lower}{below + multiple}",
            )
        small = [
            DataError(
                f"is {p.shape[1]} x {p.shape[0]}, smaller than --crop_size {size}", p.files[0]
            )
            for p in pairs
            if min(p.shape) < size
        ]
        if small:
            raise ManyDataErrors(small)
    elif settings.batch_size > 1 and len({pair.shape for pair in pairs}) > 1:
        raise UsageError(
            "pairs of different sizes cannot share a batch",
            "--batch_size",
            "Set it to 1, or take --preprocess resize_and_crop",
        )


def _size_multiple(settings: TrainSettings) -> int:
    import torch  # late: the app asks for the scale of pairs, and never for this

    from unretouch import networks

    with torch.device("meta"):  # no memory, no weights: only what the network says of itself
        return networks.build_generator(settings).size_multiple

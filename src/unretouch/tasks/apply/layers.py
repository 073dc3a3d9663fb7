"""The restored texture of a photograph as layers, one size of texture in each.

From the bottom: the photograph, untouched; above it a group of the photograph once more and, on it,
the rest of the change, then its coarse, medium and fine texture (`texture_sizes.py`). The group
holds the photograph itself since a mask on a group that lets what is below shine through counts for
nothing in Krita. So the mask, or the opacity, of the group is where, or how much, is restored.

The layers change the photograph step by step, and every step is a picture that the file could hold:
no layer is cut at black or white, so it does not matter which program cuts when. The last step is
the result itself. Of 8 bits two layers make a step, one that adds (Linear Dodge) and one that takes
away (Subtract); of 16 bits one does (Linear Light: the photograph + 2 x layer - 65535), which moves
by odd numbers only, so that the last step may miss the result by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import UsageError, install_hint
from unretouch.base.memory import give_back
from unretouch.base.messages import _
from unretouch.pixels.images import row_strips
from unretouch.pixels.photos import Photo, Pixels, as_format
from unretouch.pixels.spaces import luma
from unretouch.tasks.apply import layered_files
from unretouch.tasks.apply.layered_files import Layer, Plane, Way
from unretouch.tasks.apply.texture_sizes import SIZES, Held, by_size

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]

NO_TRANSPARENCY = _("layers are made of colours alone: the transparency is left out")
_NAMES = ("rest", *(f"{low}-{high} px" for low, high in reversed(SIZES)))
"""Of the steps, from the bottom."""
_FEW = 32
"""Rows that are made layers of at once: memory."""


def check_installed() -> None:
    """Raise UsageError where the extra `layers` is not installed."""
    try:
        import psd_tools  # noqa: F401
        import psdtags  # noqa: F401
    except ImportError as error:
        hint = install_hint("layers")
        what = _("{name} is not installed", name=error.name)
        raise UsageError(what, "--layers", hint) from None


def fitting(photo: Photo) -> Photo:
    """Return the photograph with what a layered file can hold of it; notes tell of the rest."""
    if photo.alpha is not None:
        photo = replace(photo, alpha=None, notes=(*photo.notes, NO_TRANSPARENCY))
    return as_format(photo, "tiff")  # of which a PSD holds as much


def ending_of(photo: Photo) -> str:
    """Return the ending of the layered file: PSD of 8 bits, TIFF of 16."""
    return ".psd" if photo.full == 255 else ".tif"


class Layers:
    """The layers of one photograph, which grow from the top down while it is restored."""

    def __init__(self, photo: Photo, masked: bool, scratch: Path) -> None:
        """Make room in unnamed files in the folder `scratch`. Raises DataError, DiskError."""
        layered_files.refuse_misfit(photo)
        self._full = photo.full
        self._grey = photo.grey
        channels = 1 if photo.grey else 3
        count = 1 + len(_NAMES) * len(self._ways)
        planes = [[Plane(scratch) for _ in range(channels)] for _ in range(count)]
        self._photo, *self._steps = planes
        self._mask = Plane(scratch) if masked else None
        self._change = Held(len(photo.pixels))
        self._waiting: list[tuple[Pixels, Pixels, Floats | None]] = []

    @property
    def _ways(self) -> Sequence[tuple[str, Way]]:
        """How the layers of a step act, and what that adds to their names."""
        if self._full == 255:
            return (" darker", "Subtract"), (" lighter", "Linear Dodge")
        return (("", "Linear Light"),)

    def add(self, source: Pixels, change: Floats, result: Pixels, mask: Floats | None) -> None:
        """Take the next rows.

        `source` and `result` are the photograph's own numbers (h, W, 3); `change` float32, in these
        numbers, is what was to be made without the mask; `mask` (h, W) in 0..1.
        """
        if self._grey:
            source, result = (np.rint(luma(part)).astype(part.dtype) for part in (source, result))
            source, result, change = source[..., None], result[..., None], luma(change)[..., None]
        self._waiting.append((source.copy(), result, mask))
        ready = self._change.add(change)
        if ready is not None:
            _, held, rows = ready
            self._make(held, rows, *self._next(rows.stop - rows.start))
            give_back()  # else what was freed here and by the network adds up to hundreds of MB

    def _next(self, count: int) -> tuple[Pixels, Pixels, Floats | None]:
        """Take so many rows from those that wait."""
        source = np.concatenate([source for source, _, _ in self._waiting])
        result = np.concatenate([result for _, result, _ in self._waiting])
        masks = [mask for _, _, mask in self._waiting if mask is not None]
        mask = np.concatenate(masks) if masks else None
        rest = None if mask is None else mask[count:].copy()
        self._waiting = [(source[count:].copy(), result[count:].copy(), rest)]
        return source[:count], result[:count], None if mask is None else mask[:count]

    def _make(
        self, held: Floats, rows: slice, source: Pixels, result: Pixels, mask: Floats | None
    ) -> None:
        """Make layers of these rows of a change, channel by channel: memory."""
        kind, strips = source.dtype, [*row_strips(len(source), _FEW)]
        opened = None
        if self._mask is not None and mask is not None:
            opened = np.empty(mask.shape, kind)
            for few in strips:
                before, after = _numbers(source[few]), _numbers(result[few])
                opened[few] = opened_mask(before, after, mask[few], self._full)
            self._mask.add(opened)
        split = two_layers_a_step if self._full == 255 else one_layer_a_step
        for channel, photo in enumerate(self._photo):
            photo.add(source[..., channel])
            *sizes, rest = by_size(held[..., channel : channel + 1], rows)
            for few in strips:
                before, after = _numbers(source[few, :, channel]), _numbers(result[few, :, channel])
                bands = [band[few, :, 0] for band in (rest, *reversed(sizes))]
                if opened is not None:
                    asked = _numbers(np.rint(sum(bands)))
                    after = under_mask(before, asked, after, _numbers(opened[few]), self._full)
                layers = split(before, bands, after)
                for planes, layer in zip(self._steps, layers, strict=True):
                    planes[channel].add(layer.astype(kind))

    def write(
        self,
        path: Path,
        result: Photo,
        *,
        keep_gps: bool = False,
        ready: Callable[[Path], None] = lambda temporary: None,
    ) -> None:
        """Write the layered file, whole or not at all; `result` is its flattened picture.

        See `photos.write_photo`. Raises DataError, DiskError.
        """
        result = replace(result, alpha=None)
        kinds = [(f"{name}{said}", way) for name in _NAMES for said, way in self._ways]
        group = [Layer("photograph", "Normal", self._photo)]
        for (name, way), planes in zip(kinds, self._steps, strict=True):
            group.append(Layer(name, way, planes))
        write = layered_files.write_psd if self._full == 255 else layered_files.write_tiff
        write(path, result, group, self._mask, keep_gps, ready)


def _numbers(part: NDArray[Any]) -> Numbers:
    return part.astype(np.int32)


def two_layers_a_step(source: Numbers, bands: Sequence[Floats], result: Numbers) -> list[Numbers]:
    """Return what is to be subtracted, then added, for each band, of 8 bits: in 0..255.

    All of one shape, from the bottom. After the last the source has become the result.
    """
    layers = []
    now, asked = source, source.astype(np.float32)
    for index, band in enumerate(bands):
        asked += band
        last = index == len(bands) - 1
        then = result if last else np.rint(asked).clip(0, 255).astype(np.int32)
        layers += [np.maximum(now - then, 0), np.maximum(then - now, 0)]
        now = then
    return layers


def one_layer_a_step(source: Numbers, bands: Sequence[Floats], result: Numbers) -> list[Numbers]:
    """Return a layer for Linear Light for each band, of 16 bits: in 0..65535, the middle for no
    change. All of one shape, from the bottom. After the last the source has become the result, or a
    number beside it."""
    full = 65535
    layers = []
    now, asked = source, source.astype(np.float64)
    for index, band in enumerate(bands):
        asked += band
        then = result if index == len(bands) - 1 else asked
        layer = np.rint((then - now + full) / 2).astype(np.int32)
        # So that now + 2 * layer - full lies in 0..full.
        layer = layer.clip((full - now + 1) // 2, (2 * full - now) // 2)
        layers.append(layer)
        now = now + 2 * layer - full
    return layers


def opened_mask(source: Numbers, result: Numbers, mask: Floats, full: int) -> Numbers:
    """Return the mask in 0..full, (H, W), opened wider where the change was cut at black or white,
    since half of it would then not do.

    `source` and `result` (H, W, C), the mask (H, W) in 0..1.
    """
    made = result - source
    room = np.where(made < 0, source, full - source)
    size = np.abs(made)
    needed = np.where(size > 0, np.floor(full * (size - 0.5) / np.maximum(room, 1)) + 1, 0)
    return _numbers(np.maximum(np.rint(mask * full), needed.max(axis=2)))


def under_mask(
    source: Numbers, asked: Numbers, result: Numbers, opened: Numbers, full: int
) -> Numbers:
    """Return the picture of one channel that blends with the source to the result by a mask.

    (H, W) each; the mask as `opened_mask` makes it. `asked` is the change without it: the picture
    is the source with that change, but for what rounding and cutting at black and white ask for.
    """
    made = result - source
    # Rounded, opened / full of what lies between these is just what was made.
    unit = full / np.maximum(opened, 1)
    low, high = np.ceil((made - 0.5) * unit), np.floor((made + 0.5) * unit)
    change: NDArray[Any] = np.where(opened > 0, asked.clip(low, high), asked)
    return _numbers((source + change).clip(0, full))

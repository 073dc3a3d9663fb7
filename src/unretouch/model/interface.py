"""What every model tells of itself and can do, whatever runs it. Without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels.photo_kind import PhotoKind, kinds_of
from unretouch.pixels.spaces import Bits, Sizing
from unretouch.settings.train import AimName, Preprocess

Floats = NDArray[np.float32]
Part = tuple[slice, slice]
"""Rows and columns of a picture."""

RECORD = "unretouch"
"""Key of our record in an exported file's own metadata."""


@dataclass(frozen=True)
class ModelInfo:
    """What a weights file, the run around it, or an exported file's own record tells."""

    generator: str
    """its name, or a description of classic weights"""
    origin: str
    """the file it came from"""
    multiple: int
    """sides are padded to multiples of this"""
    per_picture: bool
    """whether it normalises by the statistics of each picture, which tiles alone would break"""
    sizing: Sizing
    """at what size it was trained"""
    trained_aspect: float | None = None
    """median of width / height of the training pictures before they were resized"""
    margin: int | None = None
    """pixels beyond which nothing changes a pixel; None where that is not known"""
    kinds: tuple[PhotoKind, ...] = ()
    """of what kind the pictures were that it was trained on; empty where that is not known"""
    slower: float | None = None
    """see Generator"""
    only_skin: bool = False
    """see Generator"""
    aim: AimName = "fit"
    """what it was trained for; an older exported file does not tell"""
    bits: Bits | None = None
    """of a channel of the sources it was trained on; None where that is not known"""
    guesses: bool = False
    """whether it draws texture that nobody can know: see Generator"""

    def record(self) -> dict[str, Any]:
        """Return what an exported file keeps, without names of files."""
        record = {**asdict(self), "kinds": [kind.record() for kind in self.kinds]}
        del record["origin"]
        return record

    def reduced(self, width: int, height: int) -> tuple[int, int] | None:
        """Return the (width, height) at which a photograph meets the network; None for its own.

        Where training squeezed its pictures to a square, the same squeeze is made: the ratio of the
        two scales is that of training, the area is load_size squared.
        """
        sizing = self.sizing
        if sizing.preprocess == "resize_and_crop":
            squeeze = 1 / (self.trained_aspect or width / height)
            tall = sizing.load_size / math.sqrt(width * height * squeeze)
            size = (max(1, round(width * tall * squeeze)), max(1, round(height * tall)))
        elif sizing.preprocess in ("scale_width", "scale_width_and_crop"):
            size = (sizing.load_size, max(1, round(sizing.load_size * height / width)))
        else:
            return None
        return None if size == (width, height) else size

    def __str__(self) -> str:
        """One line on what was found in the file."""
        full = self.sizing.preprocess in ("none", "crop")
        trained = "full size" if full else f"{self.sizing.load_size} px ({self.sizing.preprocess})"
        return f"{self.origin}: {self.generator}, for pictures at {trained}"


def info_of_record(record: dict[str, Any], origin: str) -> ModelInfo:
    """Return what `ModelInfo.record` kept in the file `origin`.

    Raises KeyError, TypeError or ValueError.
    """
    sizing = record["sizing"]
    return ModelInfo(
        generator=str(record["generator"]),
        origin=origin,
        multiple=int(record["multiple"]),
        per_picture=bool(record["per_picture"]),
        sizing=Sizing(
            cast(Preprocess, str(sizing["preprocess"])),
            int(sizing["load_size"]),
            int(sizing["crop_size"]),
        ),
        trained_aspect=None
        if record["trained_aspect"] is None
        else float(record["trained_aspect"]),
        margin=None if record["margin"] is None else int(record["margin"]),
        kinds=kinds_of(record.get("kinds", ())),
        slower=None if record.get("slower") is None else float(record["slower"]),
        only_skin=bool(record.get("only_skin", False)),
        aim=cast(AimName, str(record.get("aim", "fit"))),
        bits=cast(Bits | None, record.get("bits")),
        guesses=bool(record.get("guesses", False)),
    )


TILE = 1_500_000
"""Pixels that a network usually takes at once."""


@dataclass(frozen=True)
class Window:
    """A part of a large picture with something around it."""

    picture: Floats
    """(h, w, 3), beginning on the network's grid"""
    rows: slice
    """those of its rows that count; what is around them is for their sake"""
    columns: slice


class Model(Protocol):
    """A generator that can be run. Pictures are float32 (H, W, 3) sRGB in 0..1, of any size."""

    info: ModelInfo
    tile: int
    """pixels it takes at once: more would not be faster, and memory grows with it"""

    def look_at(self, height: int, rows: Callable[[slice], Floats]) -> None:
        """Take a look at a picture of so many rows before parts of it are changed.

        `rows` returns its rows in their full width. Only a `pyramid` needs it.
        """

    def change(
        self, picture: Floats, top: int = 0, left: int = 0, wanted: Part | None = None
    ) -> Floats:
        """Return prediction - source, float32 (H, W, 3).

        `picture` begins at that row and column of what was looked at. Only the rows and columns
        `wanted`, counted from there, need be right; None: all.
        """

    def draw(self, strength: float, seed: int) -> None:
        """Draw texture that nobody can know so strong, 0 to 1, from now on; the same by one seed.

        Nothing is to be done by a model without `info.guesses`.
        """

    def spread(self, picture: Floats, top: int, left: int, wanted: Part) -> Floats:
        """Return how far the light may be from what is expected, since it is guessed: a deviation,
        float32 (H, W, 1) of 0..1. Arguments as for `change`. Only for models with `info.guesses`.
        """

    def fix_statistics(self, windows: Callable[[], Iterator[Window]]) -> None:
        """Normalise by the same statistics from now on: those over all `windows` of a picture.

        Only for models with `info.per_picture`. Raises DataError where that cannot be done.
        """

    def free_statistics(self) -> None:
        """Normalise by the statistics of each picture again."""

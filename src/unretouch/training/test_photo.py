"""A photograph without an answer that is restored at every preview: does it hold on this one?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unretouch.base import names
from unretouch.base.errors import DataError
from unretouch.networks.generator import Generator
from unretouch.networks.prediction import PartPredictor, Window, predict_picture
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.spaces import Rgb, Rgb8, eight, levels_to_file
from unretouch.settings.train import TrainSettings
from unretouch.training.large_pairs import strongest
from unretouch.training.training_pairs import at_scale

SIDE = 768
"""Pixels a side of the part that is shown of a large photograph: where there is most skin. More
would take the time that the previews of the pairs have."""
CELL = 32


class WatchedPhoto:
    """The photograph that --test_photo names, at the scale of training."""

    def __init__(self, path: Path, settings: TrainSettings) -> None:
        """Raises DataError for what is no picture."""
        rgb = images.read_rgb(path)
        self._rgb = at_scale(settings, Pair("photo", rgb, rgb, (path,))).source
        self.name = names.file_stem(path.stem)
        self._part: Window | None = None
        if max(self._rgb.shape[:2]) > SIDE:
            skin = images.reduced(skin_mask(self._rgb), CELL)
            self._part = strongest(skin, CELL, self._rgb.shape[:2], SIDE)

    def seen(self, generator: Generator) -> Rgb8:
        """Return what is shown of the photograph: the whole, or a part of one that a `generator`
        which looks at parts would take long for."""
        part = self._part_for(generator)
        return eight(self._rgb if part is None else np.ascontiguousarray(part.of(self._rgb)))

    def restored(self, generator: Generator) -> Rgb:
        """Return the prediction of what is shown, in file space."""
        part = self._part_for(generator)
        prediction: NDArray[np.float32]
        if part is None:
            prediction = predict_picture(generator, self._rgb)
        else:
            prediction = PartPredictor(generator, self._rgb).at(part)
        return levels_to_file(prediction)

    def _part_for(self, generator: Generator) -> Window | None:
        return self._part if generator.is_local else None


def watched_photo(settings: TrainSettings, goes_on: bool) -> tuple[WatchedPhoto | None, list[str]]:
    """Return the photograph of --test_photo, if there is one, and what is to be said of it.

    A run that goes on does so without one that cannot be read any more. Raises DataError.
    """
    if not settings.test_photo:
        return None, []
    try:
        return WatchedPhoto(Path(settings.test_photo), settings), []
    except DataError as error:
        if not goes_on:
            raise
        return None, [f"note: goes on without --test_photo: {error}"]

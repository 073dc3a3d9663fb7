"""The pairs of the demo: crops of one portrait, their retouch simulated."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels import images, pair_check
from unretouch.pixels.retouch import retouch, skin_mask
from unretouch.pixels.spaces import Rgb
from unretouch.tasks.pair import write_new

NAME = "demo"
ABOUT = "about_the_demo.txt"
"""Tells beside the pairs what they are; by it a run of them is known, whatever its name."""
FIRST_TASTE = _(
    "This demo is a first taste, on three small crops. Train it longer and more comes back, or "
    "make a new run with your own pairs."
)
MINUTES = 2.0
"""Training time unless said otherwise; all of the demo stays below four minutes on two cores."""

SIDE = 256
"""Height and width of a crop in pixels."""
TRAINING = 3
LARGEST = 1536
"""Of a large photograph, only so many pixels a side are retouched: where the most skin is."""
LEAST_DIFFERENCE = 0.5
"""Grey levels that the retouch has to change in every crop, on average, to be worth learning."""

Crop = tuple[slice, slice]
"""Rows and columns."""


def cut_demo_pairs(out: Path, photo: Path | None = None, seed: int = 0) -> bool:
    """Retouch `photo` and write its crops to `out`/train and `out`/heldout, A left and B right.

    Without `photo` it is the portrait of the astronaut Eileen Collins (NASA, public domain) that
    scikit-image ships. The photograph is laid out in crops that do not overlap; those in which the
    retouch changed most are taken, the third of them held out. Returns whether cloth and backdrop
    were retouched too, since the photograph shows little skin. Raises DataError when the photograph
    cannot be read, is too small, or has nothing to retouch, and when `out` holds other pictures;
    DiskError.
    """
    path = photo or shipped_portrait()
    before = _where_skin_is(images.read_rgb(path))
    places = _places(before.shape[1], before.shape[0], path)
    for all_surfaces in (False, True):
        after = retouch(before, seed, all_surfaces=all_surfaces)
        crops = [(after[place], before[place]) for place in places]
        crops.sort(key=lambda crop: -pair_check.mean_difference(*crop))
        crops = crops[: TRAINING + 1]
        if pair_check.mean_difference(*crops[-1]) >= LEAST_DIFFERENCE:
            break
    else:
        raise DataError("has too little texture that a retouch could take away", path)
    crops.append(crops.pop(2))  # the last is held out: neither the easiest crop nor the hardest
    folders = [out / "train"] * TRAINING + [out / "heldout"]
    files = [folder / f"crop_{number}.png" for number, folder in enumerate(folders, start=1)]
    for folder in set(folders):
        others = set(images.list_images(folder)) - set(files) if folder.exists() else set()
        if others:
            raise DataError("holds other pictures than those of the demo", folder, "Choose another")
    for file, crop in zip(files, crops, strict=True):
        write_new(file, np.concatenate(crop, axis=1))
    about = f"Crops of {path.name}: left as a simulated retouch left them, right as they were.\n"
    durable.write_text(out / ABOUT, about)
    return all_surfaces


def is_demo(dataroot: Path | str) -> bool:
    """Whether a folder of pairs is that of a demo."""
    return bool(dataroot) and (Path(dataroot) / ABOUT).is_file()


def shipped_portrait() -> Path:
    """Return the portrait that scikit-image ships. Raises DataError when it does not any more."""
    path = Path(str(resources.files("skimage"))) / "data" / "astronaut.png"
    if not path.is_file():
        raise DataError("scikit-image no longer ships it", path, "Give a portrait with --photo")
    return path


def _where_skin_is(rgb: Rgb) -> Rgb:
    """Return the part of a large photograph, LARGEST pixels a side at most, with the most skin."""
    mask = skin_mask(rgb)
    for axis in (0, 1):
        if rgb.shape[axis] > LARGEST:
            along = np.concatenate([[0.0], np.cumsum(mask.sum(1 - axis))])
            start = int(np.argmax(along[LARGEST:] - along[:-LARGEST]))
            window = range(start, start + LARGEST)
            rgb, mask = rgb.take(window, axis), mask.take(window, axis)
    return rgb


def _places(width: int, height: int, path: Path) -> list[Crop]:
    """Return as many crops as fit side by side, spread evenly."""
    columns, rows = width // SIDE, height // SIDE
    if columns * rows <= TRAINING:
        raise DataError(
            f"is {width} x {height} pixels, too small for the demo",
            path,
            f"It takes {TRAINING + 1} crops of {SIDE} x {SIDE}: give a portrait of "
            f"{2 * SIDE} x {2 * SIDE} pixels or more",
        )
    tops = np.linspace(0, height - SIDE, rows).astype(int).tolist()
    lefts = np.linspace(0, width - SIDE, columns).astype(int).tolist()
    return [np.s_[top : top + SIDE, left : left + SIDE] for top in tops for left in lefts]

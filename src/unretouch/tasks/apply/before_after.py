"""One page that compares every photograph of a folder with what was made of it.

Browsers do not show what photographers work on (16 bits, TIFF, RAW), so the page has pictures of
its own: the whole, reduced, and the place that changed most, pixel for pixel.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.pixels import colour, images, psd
from unretouch.pixels.pair_pictures import in_strips
from unretouch.pixels.photos import read_photo
from unretouch.pixels.spaces import Rgb, at_most, eight
from unretouch.report.pages import write_page
from unretouch.runs.history import Record
from unretouch.settings.commands import ApplySettings
from unretouch.tasks.apply.files import PAGE

WHOLE = 1024
"""Pixels of the longer side of a whole photograph on the page."""
CLOSE = 480
"""Pixels of both sides of the place that is shown pixel for pixel."""
CELL = 16
"""Pixels of the cells in which the change is added up to find it."""
PICTURES = "images"
SIDES = ("before", "restored")
LOOKS = ("whole", "place")
QUALITY = 92
"""Of the JPEG files of the page: fine texture is what it is about."""


@dataclass(frozen=True)
class Treated:
    """A photograph and what was made of it."""

    source: Path
    output: Path
    far: Record | None
    """what was noted if it lies far from the training pairs"""


def write(request: ApplySettings, treated: Sequence[Treated]) -> tuple[Path, list[DataError]]:
    """Write the page of these photographs into the output folder; return its path, and an error for
    each that cannot be shown. Pictures that are there already are taken over. Raises DiskError.
    """
    folder = request.out / PAGE
    durable.make_folder(folder / PICTURES)
    shown: list[dict[str, Any]] = []
    problems: list[DataError] = []
    for each in treated:
        try:
            looks = _looks(folder / PICTURES, each)
        except DataError as problem:
            problems.append(DataError(f"is not on the page: {problem}", each.output))
            continue
        name = each.output.relative_to(request.out).as_posix()
        shown.append({"name": name, "far": each.far and each.far["said"], "looks": looks})
    wanted = {Path(look[side]).name for row in shown for look in row["looks"] for side in SIDES}
    for old in (folder / PICTURES).glob("*.jpg"):
        if old.name not in wanted:
            durable.remove(old)
    facts = {} if request.strength is None else {"strength": f"{request.strength:g}"}
    if request.mask is not None:
        facts["mask"] = Path(request.mask).name
    title = Path(request.run or request.weights or "").name
    page = write_page(folder, "before_after", shown, title=title, facts=facts, shown=shown)
    return page, problems


def _looks(folder: Path, treated: Treated) -> list[dict[str, Any]]:
    """Write the pictures of one photograph unless they are there; return what the page reads: of
    the whole and of the place both files, and their size. Raises DataError, DiskError.
    """
    key = _key(treated)
    files = {look: [folder / f"{key}_{side}_{look}.jpg" for side in SIDES] for look in LOOKS}
    # Written last: where it is there, so are the others.
    if not files["whole"][-1].exists():
        before, restored = (_in_srgb(path) for path in (treated.source, treated.output))
        if before.shape == restored.shape and max(before.shape) > WHOLE:
            place = _most_changed(before, restored)
            for path, rgb in zip(files["place"], (before, restored), strict=True):
                _write_jpeg(path, rgb[place])
        for path, rgb in zip(files["whole"], (before, restored), strict=True):
            _write_jpeg(path, at_most(rgb, WHOLE))
    looks = []
    for look, paths in files.items():
        if paths[0].exists():
            with Image.open(paths[0]) as image:
                names = {
                    side: f"{PICTURES}/{path.name}" for side, path in zip(SIDES, paths, strict=True)
                }
                looks.append({"key": look, "ratio": image.width / image.height, **names})
    return looks


def _key(treated: Treated) -> str:
    """Return what is another one as soon as one of the two files is."""
    about = []
    for path in (treated.source, treated.output):
        stat = path.stat()
        about.append([os.path.realpath(path), stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _in_srgb(path: Path) -> Rgb:
    """Return uint8 (H, W, 3) as a browser shall show it; of layers all together."""
    if psd.header_of(path) is not None:
        return eight(images.read(path, sys.maxsize).rgb)
    photo = read_photo(path)
    space, _ = colour.told(photo.profile)

    def shown(part: NDArray[Any]) -> Rgb:
        numbers = eight(part)
        return space.in_srgb(numbers)[0] if space else numbers

    return in_strips(shown, photo.pixels)


def _most_changed(before: Rgb, after: Rgb) -> tuple[slice, slice]:
    """Return rows and columns of the place of CLOSE pixels that changed most."""
    height, width = before.shape[:2]
    strips = []
    for rows in images.row_strips(height, 64 * CELL):
        change = np.abs(np.subtract(before[rows], after[rows], dtype=np.int16))
        strips.append(images.reduced(change.mean(2, dtype=np.float32), CELL))
    cells = np.concatenate(strips)
    # Sums over windows, by those over all that is above and to the left.
    sums = np.pad(cells.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    down, across = (min(CLOSE // CELL, length) for length in cells.shape)
    windows = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across]
    windows += sums[:-down, :-across]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    y = max(0, min(int(top) * CELL, height - CLOSE))
    x = max(0, min(int(left) * CELL, width - CLOSE))
    return slice(y, y + CLOSE), slice(x, x + CLOSE)


def _write_jpeg(path: Path, rgb: Rgb) -> None:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    durable.write_bytes(path, buffer.getvalue())

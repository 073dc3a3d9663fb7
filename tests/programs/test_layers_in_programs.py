"""Layered files in GIMP and Krita: flattened there, they are what apply makes, within a level.

GIMP knows no layers in a TIFF, and shows the flattened picture in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unretouch.pixels.photos import Photo, read_photo
from unretouch.tasks.apply.layers import Layers, ending_of

FILES = [8, 16]
"""Bits of a channel."""


def write(folder: Path, bits: int) -> tuple[Path, NDArray[np.int64]]:
    """Write a layered file with a soft mask, black and white in it; return also its picture."""
    random = np.random.default_rng(bits)
    full, kind = 2**bits - 1, np.uint8 if bits == 8 else np.uint16
    source = random.integers(0, full + 1, (60, 70, 3)).astype(kind)
    source[:8], source[8:16] = 0, full
    change = random.normal(0, full / 20, source.shape).astype(np.float32)
    mask = np.linspace(-0.2, 1.2, 70, dtype=np.float32).clip(0, 1)[None].repeat(60, 0)
    result = np.rint(source + mask[..., None] * change).clip(0, full).astype(kind)
    layers = Layers(Photo(source, "png", ".png"), True, folder)
    layers.add(source, change, result, mask)
    photo = Photo(result, "png", ".png")
    path = folder / f"layers{bits}{ending_of(photo)}"
    layers.write(path, photo)
    return path, result.astype(np.int64)


def agrees(picture: Path, expected: NDArray[np.int64], bits: int) -> bool:
    photo = read_photo(picture)
    level = 1 if bits == 8 else 257
    return photo.full == 2**bits - 1 and np.abs(photo.pixels - expected).max() <= level


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def ran(words: list[str], home: Path) -> None:
    """Run a program that finds no settings of the user, and leaves none."""
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    environment.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_gimp_flattens_to_what_apply_makes(tmp_path: Path) -> None:
    gimp = needed("gimp")
    written = {bits: write(tmp_path, bits) for bits in FILES}
    batch = []
    for bits, (path, _) in written.items():
        source, target = f'"{path}"', f'"{tmp_path / f"{bits}.png"}"'
        batch += ["-b", (
            f"(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE {source} {source})))"
            " (layer (car (gimp-image-flatten image))))"
            f" (file-png-save RUN-NONINTERACTIVE image layer {target} {target} 0 1 0 0 0 0 0))"
        )]  # fmt: skip
    ran([gimp, "-i", "-d", "-f", *batch, "-b", "(gimp-quit 0)"], tmp_path)
    for bits, (_, expected) in written.items():
        assert agrees(tmp_path / f"{bits}.png", expected, bits)


@pytest.mark.parametrize("bits", FILES)
def test_krita_flattens_to_what_apply_makes(tmp_path: Path, bits: int) -> None:
    krita, display = needed("krita"), needed("xvfb-run")
    path, expected = write(tmp_path, bits)
    target = tmp_path / "flat.png"
    ran([display, "-a", krita, "--export", "--export-filename", str(target), str(path)], tmp_path)
    assert agrees(target, expected, bits)

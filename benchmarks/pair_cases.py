"""Twenty pairs as people make them, and sound ones: what is said of each, and is it right?

    python benchmarks/pair_cases.py [--portraits FOLDER] [--json FILE]

A case is named rightly when a warning or refusal names what was done, and the remedy. Of sound
pairs nothing may be said: simulated retouches of all portraits, clean, as JPEG and with noise.
Figures go to docs/pair_cases.json; exit code 0 when at least MUST were named and no sound pair was
warned of.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from photo_sets import PORTRAITS
from PIL import Image
from scipy import ndimage

from unretouch.base.errors import DataError
from unretouch.pixels import images
from unretouch.pixels.pair_check import ALIGN
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.retouch import retouch

Rgb = NDArray[np.uint8]
Sides = tuple[Rgb, Rgb]

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "pair_cases.json"
MUST = 18
EDGE = 24
"""Pixels around the portrait that a shifted side is cut from."""


@dataclass(frozen=True)
class Case:
    """A pair with one fault."""

    name: str
    portrait: int
    make: Callable[[Rgb, Rgb], Sides]
    """from the retouched and the untouched portrait"""
    said: tuple[str, ...]
    """what the warning or refusal must hold, in small letters"""


def shifted(dx: float, dy: float) -> Callable[[Rgb, Rgb], Sides]:
    """B lies to the right of and below A."""

    def make(a: Rgb, b: Rgb) -> Sides:
        inner = np.s_[EDGE:-EDGE, EDGE:-EDGE]
        return a[inner], rounded(ndimage.shift(b.astype(float), (dy, dx, 0), order=5))[inner]

    return make


def cropped(left: int, top: int, right: int, bottom: int) -> Callable[[Rgb, Rgb], Sides]:
    """A lacks a border."""
    return lambda a, b: (a[top : len(a) - bottom, left : a.shape[1] - right], b)


def resized(scale: float, same_size: bool) -> Callable[[Rgb, Rgb], Sides]:
    """A is larger or smaller, about its middle; cut or filled up to the size of B if asked."""

    def make(a: Rgb, b: Rgb) -> Sides:
        size = [round(length * scale) for length in a.shape[1::-1]]
        other = np.array(Image.fromarray(a).resize(size, Image.Resampling.LANCZOS))
        if not same_size:
            return other, b
        height, width = np.minimum(other.shape[:2], b.shape[:2])
        return middle(other, height, width), middle(b, height, width)

    return make


def middle(rgb: Rgb, height: int, width: int) -> Rgb:
    top, left = (len(rgb) - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]


def liquified(x: float, y: float, radius: float, pixels: float) -> Callable[[Rgb, Rgb], Sides]:
    """A is pushed to one side around a place (shares of the picture), less towards `radius`."""

    def make(a: Rgb, b: Rgb) -> Sides:
        height, width = a.shape[:2]
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        far = np.hypot(rows - y * height, columns - x * width) / radius
        push = pixels * np.square(np.maximum(0, 1 - far**2))
        where = rows - push * math.sin(0.7), columns - push * math.cos(0.7)
        planes = (ndimage.map_coordinates(a[..., c].astype(float), where) for c in range(3))
        return rounded(np.stack(list(planes), -1)), b

    return make


def graded(
    stops: float = 0.0, curve: float = 0.0, balance: tuple[float, float] = (1.0, 1.0)
) -> Callable[[Rgb, Rgb], Sides]:
    """A is lighter by `stops`, with an S-curve and gains of red and blue in linear light."""

    def make(a: Rgb, b: Rgb) -> Sides:
        light = (a / 255.0) ** 2.2 * 2.0**stops * (balance[0], 1.0, balance[1])
        coded = np.clip(light, 0, 1) ** (1 / 2.2)
        return rounded(255 * (coded + curve * (coded**2 * (3 - 2 * coded) - coded))), b

    return make


def jpeg(rgb: Rgb, quality: int) -> Rgb:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def noisy(rgb: Rgb, seed: int) -> Rgb:
    return rounded(rgb + np.random.default_rng(seed).normal(0, 3, rgb.shape))


def rounded(levels: NDArray[np.floating]) -> Rgb:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


OTHER = "another portrait"
CASES = (
    Case("shifted by 3, -2", 0, shifted(3, -2), ("shifted by dx=3.0, dy=-2.0", ALIGN)),
    Case("shifted by 0.6, 0.8", 1, shifted(0.6, 0.8), ("shifted by dx=0.6, dy=0.8", ALIGN)),
    Case("shifted by -9.5, 14", 2, shifted(-9.5, 14), ("shifted by dx=-9.5, dy=14.0", ALIGN)),
    Case("cropped evenly", 3, cropped(20, 20, 20, 20), ("a is cropped", ALIGN)),
    Case("cropped unevenly", 4, cropped(3, 41, 17, 0), ("a is cropped", ALIGN)),
    Case("1 % larger, cut", 5, resized(1.01, True), ("resized: 1.0 % larger", ALIGN)),
    Case("1 % smaller, cut", 6, resized(0.99, True), ("resized: 1.0 % smaller", ALIGN)),
    Case("1 % larger", 7, resized(1.01, False), ("resized: 1.0 % larger", ALIGN)),
    Case("1 % smaller", 8, resized(0.99, False), ("resized: 1.0 % smaller", ALIGN)),
    Case("S-curve", 0, graded(curve=0.6), ("grade",)),
    Case("warm white balance", 2, graded(balance=(1.15, 0.8)), ("grade",)),
    Case("0.4 stops lighter", 4, graded(stops=0.4), ("grade",)),
    Case("curve, balance, darker", 6, graded(-0.3, 0.4, (0.9, 1.15)), ("grade",)),
    Case("liquify of a cheek", 1, liquified(0.4, 0.6, 100, 3), ("liquify", "leaves that out")),
    Case("liquify of the nose", 3, liquified(0.5, 0.52, 50, 3), ("liquify", "leaves that out")),
    Case("liquify of the hair", 9, liquified(0.5, 0.3, 200, 4), ("liquify", "leaves that out")),
    Case("swapped", 5, lambda a, b: (b, a), ("swapped", "--direction btoa")),
    Case("swapped, compressed", 7, lambda a, b: (jpeg(b, 90), jpeg(a, 90)), ("swapped", "btoa")),
    Case(OTHER, 0, lambda a, b: (a, b), ("hardly the same picture", "same name")),
    Case(f"{OTHER}, alike framing", 2, lambda a, b: (a, b), ("hardly the same", "same name")),
)


def said_of(a: Rgb, b: Rgb) -> str:
    """Return what training says of a pair before it begins, or why it refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        for side, rgb in (("A", a), ("B", b)):
            path = Path(folder, "train", side, "x.png")
            path.parent.mkdir(parents=True)
            images.write_png(path, rgb, effort=1)
        try:
            return " | ".join(load_pairs(folder, "train").warnings)
        except DataError as refusal:
            return str(refusal).replace(folder, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, default=PORTRAITS)
    parser.add_argument("--json", type=Path, default=FIGURES)
    args = parser.parse_args()
    portraits = [images.read_rgb(path) for path in images.list_images(args.portraits)]
    pairs = [(retouch(rgb, seed), rgb) for seed, rgb in enumerate(portraits)]
    told = {}
    for case in CASES:
        a, b = pairs[case.portrait]
        if case.name.startswith(OTHER):
            b = portraits[case.portrait + 1]
        said = said_of(*case.make(a, b))
        right = all(word.lower() in said.lower() for word in case.said)
        told[case.name] = {"right": right, "said": said}
        print(f"{'right' if right else 'WRONG'}  {case.name}: {said}", flush=True)
    warned = {}
    for number, (a, b) in enumerate(pairs):
        kinds = {
            "": (a, b),
            "JPEG": (jpeg(a, 88), jpeg(b, 80)),
            "noise": (noisy(a, 1), noisy(b, 2)),
        }
        for kind, sides in kinds.items():
            if said := said_of(*sides):
                warned[f"portrait {number} {kind}".strip()] = said
                print(f"WARNED  {number} {kind}: {said}", flush=True)
    right = sum(case["right"] for case in told.values())
    figures = {
        "cases": len(CASES), "right": right, "must": MUST,
        "sound": 3 * len(pairs), "warned": len(warned), "said": told, "said_of_sound": warned,
    }  # fmt: skip
    args.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(
        f"{right} of {len(CASES)} named rightly; {len(warned)} of {3 * len(pairs)} sound warned of"
    )
    return 0 if right >= MUST and not warned else 1


if __name__ == "__main__":
    sys.exit(main())

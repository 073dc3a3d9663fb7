"""Photographs from elsewhere: a model of three portraits, tried on other cameras, light and people.

    python benchmarks/studios.py [PART ...] [--work FOLDER] [--portraits FOLDER] [--json FILE]

PART is AIM:MINUTES or, so that computers of any speed can be compared, AIM:UPDATESu; with further
words of `unretouch train` behind colons, say `restore:1302u:--size=s`. With `also` for one of them,
the untouched pictures of the second studio are given by --also. With `whole`, pictures are whole
portraits, with hair and background, instead of squares of faces. Each part trains on three pictures
of one studio, retouched by the simulated retoucher, and is measured on

    same        four other people of the same studio
    elsewhere   five photographs made to look like another studio's: exposure, white balance, tone
                curve, scale, sharpness, sensor noise and JPEG are others, three people are others,
                two are photographed by a telephone
    one         trained on one pair alone instead (AIM one:MINUTES), the four others and the five

Figures: less error than doing nothing, and for harm by how much more, of what a file holds: whole
levels. They are added to FILE; a
part that is measured again replaces its older figures. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photo_sets import PORTRAITS
from PIL import Image
from scipy import ndimage

from unretouch.pixels import images
from unretouch.pixels.retouch import retouch, skin_mask
from unretouch.pixels.spaces import levels_to_file
from unretouch.runs.folder import RunDir

Rgb = NDArray[np.uint8]
Plane = NDArray[np.float32]

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "studios.json"
SIDE = 512
TRAINED_ON = ("london_003", "london_099", "london_172")
SAME = ("london_001", "london_010", "london_042", "london_064")
PIECES = 4
"""Untouched windows, at most, of each photograph of the second studio, beside half a face."""

WHOLE = "whole"
"""The folder of the sets of whole portraits, and the word of a part that asks for them."""


@dataclass(frozen=True)
class Camera:
    """How a second studio's picture differs from the first one's."""

    exposure: float
    """stops"""
    balance: tuple[float, float]
    """gains of red and blue, in linear light"""
    gamma: float
    """of the tone curve, beside sRGB's"""
    contrast: float
    """of an S-curve, 0 for none"""
    scale: float
    """pixels of it for one of the first"""
    sharpness: float
    """below zero: the sigma of a blur, pixels; above: the amount of a sharpening"""
    noise: float
    """grey levels (RMS) in the middle tones, of a sensor's kind"""
    quality: int
    """of the JPEG"""


ELSEWHERE: dict[str, Camera] = {
    "london_009": Camera(-0.45, (1.16, 0.84), 1.08, 0.10, 0.72, 0.5, 1.2, 90),
    "london_010": Camera(0.25, (0.90, 1.12), 0.94, 0.05, 1.25, -0.7, 0.8, 94),
    "london_064": Camera(-0.2, (1.05, 0.92), 1.0, 0.15, 0.55, 0.8, 2.0, 88),
    "selfie_15cm": Camera(0.0, (1.0, 1.0), 1.0, 0.0, 0.8, 0.0, 0.6, 92),
    "selfie_30cm": Camera(-0.3, (1.10, 0.95), 1.05, 0.08, 1.0, 0.3, 1.0, 90),
}
"""Numbers as they come of other cameras; no part of the program is tuned to them."""


def developed(rgb: Rgb, camera: Camera, seed: int) -> Rgb:
    """Return a picture, uint8 (H, W, 3), as this camera would have made it."""
    random = np.random.default_rng(seed)
    light = ((rgb / 255.0 + 0.055) / 1.055) ** 2.4
    light = np.where(rgb <= 10, rgb / 255.0 / 12.92, light).astype(np.float32)
    light *= 2**camera.exposure * np.array([camera.balance[0], 1, camera.balance[1]], np.float32)
    size = [round(side * camera.scale) for side in (rgb.shape[1], rgb.shape[0])]
    light = np.stack([_resized(light[..., c], size) for c in range(3)], 2)
    if camera.sharpness < 0:
        light = ndimage.gaussian_filter(light, (-camera.sharpness, -camera.sharpness, 0))
    # Shot noise grows with the root of the light; the filter that makes colour of it blurs it.
    noise = random.standard_normal(light.shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, (0.5, 0.5, 0)) / 0.57
    slope = 1.055 / 2.4 * 0.2 ** (1 / 2.4 - 1)  # of sRGB at a middle tone
    light += noise * camera.noise / 255 / slope * np.sqrt(np.clip(light, 0.01, 1) / 0.2)
    shown = np.clip(light, 0, 1) ** (camera.gamma / 2.4) * 1.055 - 0.055
    shown = np.clip(shown, 0, 1)
    shown += camera.contrast * (shown * shown * (3 - 2 * shown) - shown)
    levels = 255 * shown
    if camera.sharpness > 0:
        levels += camera.sharpness * (levels - ndimage.gaussian_filter(levels, (1, 1, 0)))
    made = Image.fromarray(np.rint(np.clip(levels, 0, 255)).astype(np.uint8))
    file = io.BytesIO()
    made.save(file, "JPEG", quality=camera.quality, subsampling=0)
    return np.asarray(Image.open(file).convert("RGB"))


def _resized(plane: Plane, size: Sequence[int]) -> Plane:
    return np.asarray(Image.fromarray(plane).resize(tuple(size), Image.Resampling.LANCZOS))


def middle(rgb: Rgb) -> Rgb:
    """Return the central square: of the portraits a face."""
    top, left = ((side - SIDE) // 2 for side in rgb.shape[:2])
    return rgb[max(0, top) : max(0, top) + SIDE, max(0, left) : max(0, left) + SIDE]


def halves(rgb: Rgb) -> tuple[Rgb, Rgb]:
    """Return the right half of the central square, which is tried, and the left half."""
    square = middle(rgb)
    return square[:, SIDE // 2 :], square[:, : SIDE // 2]


def pieces(rgb: Rgb) -> list[Rgb]:
    """Return untouched windows that share no pixel with what is tried: the left half of the central
    square, and beside that square those with most skin."""
    top, left = ((side - SIDE) // 2 for side in rgb.shape[:2])
    side, skin, found = SIDE // 4, skin_mask(rgb), []
    for y in range(0, rgb.shape[0] - side + 1, side):
        for x in range(0, rgb.shape[1] - side + 1, side):
            apart = y + side <= top or y >= top + SIDE or x + side <= left or x >= left + SIDE
            window = np.s_[y : y + side, x : x + side]
            share = float(skin[window].mean())
            if apart and share > 0.3:
                found.append((share, rgb[window]))
    found.sort(key=lambda each: -each[0])
    return [halves(rgb)[1], *(window for _, window in found[:PIECES])]


def write_pair(path: Path, before: Rgb, seed: int) -> None:
    """Write a combined pair: retouched on the left, before on the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    after = retouch(before, seed=seed)
    images.write_png(path, np.hstack([after, before]))


def make(folder: Path, portraits: Path) -> None:
    """Write the sets: train, same, elsewhere, and the untouched pieces of the second studio; and
    the first three of whole portraits."""
    whole = folder / WHOLE
    if (whole / "made").exists():
        return
    portrait = {path.stem: images.read_rgb(path) for path in sorted(portraits.glob("*.jpg"))}
    for number, name in enumerate(TRAINED_ON):
        write_pair(folder / "three/train" / f"{name}.png", middle(portrait[name]), number)
        write_pair(whole / "three/train" / f"{name}.png", portrait[name], number)
    write_pair(folder / "one/train" / f"{TRAINED_ON[0]}.png", middle(portrait[TRAINED_ON[0]]), 0)
    for number, name in enumerate(SAME):
        write_pair(folder / "same/train" / f"{name}.png", middle(portrait[name]), 10 + number)
        write_pair(whole / "same/train" / f"{name}.png", portrait[name], 10 + number)
    for number, (name, camera) in enumerate(ELSEWHERE.items()):
        other = developed(portrait[name], camera, number)
        write_pair(folder / "elsewhere/train" / f"{name}.png", halves(other)[0], 20 + number)
        write_pair(whole / "elsewhere/train" / f"{name}.png", other, 20 + number)
        for count, window in enumerate(pieces(other)):
            path = folder / "untouched" / f"{name}_{count}.png"
            path.parent.mkdir(exist_ok=True)
            images.write_png(path, window)
    (whole / "made").touch()


def measure(part: str, work: Path) -> dict[str, Any]:
    """Train one part and return what its weights make of pairs they never saw."""
    from unretouch.metrics import level_error
    from unretouch.model.load import load_model, weights_of
    from unretouch.pixels.pairs import load_pairs

    aim, length, *words = part.split(":")
    name = part.replace(":", "_").replace("-", "").replace("=", "")
    sets = work / WHOLE if WHOLE in words else work
    data = sets / ("one" if aim == "one" else "three")
    command = [sys.executable, "-m", "unretouch", "train", "--dataroot", str(data), "--aim",
               "restore" if aim == "one" else aim, "--checkpoints_dir", str(work / "runs"),
               "--name", name, "--no_html"]  # fmt: skip
    if length.endswith("u"):
        half = str(int(length[:-1]) // (2 * (1 if aim == "one" else len(TRAINED_ON))))
        command += ["--n_epochs", half, "--n_epochs_decay", half]
    else:
        command += ["--minutes", length]
    for word in words:
        if word != WHOLE:
            command += ["--also", str(work / "untouched")] if word == "also" else [word]
    subprocess.run(command, check=True, stdout=sys.stderr)
    model = load_model(weights_of(RunDir(work / "runs", name)))
    found: dict[str, Any] = {"part": part}
    for group in ("same", "elsewhere"):
        shares = {}
        for pair in load_pairs(sets / group, "train").pairs:
            doing_nothing = level_error(pair.source, pair.target)
            error = level_error(levels_to_file(model.predict(pair.source)), pair.target)
            shares[pair.name] = round(1 - error / doing_nothing, 4)
        found[group] = {"mean": statistics.mean(shares.values()), "worst": min(shares.values()),
                        "pairs": shares}  # fmt: skip
    return found


def table(parts: dict[str, dict[str, Any]]) -> str:
    """Return the figures as a Markdown table: less error than doing nothing."""
    lines = ["| run | same studio: mean, worst | elsewhere: mean, worst |", "|---|---|---|"]
    for name, found in parts.items():
        cells = [f"{found[g]['mean']:.0%}, {found[g]['worst']:.0%}" for g in ("same", "elsewhere")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=("restore:4",), metavar="PART")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "studios")
    parser.add_argument("--portraits", type=Path, default=PORTRAITS)
    parser.add_argument("--json", type=Path, default=FIGURES)
    options = parser.parse_args()
    make(options.work, options.portraits)
    for part in options.parts:
        known = json.loads(options.json.read_text()) if options.json.exists() else {"parts": {}}
        known["parts"][part] = measure(part, options.work)
        options.json.write_text(json.dumps(known, indent=2) + "\n")
        print(table({part: known["parts"][part]}), flush=True)


if __name__ == "__main__":
    main()

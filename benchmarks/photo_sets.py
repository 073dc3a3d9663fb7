"""Pairs that look like full-size professional work, made from a few portraits at native scale.

    python benchmarks/photos.py make FOLDER [--small] [--quality 80] [--dense] [--portraits FOLDER]

A contact sheet of different portraits, cloth and backdrops fills a frame of any size with real
pores, hair and sensor noise. It is retouched as a hand would: spots healed, light dodged and burnt,
creases and patches smoothed, on a few per cent of the pixels, most of it large. Both sides are then
saved apart. Where the retouch lies is known: every pixel that it changed by a level in 8 bits.

Everything is a function of its seed. A frame of 24 megapixels takes some ten seconds.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Rgb = NDArray[np.uint8]
Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Random = np.random.Generator

PORTRAITS = Path(__file__).resolve().parents[2] / "shared" / "portraits"
CELL, SMALL_CELL = 1000, 640
"""Pixels a side, about, of a tile of a contact sheet; of that of a small set."""
STRIP = 512
"""Rows that are worked on at once where a whole frame in float would be large."""


@dataclass(frozen=True)
class Photo:
    """What decides one made pair."""

    name: str
    height: int
    width: int
    seed: int
    share: float
    """of the pixels that are retouched"""
    dense: bool = False
    """the whole skin retouched by the simulated retoucher instead"""
    cell: int = CELL


SHEETS = (
    Photo("large_3", 4000, 6000, 1, 0.03),
    Photo("large_4", 4000, 6000, 2, 0.04),
    Photo("medium_9", 2400, 3600, 3, 0.09),
)
"""Two frames of 24 megapixels and one of 8.6."""
SMALL = tuple(
    Photo(f"small_{share}", 1280, 1280, seed, share / 100, cell=SMALL_CELL)
    for seed, share in ((11, 3), (12, 4), (13, 9))
)


def many(count: int) -> tuple[Photo, ...]:
    """Return so many frames of 24 megapixels, 3 to 9 % of them retouched."""
    return tuple(
        Photo(f"large_{n:02d}", 4000, 6000, 100 + n, 0.03 + 0.06 * n / max(1, count - 1))
        for n in range(count)
    )


LARGEST = (Photo("sixty", 6667, 9000, 60, 0.05),)
"""One frame of 60 megapixels."""


# --- the frame before ------------------------------------------------------------------------


def portraits_in(folder: Path = PORTRAITS) -> list[Rgb]:
    """Return the pictures of `folder`, uint8 (H, W, 3), in the order of their names."""
    paths = sorted([*folder.glob("*.jpg"), *folder.glob("*.png")])
    if not paths:
        raise SystemExit(f"{folder}: has no portraits; give a folder of them with --portraits")
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def cells(photo: Photo) -> list[tuple[slice, slice]]:
    """Return the tiles of a frame: rows and columns of uneven width."""
    random = np.random.default_rng([photo.seed, 0])

    def edges(length: int) -> list[int]:
        count = max(1, round(length / photo.cell))
        inner = np.arange(1, count) + random.uniform(-0.06, 0.06, count - 1)
        return [0, *(int(x) for x in inner * length / count), length]

    rows, columns = edges(photo.height), edges(photo.width)
    return [
        (slice(top, below), slice(left, right))
        for top, below in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def sheet(photo: Photo, portraits: Sequence[Rgb]) -> Rgb:
    """Return the frame before retouching, uint8 (H, W, 3).

    Each tile is another window of a portrait, turned or mirrored, in another exposure and with
    noise of its own; every sixth is a smooth backdrop, every eighth is cloth.
    """
    random = np.random.default_rng([photo.seed, 1])
    frame = np.empty((photo.height, photo.width, 3), np.uint8)
    places = cells(photo)
    first = int(random.integers(len(portraits)))
    order = random.permutation(len(places))
    for number, place in zip(order, places, strict=True):
        height, width = (s.stop - s.start for s in place)
        if number % 6 == 5:
            tile = _backdrop(height, width, random)
        elif number % 8 == 3:
            tile = _cloth(height, width, random)
        else:
            tile = _window(portraits[(first + number) % len(portraits)], height, width, random)
        tile += random.normal(0, 0.8, tile.shape[:2]).astype(np.float32)[..., None]
        tile += 0.4 * random.standard_normal(tile.shape, np.float32)
        frame[place] = _rounded(tile)
    return frame


def _window(portrait: Rgb, height: int, width: int, random: Random) -> Plane:
    """Return a window of `portrait`, reflected where it is too small, in another exposure."""
    quarter = int(random.choice(4, p=[0.7, 0.12, 0.06, 0.12]))
    picture = np.rot90(portrait, quarter)
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    missing = [
        max(0, wanted - had) for wanted, had in zip((height, width), picture.shape, strict=False)
    ]
    picture = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), "reflect")
    top, left = (
        int(random.integers(had - wanted + 1))
        for had, wanted in zip(picture.shape, (height, width), strict=False)
    )
    tile = picture[top : top + height, left : left + width].astype(np.float32)
    gain = random.uniform(0.72, 1.02) * random.uniform(0.97, 1.03, 3)
    return (tile * gain.astype(np.float32) + np.float32(random.uniform(0, 6))).astype(np.float32)


def _backdrop(height: int, width: int, random: Random) -> Plane:
    """Return a smooth gradient: a studio wall, or a sky."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    top, below = random.uniform(90, 235), random.uniform(90, 235)
    sky = random.random() < 0.5
    tint = np.array([0.75, 0.92, 1.08] if sky else [1.0, 1.0, 1.0]) * random.uniform(0.98, 1.02, 3)
    light = top + (below - top) * 0.4 * y + random.uniform(-25, 25) * x - 20 * (x - 0.5) ** 2
    return light[..., None] * tint.astype(np.float32)


def _cloth(height: int, width: int, random: Random) -> Plane:
    """Return woven cloth with folds: its threads are a few pixels wide."""
    folds = 10 * _slow_noise(height, width, 420, random)
    for size, weight in ((340, 16.0), (130, 8.0)):
        # Squeezed across, so that folds are long; bent sharply where it goes through zero.
        squeezed = _slow_noise(height // 3, width, size / 3, random)
        heights = np.asarray(
            Image.fromarray(squeezed).resize((width, height), Image.Resampling.BICUBIC)
        )
        slopes = np.gradient(np.hypot(heights, 0.05), axis=(0, 1))
        shade = ndimage.gaussian_filter(slopes[0] + 0.6 * slopes[1], 3)
        folds += weight * shade / shade.std()
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, period = random.uniform(0, math.pi), random.uniform(3.2, 6.5)
    bent = 2.5 * _slow_noise(height, width, 90, random)
    across = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period) + bent
    along = (y * math.cos(angle) - x * math.sin(angle)) * (2 * math.pi / period / 1.3) - bent
    threads = random.uniform(3, 7) * np.sin(across) * np.cos(along)
    uneven = 1 + 0.5 * _slow_noise(height, width, 12, random)
    colour = random.uniform(45, 200) * random.uniform(0.75, 1.1, 3)
    light = 1 + (folds + threads * uneven) / 100
    return (light[..., None] * colour).astype(np.float32)


def _slow_noise(height: int, width: int, size: float, random: Random) -> Plane:
    """Return noise (H, W), about -1 to 1, that changes over `size` pixels."""
    shape = (int(height / size) + 3, int(width / size) + 3)
    small = Image.fromarray(random.uniform(-1, 1, shape).astype(np.float32))
    large = small.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32)


# --- the retouch -----------------------------------------------------------------------------

SPOTS_SHARE = 0.06
"""Of the retouched pixels, at most, healed spots; the rest is shared by the two below."""
LIGHT_SHARE = 0.72
"""Of that rest, dodged and burnt; what is left over is smoothed."""
SPOTS = 12.5
"""Healed spots a megapixel."""


def sparse(
    before: Rgb, share: float, seed: int, tiles: Sequence[tuple[slice, slice]] = ()
) -> tuple[Rgb, Mask]:
    """Return `before` with about this share of its pixels retouched, and where.

    No brush crosses the border of one of `tiles`: they are different photographs.
    """
    random = np.random.default_rng([seed, 2])
    work = _Retouch(before, random, tiles)
    pixels = before.shape[0] * before.shape[1]
    wanted = share * pixels
    for _ in range(round(SPOTS * pixels / 1e6)):
        if work.changed >= SPOTS_SHARE * wanted:
            break
        _heal(work)
    # The large brushes first: what is left to do bounds the size of the next.
    light, smooth = (part * (wanted - work.changed) for part in (LIGHT_SHARE, 1 - LIGHT_SHARE))
    largest = max(1500.0, 0.15 * wanted)
    for _ in range(20_000):
        left = wanted - work.changed
        if left < 0.003 * wanted:
            break
        if light >= smooth:
            light -= _dodge(work, min(left, largest))
        else:
            smooth -= _smooth(work, min(left, largest))
    return work.after, work.mask


class _Retouch:
    """A picture on which a brush works, window by window."""

    def __init__(self, before: Rgb, random: Random, tiles: Sequence[tuple[slice, slice]]) -> None:
        self.before, self.after, self.random = before, before.copy(), random
        self.mask: Mask = np.zeros(before.shape[:2], np.bool_)
        self.changed = 0
        self._tiles = tiles or [(slice(0, before.shape[0]), slice(0, before.shape[1]))]
        self._reduced = 16 if min(before.shape[:2]) > 2000 else 8
        self._places, self._running = self._interest()

    def _interest(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return blocks of the picture, and the running sum of how much they ask for work: least
        where all is flat, less where contours are than in surfaces."""
        small = np.asarray(
            Image.fromarray(self.before).reduce(self._reduced).convert("L"), np.float32
        )
        mean = ndimage.uniform_filter(small, 5)
        rough = np.sqrt(np.maximum(ndimage.uniform_filter(small**2, 5) - mean**2, 0))
        self._rough = rough
        # A backdrop is flat, or has one slope.
        bent = np.sqrt(ndimage.uniform_filter((small - mean) ** 2, 5))
        weight = np.where(bent < 0.5, 0.02, np.where(rough < 14, 1.0, 0.25))
        weight *= np.clip((250 - mean) / 20, 0.05, 1)
        for rows, columns in self._tiles:  # the borders of tiles are no contours
            for edge in (rows.start, rows.stop):
                weight[max(0, edge // self._reduced - 3) : edge // self._reduced + 3] = 0
            for edge in (columns.start, columns.stop):
                weight[:, max(0, edge // self._reduced - 3) : edge // self._reduced + 3] = 0
        return np.indices(small.shape).reshape(2, -1).T, weight.ravel().cumsum()

    def somewhere(self) -> tuple[int, int]:
        """Return a place that asks for work."""
        at = self.random.uniform(0, self._running[-1])
        block = self._places[min(int(np.searchsorted(self._running, at)), len(self._places) - 1)]
        y, x = block * self._reduced + self.random.integers(self._reduced, size=2)
        height, width = self.mask.shape
        return min(int(y), height - 1), min(int(x), width - 1)

    def contours(self, y: int, x: int, radius: float) -> float:
        """Return how rough the picture is within `radius`, seen small."""
        reach = max(1, round(radius / self._reduced))
        y, x = y // self._reduced, x // self._reduced
        around = self._rough[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        return float(np.maximum(around - 12, 0).mean())

    def window(self, y: int, x: int, reach: int) -> tuple[slice, slice]:
        """Return the window around a place, within its tile."""
        down, across = next(
            (rows, columns)
            for rows, columns in self._tiles
            if rows.start <= y < rows.stop and columns.start <= x < columns.stop
        )
        return (
            slice(max(down.start, y - reach), min(down.stop, y + reach + 1)),
            slice(max(across.start, x - reach), min(across.stop, x + reach + 1)),
        )

    def levels(self, place: tuple[slice, slice]) -> Plane:
        return self.after[place].astype(np.float32)

    def add(self, place: tuple[slice, slice], change: Plane) -> int:
        """Add `change` (levels) to the window; return how many pixels are newly changed."""
        self.after[place] = _rounded(self.after[place] + change)
        had = int(self.mask[place].sum())
        self.mask[place] = (self.after[place] != self.before[place]).any(2)
        new = int(self.mask[place].sum()) - had
        self.changed += new
        return new


def _heal(work: _Retouch) -> None:
    """Replace the most outstanding of a few small places by what lies beside it."""
    diameter = 6 * (40 / 6) ** float(work.random.beta(1, 2))
    radius, best = diameter / 2, None
    reach = math.ceil(1.6 * diameter) + 2
    for _ in range(8):
        y, x = work.somewhere()
        place = work.window(y, x, reach)
        levels = work.levels(place)
        if min(levels.shape[:2]) < 2 * reach + 1:
            continue
        distance = np.hypot(*(np.mgrid[-reach : reach + 1, -reach : reach + 1]))
        inside, ring = (
            distance < 0.6 * radius + 0.7,
            (distance > 1.3 * radius) & (distance < 1.6 * diameter),
        )
        light = levels.mean(2)
        around = float(light[ring].std())
        stands_out = abs(float(light[inside].mean() - light[ring].mean())) / (2 + around)
        if around < 9 and (best is None or stands_out > best[0]):
            best = (stands_out, place, levels, distance)
    if best is None:
        return
    _, place, levels, distance = best
    # The donor lies beside the spot, its light brought to that of the surroundings.
    turn = work.random.uniform(0, 2 * math.pi)
    shift = (round(1.1 * diameter * math.sin(turn)), round(1.1 * diameter * math.cos(turn)))
    donor = np.roll(levels, shift, (0, 1))
    ring = (distance > 1.1 * radius) & (distance < 1.5 * radius + 1)
    donor = donor + (levels[ring].mean(0) - donor[ring].mean(0))
    brush = np.clip((1.15 * radius - distance) / max(1.5, 0.3 * radius), 0, 1).astype(np.float32)
    change = donor - levels
    if float(np.abs(change[distance < radius]).mean()) < 20:  # else a contour would be cut
        work.add(place, brush[..., None] * change)


def _oval(work: _Retouch, radius: float, longest: float) -> tuple[tuple[slice, slice], Plane]:
    """Return a window somewhere, and in it the distance from the middle of a turned oval whose
    short half axis is `radius`: 1 on its rim."""
    stretch = float(work.random.uniform(1, longest))
    angle = work.random.uniform(0, math.pi)
    reach = math.ceil(radius * stretch)
    y, x = work.somewhere()
    for _ in range(12):  # nobody paints across an eye
        if work.contours(y, x, radius) < 4:
            break
        y, x = work.somewhere()
    place = work.window(y, x, reach)
    rows = np.arange(place[0].start, place[0].stop, dtype=np.float32)[:, None] - y
    columns = np.arange(place[1].start, place[1].stop, dtype=np.float32) - x
    along = (columns * math.cos(angle) + rows * math.sin(angle)) / (radius * stretch)
    across = (rows * math.cos(angle) - columns * math.sin(angle)) / radius
    return place, np.hypot(along, across).astype(np.float32)


def _dodge(work: _Retouch, at_most: float) -> int:
    """Lighten or darken softly over a few hundred pixels, mostly towards evenness."""
    random = work.random
    amount, flatness = 8 * float(random.uniform(0.2, 1)) ** 0.5, float(random.uniform(1, 3))
    # In sigmas: beyond, it rounds to nothing.
    rim = math.sqrt(2 * math.log(amount / 0.4) ** (1 / flatness))
    longest = 2.5
    largest = math.sqrt(at_most / (math.pi * rim**2 * (1 + longest) / 2))
    sigma = 15 * max(1.0, min(150.0, largest) / 15) ** float(random.uniform(0, 1))
    place, distance = _oval(work, rim * sigma, longest)
    blob = np.exp(-(((distance * rim) ** 2 / 2) ** flatness)).astype(np.float32) * (distance < 1)
    levels = work.levels(place)
    light = levels.mean(2)
    middle = float((light * blob).sum() / blob.sum())
    outer = (distance > 0.8) & (distance < 1.4)
    lighter_around = float(light[outer].mean()) > middle if outer.any() else True
    sign = 1 if (random.random() < 0.75) == lighter_around else -1
    # A curve that leaves black and white where they are, as a retoucher's does.
    curve = 4 * (levels / 255) * (1 - levels / 255)
    usual = max(0.35, float((curve.mean(2) * blob).sum() / blob.sum()))
    return work.add(place, np.asarray(sign * amount * blob[..., None] * curve / usual, np.float32))


def _smooth(work: _Retouch, at_most: float) -> int:
    """Smooth a crease or a patch: contours stay, and in most of them the pores, too."""
    random = work.random
    longest = 5.0 if random.random() < 0.6 else 1.5
    largest = math.sqrt(at_most / (math.pi * (1 + longest) / 2))
    smallest = 15.0
    radius = smallest * max(1.0, min(600 / 2 / longest, largest) / smallest) ** float(
        random.uniform(0.2, 1)
    )
    sigma = min(2 * 6 ** float(random.uniform(0, 1)), radius / 4)
    pores_stay = random.random() < 0.75
    best = None
    for _ in range(3):  # where there is something to smooth
        place, distance = _oval(work, radius, longest)
        brush = np.clip((1 - distance) / 0.35, 0, 1).astype(np.float32)
        brush *= brush * (3 - 2 * brush)
        levels = work.levels(place)
        change = _without(levels, sigma, pores_stay)
        contour = np.abs(ndimage.gaussian_filter(change.mean(2), 2)) / 14
        change *= (float(random.uniform(0.7, 1)) * brush * np.exp(-(contour**2) / 2))[..., None]
        amount = float(np.abs(change).mean())
        if best is None or amount > best[0]:
            best = (amount, place, change)
    assert best is not None
    return work.add(*best[1:])


def _without(levels: Plane, sigma: float, pores_stay: bool) -> Plane:
    """Return the change that takes out what is finer than `sigma` pixels; where pores stay, what
    is between them and three times as large."""

    def blurred(size: float) -> Plane:
        return np.asarray(ndimage.gaussian_filter(levels, (size, size, 0)), np.float32)

    return blurred(3 * sigma) - blurred(1.5) if pores_stay else blurred(sigma) - levels


def dense(before: Rgb, photo: Photo) -> tuple[Rgb, Mask]:
    """Return the frame with all its skin retouched tile by tile, and where."""
    from unretouch.pixels.retouch import retouch

    after = before.copy()
    for number, place in enumerate(cells(photo)):
        after[place] = retouch(np.ascontiguousarray(before[place]), photo.seed * 1000 + number)
    return after, (after != before).any(2)


# --- saving ----------------------------------------------------------------------------------


def left_16_bits(rgb: Rgb, seed: int) -> Rgb:
    """Return the picture as an editor writes it from 16 bits, where the side before was rounded:
    dithered, so that one value in twenty is one level off."""
    random = np.random.default_rng([seed, 3])
    found = np.empty_like(rgb)
    for top in range(0, len(rgb), STRIP):
        strip = rgb[top : top + STRIP]
        # What rounding took away, and the dither.
        off = random.random(strip.shape, np.float32) + random.random(strip.shape, np.float32) - 1
        off *= 0.65
        found[top : top + STRIP] = _rounded(strip + off)
    return found


def jpeg(rgb: Rgb, quality: int) -> bytes:
    """Return the picture as JPEG 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def through_jpeg(rgb: Rgb, quality: int) -> Rgb:
    """Return what a JPEG 4:2:0 leaves of the picture."""
    return np.asarray(Image.open(io.BytesIO(jpeg(rgb, quality))).convert("RGB"))


@dataclass(frozen=True)
class Made:
    """A pair on disk."""

    photo: Photo
    source: Path
    """the retouched side, in trainA"""
    target: Path
    """the side before, in trainB"""
    mask: Path
    """white where the retouch changed a pixel"""
    changed: float
    """share of the pixels"""


def retouched(photo: Photo, before: Rgb) -> tuple[Rgb, Mask]:
    """Return the retouched frame, and where it was retouched."""
    if photo.dense:
        return dense(before, photo)
    return sparse(before, photo.share, photo.seed, cells(photo))


def make(
    folder: Path,
    photos: Sequence[Photo] = SHEETS,
    portraits: Sequence[Rgb] | None = None,
    quality: int | None = 92,
    camera: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Made]:
    """Write pairs to `folder`/trainA (retouched) and trainB (before), and `folder`/masks.

    JPEG 4:2:0 of this quality on each side, or lossless PNG where it is None. With `camera` the
    photograph came from its camera as JPEG of that quality, and was retouched from there. What is
    there already is kept.
    """
    ending = "png" if quality is None else "jpg"
    made = []
    for photo in photos:
        source, target, where = (
            folder / part / f"{photo.name}.{kind}"
            for part, kind in (("trainA", ending), ("trainB", ending), ("masks", "png"))
        )
        if not where.exists():  # it is written last
            portraits = portraits_in() if portraits is None else portraits
            for path in (source, target, where):
                path.parent.mkdir(parents=True, exist_ok=True)
            before = sheet(photo, portraits)
            if camera is not None:
                before = through_jpeg(before, camera)
            after, mask = retouched(photo, before)
            if quality is None:
                Image.fromarray(after).save(source, compress_level=1)
                Image.fromarray(before).save(target, compress_level=1)
            else:
                source.write_bytes(jpeg(left_16_bits(after, photo.seed), quality))
                target.write_bytes(jpeg(before, quality))
            Image.fromarray(mask).save(where)
        changed = float(read_mask(where).mean())
        made.append(Made(photo, source, target, where, changed))
        say(f"{photo.name}: {photo.width} x {photo.height}, {changed:.1%} of the pixels retouched")
    return made


def read_mask(path: Path) -> Mask:
    """Return where a made pair was retouched, bool (H, W)."""
    return np.asarray(Image.open(path).convert("1"))


def read(path: Path) -> Rgb:
    """Return a side of a made pair, uint8 (H, W, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


# --- cases whose retouched area is known -----------------------------------------------------


def mask_cases(portraits: Sequence[Rgb] | None = None) -> Iterator[tuple[str, Rgb, Rgb, Mask]]:
    """Yield cases of 1280 x 1280: name, source (retouched), target (before), where it changed.

    JPEG 92 and 80, sparse and dense, noise on both sides, textures, lossless, a picture twice
    through JPEG, and one whose sky is the same on both sides.
    """
    portraits = portraits_in() if portraits is None else portraits
    frames = {}
    for photo in (*SMALL, Photo("dense", 1280, 1280, 14, 0.0, dense=True, cell=SMALL_CELL)):
        before = sheet(photo, portraits)
        frames[photo.name] = (before, *retouched(photo, before))
    for name, (before, after, mask) in frames.items():
        for quality in (92, 80):
            source = through_jpeg(left_16_bits(after, 1), quality)
            yield f"{name} jpeg {quality}", source, through_jpeg(before, quality), mask
        yield f"{name} lossless", after, before, mask
    before, after, mask = frames["small_4"]
    noisy = [_noisy(side, seed) for seed, side in enumerate((after, before))]
    yield "noise", *noisy, mask
    yield "noise jpeg 92", *(through_jpeg(side, 92) for side in noisy), mask
    yield "dither alone", left_16_bits(after, 1), before, mask
    camera = through_jpeg(before, 95)
    again, where = sparse(camera, 0.04, 15)
    yield "camera jpeg 95, then 92", through_jpeg(again, 92), camera, where
    for name, before in (("cloth", _all_cloth()), ("hair", _hair(portraits[0]))):
        after, mask = sparse(before, 0.05, 16)
        source = through_jpeg(left_16_bits(after, 1), 92)
        yield f"{name} jpeg 92", source, through_jpeg(before, 92), mask
    yield "identical sky", *_under_a_sky(portraits)


def _all_cloth() -> Rgb:
    random = np.random.default_rng(17)
    cloth = _cloth(1280, 1280, random)
    return _rounded(cloth + random.normal(0, 1, cloth.shape))


def _hair(portrait: Rgb) -> Rgb:
    """Return the upper part of a portrait, where the hair is, mirrored until it fills the frame."""
    return np.pad(portrait[60:560, 350:1000], ((0, 780), (0, 630), (0, 0)), "symmetric")


def _under_a_sky(portraits: Sequence[Rgb]) -> tuple[Rgb, Rgb, Mask]:
    """Return a pair whose upper third is one clipped, noiseless sky on both sides."""
    photo = SMALL[1]
    before = sheet(photo, portraits)
    sky = slice(0, 432)  # whole blocks of JPEG 4:2:0
    before[sky] = (236, 244, 255)
    after, mask = sparse(before, 0.04, 18)
    after[sky], mask[sky] = before[sky], False
    edited = left_16_bits(after, 1)
    edited[sky] = before[sky]
    return through_jpeg(edited, 92), through_jpeg(before, 92), mask


def _noisy(rgb: Rgb, seed: int) -> Rgb:
    """Return the picture with sensor noise of 1.5 levels."""
    return _rounded(rgb + 1.5 * np.random.default_rng([seed, 4]).standard_normal(rgb.shape))


def _rounded(levels: NDArray[np.floating]) -> Rgb:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)

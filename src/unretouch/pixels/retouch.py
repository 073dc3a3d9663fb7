"""A simulated retoucher: makes the retouched side of a pair from an untouched portrait.

It works as retouchers do: heal spots, separate the frequencies and take most of the fine texture
out of the skin with edges kept, even out the tone a little (dodge and burn). It needs no weights:
skin is found by its colour and smoothness. The same picture and seed give the same result.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from unretouch.base.errors import UsageError
from unretouch.pixels.spaces import (
    Plane,
    Rgb,
    Rgb8,
    depth,
    eight,
    in_levels,
    levels_to_file,
    luma,
)

LARGEST_SEARCHED = 1536
"""Skin is looked for in a copy of at most so many pixels a side: pores do not help to find it."""

LITTLE_SKIN = 0.02
"""Share of a picture below which there is no skin to speak of."""

SPARSE_CHANGED = (0.045, 0.065)
"""Share of pixels that the sparse retouch changes; drawn between the two."""
SPARSE_LEVELS = 4.5
"""Mean change of those pixels in grey levels."""


def retouch(
    rgb: Rgb,
    seed: int,
    detail_left: float = 0.15,
    sparse: bool = False,
    all_surfaces: bool = False,
) -> Rgb:
    """Return file space (H, W, 3), in its depth, retouched as by a professional; what is not skin
    keeps every pixel.

    `detail_left` is the share of the skin's fine texture that stays, 0 (plastic) to 1. `sparse`
    treats only the few pixels that need it most, as careful retouchers do: SPARSE_CHANGED of all,
    by SPARSE_LEVELS on average. `all_surfaces` smooths cloth and backdrop as well, for pictures
    with little skin in them. `seed` moves what a hand would do differently next time: which spots
    are left, where the brush was a little stronger. Raises UsageError for a `detail_left` out of
    range.
    """
    if not 0 <= detail_left <= 1:
        raise UsageError(f"{detail_left} is not from 0 to 1", "--detail_left")
    random = np.random.default_rng(seed)
    before = in_levels(rgb)
    skin = skin_mask(rgb)
    unit = float(np.clip(np.sqrt(skin.sum()) / 360, 0.5, 4))
    area = np.maximum(skin, _calm(before, 2 * unit)) if all_surfaces else skin
    shade = float((luma(before) * area).sum() / max(float(area.sum()), 1e-3))
    healed = _heal(before, skin, unit, random)
    base = _edge_preserving(healed, radius=round(4 * unit), tolerance=0.05 * shade + 1)
    left = detail_left * (1 + 0.4 * _slow_noise(rgb.shape[:2], 60 * unit, random))
    after = base + left[..., None] * (healed - base)
    after = after + _evening(after, skin, unit)[..., None]
    change = area[..., None] * (after - before)
    if sparse:
        change = _only_where_needed(change, random.uniform(*SPARSE_CHANGED), unit)
    return levels_to_file(before + change, depth(rgb))


def _heal(rgb: Plane, area: Plane, unit: float, random: np.random.Generator) -> Plane:
    """Return `rgb` with dark or red spots in the skin replaced by what surrounds them."""
    inside = ndimage.minimum_filter(area, size=max(3, round(5 * unit))) > 0.5
    if not inside.any():
        return rgb
    light, redness = luma(rgb), rgb[..., 0] - rgb[..., 1]
    outstanding = np.zeros_like(light)
    for plane, sign in ((light, -1), (redness, 1)):
        spot = ndimage.gaussian_filter(plane, 1.2 * unit) - _slow(plane, 5 * unit)
        usual = 1.4826 * float(np.median(np.abs(spot[inside]))) + 0.3
        outstanding = np.maximum(outstanding, sign * spot / usual)
    labels, _ = ndimage.label((outstanding > 3.5) & inside)
    spots = np.zeros(light.shape, bool)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        shape = labels[box] == number
        size, (high, wide) = int(shape.sum()), shape.shape
        # Long things are wrinkles and the edges of brows and nostrils, not spots.
        compact = size > 0.4 * high * wide and max(high, wide) < 3 * min(high, wide)
        if compact and 3 * unit**2 < size < 60 * unit**2 and random.random() < 0.9:
            spots[box] |= shape
    brush = ndimage.gaussian_filter(
        ndimage.binary_dilation(spots, iterations=max(1, round(2 * unit))).astype(np.float32), unit
    )
    clean = (area > 0.5) * np.clip(1 - 2 * brush, 0, 1)
    around = _slow(clean, 5 * unit) + 1e-3
    brush = np.clip(2 * brush, 0, 1) * np.clip(around * 20, 0, 1)
    healed = rgb.copy()
    for channel in range(3):
        plane = rgb[..., channel]
        healed[..., channel] += brush * (_slow(plane * clean, 5 * unit) / around - plane)
    return healed


def _edge_preserving(rgb: Plane, radius: int, tolerance: float) -> Plane:
    """Return `rgb` without the texture finer than `radius` pixels, edges kept.

    Guided filter (He, Sun and Tang 2010) with luma for the guide: structure that stands out by much
    more than `tolerance` grey levels stays.
    """

    def mean(plane: Plane) -> Plane:
        # Twice a box is near a tent: no square stars around bright points.
        size = max(1, radius) | 1
        filtered: Plane = ndimage.uniform_filter(ndimage.uniform_filter(plane, size), size)
        return filtered

    guide = luma(rgb)
    middle = mean(guide)
    variance = np.maximum(mean(guide**2) - middle**2, 0) + tolerance**2
    base = np.empty_like(rgb)
    for channel in range(3):
        plane = rgb[..., channel]
        average = mean(plane)
        slope = (mean(guide * plane) - middle * average) / variance
        base[..., channel] = mean(slope) * guide + mean(average - slope * middle)
    return base


def _evening(rgb: Plane, area: Plane, unit: float) -> Plane:
    """Return the light to add, (H, W), so that blotches in the skin come a third nearer to even."""
    weight = _slow(area, 12 * unit) + 1e-3
    wide = _slow(area, 40 * unit) + 1e-3
    light = luma(rgb) * area
    blotches: Plane = _slow(light, 12 * unit) / weight - _slow(light, 40 * unit) / wide
    return -0.3 * area * np.clip(blotches, -12, 12)


def _slow(plane: Plane, sigma: float) -> Plane:
    """Return a Gaussian blur of (H, W), computed small since nothing fine is left in it."""
    height, width = plane.shape
    factor = max(1, int(sigma / 3))
    small = np.asarray(Image.fromarray(plane).reduce(factor))
    return _enlarged(ndimage.gaussian_filter(small, sigma / factor), height, width)


def _enlarged(plane: Plane, height: int, width: int) -> Plane:
    # Linear: a cubic would overshoot, and weights that are divided by must stay above zero.
    large = Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
    result: Plane = np.array(large)
    return result


def _slow_noise(shape: tuple[int, int], size: float, random: np.random.Generator) -> Plane:
    """Return noise (H, W) in -1..1 that changes over `size` pixels."""
    height, width = shape
    cells = (int(height / size) + 3, int(width / size) + 3)
    small = random.uniform(-1, 1, cells).astype(np.float32)
    return np.clip(_enlarged(small, height, width), -1, 1)


def _only_where_needed(change: Plane, share: float, unit: float) -> Plane:
    """Return `change` (H, W, 3) kept at the `share` of pixels where it is strongest."""
    need = ndimage.gaussian_filter(np.abs(change).mean(2), 1.5 * unit)
    chosen = need > np.quantile(need, 1 - share)
    kept: Plane = change * chosen[..., None]
    strength = float(np.abs(kept[chosen]).mean()) if chosen.any() else 0.0
    if strength:
        kept *= min(1.5, SPARSE_LEVELS / strength)
    return kept


def skin_mask(rgb: Rgb) -> Plane:
    """Return how much each pixel of file space (H, W, 3) is skin: float32 (H, W), 0..1, feathered.

    Skin of every shade lies close together in ln(R/G) and ln(G/B), which light does not move. The
    middle and spread of this picture's skin are measured on its smooth pixels in that region, those
    in the middle of the frame first. Hair, lashes and brows go by their roughness.
    """
    rgb = eight(rgb)
    height, width = rgb.shape[:2]
    factor = -(-max(height, width) // LARGEST_SEARCHED)
    if factor == 1:
        return _skin(rgb)
    small = np.asarray(Image.fromarray(rgb).reduce(factor))
    mask = _enlarged(_skin(small), height, width)
    return np.where(mask < 0.02, 0, mask)


def _skin(rgb: Rgb8) -> Plane:
    height, width = rgb.shape[:2]
    levels = rgb.astype(np.float32)
    blur = 1.5 * max(1, min(height, width) / 512)
    smoothed = ndimage.gaussian_filter(levels, (blur, blur, 0)) + 6
    red, green, blue = np.moveaxis(np.log(smoothed), 2, 0)
    colour = np.stack([red - green, green - blue], 2)
    light = luma(smoothed)

    likely = _rise(colour[..., 0], 0.06, 0.20) * _fall(colour[..., 0], 0.36, 0.46)
    likely *= _rise(colour[..., 1], -0.08, -0.02) * _fall(colour[..., 1], 0.22, 0.32)
    likely *= _rise(light, 30, 50)
    unit = max(0.5, float(np.sqrt(likely.sum())) / 360)
    calm = _calm(levels, 2 * unit)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    likely *= calm * np.exp(-(x**2 + y**2)).astype(np.float32)
    if float(likely.sum()) < 1e-3 * height * width:
        return np.zeros((height, width), np.float32)
    skin = np.ones_like(light)
    for _ in range(3):
        weight = likely * skin / float((likely * skin).sum())
        middle = np.tensordot(weight, colour, 2)
        spread = np.sqrt(np.tensordot(weight, (colour - middle) ** 2, 2))
        shade = float((weight * light).sum())
        distance = np.sqrt((((colour - middle) / np.clip(spread, 0.045, 0.06)) ** 2).sum(2))
        skin = _fall(distance, 1.8, 3.1) * _rise(light / shade, 0.3, 0.5)
    # Highlights lose the colour of skin, but lie within it.
    hole = ndimage.binary_fill_holes(skin > 0.5) & (light > 0.9 * shade)
    mask = ndimage.grey_closing(np.where(hole, 1, skin), size=max(3, round(5 * unit)))
    mask = ndimage.grey_opening(mask * calm, size=max(3, round(5 * unit)))
    mask = ndimage.gaussian_filter(mask, 2.5 * unit)
    return np.where(mask < 0.02, 0, mask).astype(np.float32)


def _calm(rgb: Plane, sigma: float) -> Plane:
    """Return 1 where the light within `sigma` pixels is smooth, as skin is, 0 where it is rough."""
    light = luma(rgb)
    mean = ndimage.gaussian_filter(light, sigma)
    variance = ndimage.gaussian_filter(light**2, sigma) - mean**2
    return _fall(np.sqrt(np.maximum(variance, 0)), 9, 18)


def _rise(x: Plane, low: float, high: float) -> Plane:
    """Return 0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    result: Plane = (t * t * (3 - 2 * t)).astype(np.float32)
    return result


def _fall(x: Plane, low: float, high: float) -> Plane:
    return 1 - _rise(x, low, high)

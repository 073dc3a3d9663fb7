"""Colour profiles: from the numbers of a photograph to sRGB and back, in float, without clipping.

A network learns numbers. A photograph in Adobe RGB or Display P3 holds other numbers for the same
skin, so it is treated in sRGB and only the change is carried back. Profiles of RGB photographs are
nearly always three curves and a matrix (ICC.1:2022, 8.3.3 and 10); others are not guessed at.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.messages import Message, Words, _
from unretouch.pixels import code_points

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16"""

_KNOTS = 4096
_SAME = 0.5 / 255
"""A profile that moves no colour further than this is taken for sRGB."""
_BEYOND = 2 / 255
"""Colours outside sRGB by more than this are lost where they are cut to its nearest."""
_LIGHTS = 65535
"""Linear light is rounded to so many steps before its number is looked up: a step is at most a
twentieth of a level."""

TABLES = _("its colour profile is not one of curves and a matrix: taken as sRGB")
UNNAMED = _("an unnamed profile")

# sRGB adapted to the white point D50 of ICC profiles (Bradford), from its linear RGB to XYZ.
_SRGB_TO_XYZ = np.array(
    [
        [0.4360657, 0.3851515, 0.1430784],
        [0.2224932, 0.7168870, 0.0606169],
        [0.0139161, 0.0970764, 0.7140961],
    ]
)


@dataclass(frozen=True)
class Colour:
    """How the numbers of one profile relate to those of sRGB; all in 0..1, not clipped."""

    curves: tuple[Floats, ...]
    """for red, green and blue: linear light at _KNOTS + 1 evenly spaced numbers"""
    matrix: Floats
    """(3, 3): linear light of the profile to that of sRGB"""

    name: Words = UNNAMED

    def in_srgb(self, rgb: Numbers) -> tuple[Numbers, int]:
        """Return uint8 or uint16 (H, W, 3) numbers of the profile as numbers of sRGB, rounded and
        cut to what a file holds, and how many pixels noticeably lost colour by that."""
        numbers = np.empty_like(rgb)
        lost = np.zeros(rgb.shape[:2], bool)
        own = self._parts if rgb.dtype == np.uint8 else self._parts_of_16
        darkest, lightest = _srgb_linear(np.array([-_BEYOND, 1 + _BEYOND], np.float32))
        for channel, parts in enumerate(own):
            # Added in this order whatever the shape, so that parts of a picture equal the whole.
            light = parts[0][rgb[..., 0]]
            light += parts[1][rgb[..., 1]]
            light += parts[2][rgb[..., 2]]
            lost |= (light < darkest) | (light > lightest)
            np.clip(light, 0, 1, out=light)
            if rgb.dtype == np.uint8:
                light *= _LIGHTS
                numbers[..., channel] = _numbers_of_light()[np.rint(light).astype(np.uint16)]
            else:
                numbers[..., channel] = np.rint(65535 * _srgb_encoded(light))
        return numbers, int(np.count_nonzero(lost))

    @cached_property
    def _parts(self) -> Floats:
        """(3, 3, 256): what each number of red, green and blue adds to the light of sRGB's red,
        green and blue."""
        return self._parts_up_to(255)

    @cached_property
    def _parts_of_16(self) -> Floats:
        """The same of 16 bits, (3, 3, 65536)."""
        return self._parts_up_to(65535)

    def _parts_up_to(self, white: int) -> Floats:
        number, knots = np.arange(white + 1) / white, np.linspace(0, 1, _KNOTS + 1)
        light = np.stack([np.interp(number, knots, curve) for curve in self.curves])
        parts: Floats = (self.matrix[:, :, None] * light).astype(np.float32)
        return parts

    def to_srgb(self, rgb: Floats) -> Floats:
        """Return float32 (H, W, 3) numbers of the profile as numbers of sRGB."""
        return _srgb_encoded(_through(self.curves, rgb) @ self.matrix.T)

    def from_srgb(self, rgb: Floats) -> Floats:
        """Return the reverse of `to_srgb`."""
        inverse = np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)
        return _back_through(self.curves, _srgb_linear(rgb) @ inverse.T)


@lru_cache(maxsize=16)
def told(profile: bytes | None) -> tuple[Colour | None, Message | None]:
    """Return how numbers of this profile become those of sRGB, and what is to be said of it.

    None where they are those of sRGB, or are taken for them: without a profile, and with one that
    has no curves and matrix, of which the text tells.
    """
    if profile is None:
        return None, None
    space = parse(profile)
    if space is None:
        return None, TABLES
    return (replace(space, name=_name(profile)) if differs_from_srgb(space) else None), None


def hdr_of(profile: bytes | None) -> Words:
    """Return the name of a profile whose colours go beyond white; nothing for any other."""
    points = _points(profile) if profile else None
    return _name(profile) if profile and points is not None and points.hdr else ""


def _points(profile: bytes) -> code_points.CodePoints | None:
    """Return what the tag `cicp` of a profile says, where it has one (ICC.1:2022, 9.2.17)."""
    try:
        return code_points.of_cicp(_tags(profile)[b"cicp"][8:12])
    except (KeyError, struct.error):
        return None


def _name(profile: bytes) -> Words:
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(own)
    except (OSError, ImageCms.PyCMSError):
        return UNNAMED
    # A line at the terminal, whatever the file says.
    return " ".join("".join(c for c in name if c.isprintable()).split())[:60] or UNNAMED


def is_grey(profile: bytes) -> bool:
    """Return whether the profile is one for pictures of one channel."""
    return profile[16:20] == b"GRAY"


def of_three(profile: bytes) -> bytes | None:
    """Return the profile for three equal channels that shows what the one for grey does; None where
    that is damaged."""
    try:
        curve = _tags(profile)[b"kTRC"]
        _curve(curve)
        return code_points.icc(code_points.SRGB, curve, str(_name(profile)))
    except (KeyError, struct.error, ValueError, IndexError):
        return None


def parse(profile: bytes) -> Colour | None:
    """Return the colour of an RGB profile of curves and matrix, or of a grey one of a curve; None
    for any other kind."""
    try:
        if profile[20:24] != b"XYZ " or profile[36:40] != b"acsp":
            return None
        tags = _tags(profile)
        if is_grey(profile):
            light = _curve(tags[b"kTRC"])
            return Colour((light,) * 3, np.eye(3, dtype=np.float32)) if _rises(light) else None
        if profile[16:20] != b"RGB ":
            return None
        if b"A2B0" in tags:  # a table, which then takes precedence over the matrix
            return None
        columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        with np.errstate(all="ignore"):  # what is not a finite number is refused below
            curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
            points = _points(profile)
            if points is not None and points.hdr:  # its table says nothing of where white is
                numbers = np.linspace(0, 1, _KNOTS + 1)
                light = code_points.light_of(points.transfer, numbers).astype(np.float32)
                curves = (light, light, light)
        matrix = np.linalg.inv(_SRGB_TO_XYZ) @ np.array(columns).T
        if abs(np.linalg.det(matrix)) < 1e-3 or not all(map(_rises, curves)):
            return None
    except (KeyError, struct.error, ValueError, IndexError):
        return None
    return Colour(curves, matrix.astype(np.float32))


def differs_from_srgb(colour: Colour) -> bool:
    """Return whether the profile gives any colour numbers that sRGB would not give it."""
    axis = np.linspace(0, 1, 9, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    return bool(np.abs(colour.to_srgb(grid) - grid).max() > 2 * _SAME)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    found = {}
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        found[name] = profile[offset : offset + size]
    return found


def _xyz(tag: bytes) -> tuple[float, ...]:
    if tag[:4] != b"XYZ ":
        raise ValueError("no XYZ")
    return tuple(value / 65536 for value in struct.unpack_from(">3i", tag, 8))


def _curve(tag: bytes) -> Floats:
    x = np.linspace(0, 1, _KNOTS + 1)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return x.astype(np.float32)
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return (x ** (int(values[0]) / 256)).astype(np.float32)
        return np.interp(x, np.linspace(0, 1, count), values / 65535).astype(np.float32)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    number = (1, 3, 4, 5, 7)[kind]
    g, a, b, c, d, e, f = [v / 65536 for v in struct.unpack_from(f">{number}i", tag, 12)] + [
        (0, 1, 0, 0, 0, 0, 0)[place] for place in range(number, 7)
    ]
    if kind in (1, 2):  # below -b/a the curve is the constant c
        values = np.where(x >= -b / a, np.maximum(a * x + b, 0) ** g + c, c)
    else:
        values = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    curve: Floats = values.astype(np.float32)
    return curve


def _rises(curve: Floats) -> bool:
    return bool(np.isfinite(curve).all() and (np.diff(curve) >= 0).all())


def _through(curves: tuple[Floats, ...], rgb: Floats) -> Floats:
    knots = np.linspace(0, 1, _KNOTS + 1)
    out = np.empty_like(rgb)
    for channel, curve in enumerate(curves):
        plane = rgb[..., channel]
        out[..., channel] = np.interp(plane, knots, curve)
    return out


def _back_through(curves: tuple[Floats, ...], light: Floats) -> Floats:
    knots = np.linspace(0, 1, _KNOTS + 1)
    out = np.empty_like(light)
    for channel, curve in enumerate(curves):
        # Flat stretches of a curve have no reverse: a slope too small to see gives them one.
        rising = curve.astype(np.float64) + knots * 1e-9
        out[..., channel] = np.interp(light[..., channel], rising, knots)
    return out


@cache
def _numbers_of_light() -> Bytes:
    """The number of sRGB, uint8, for each step of linear light."""
    light = np.linspace(0, 1, _LIGHTS + 1, dtype=np.float32)
    return np.rint(255 * _srgb_encoded(light)).astype(np.uint8)


def _srgb_encoded(light: Floats) -> Floats:
    """Linear light to sRGB numbers (IEC 61966-2-1), mirrored below zero."""
    size = np.abs(light)
    number = np.where(
        size <= 0.0031308, 12.92 * size, 1.055 * np.maximum(size, 1e-9) ** (1 / 2.4) - 0.055
    )
    signed: Floats = np.copysign(number, light).astype(np.float32)
    return signed


def _srgb_linear(number: Floats) -> Floats:
    size = np.abs(number)
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    signed: Floats = np.copysign(light, number).astype(np.float32)
    return signed

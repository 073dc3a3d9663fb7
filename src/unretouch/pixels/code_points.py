"""Colours told by numbers: code points (ITU-T H.273) in HEIC, AVIF and PNG, gAMA and cHRM in PNG.

They become an ICC profile, which every program reads, and which takes them along into any format.
The two curves of HDR, PQ and HLG, give light relative to the white of paper (203 cd/m2, ITU-R
BT.2408), so that what is no brighter is what sRGB would show.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue"""

_D65, _DCI = (0.3127, 0.3290), (0.314, 0.351)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_NAMES = {1: "sRGB", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
PQ, HLG = 16, 18
_LIKE_SRGB = {1, 2, 6, 13, 14, 15}
"""The curve of sRGB, that of television, which pictures are shown with as if it were that of sRGB,
and one that is not specified."""
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_WHITE_OF_PAPER = 203
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""As an ICC profile has it: g, a, b, c, d."""


@dataclass(frozen=True)
class CodePoints:
    """What `nclx` and `cICP` say."""

    primaries: int
    transfer: int
    matrix: int = 0
    full_range: bool = True

    @property
    def hdr(self) -> str:
        """The name of a curve that goes beyond white."""
        return {PQ: "PQ", HLG: "HLG"}.get(self.transfer, "")

    @property
    def is_srgb(self) -> bool:
        """Whether the numbers are those of sRGB, or are taken for them where nobody says."""
        return self.primaries in (1, 2) and self.transfer in _LIKE_SRGB

    @property
    def known(self) -> bool:
        """Whether it is known what they stand for."""
        curve = self.transfer in _LIKE_SRGB or self.transfer in _GAMMAS or bool(self.hdr)
        return curve and (self.primaries in _PRIMARIES or self.primaries == 2)

    @property
    def name(self) -> str:
        """For people."""
        known = _NAMES.get(self.primaries, f"primaries {self.primaries}")
        return f"{known}, {self.hdr}" if self.hdr else known

    @property
    def chunk(self) -> tuple[bytes, bytes]:
        """The chunk of a PNG that says the same of RGB numbers."""
        return b"cICP", bytes([self.primaries, self.transfer, 0, 1])

    @property
    def profile(self) -> bytes | None:
        """An ICC profile that says the same; None where they are those of sRGB or not known."""
        if self.is_srgb or not self.known:
            return None
        corners = _PRIMARIES.get(self.primaries, SRGB)
        if not self.hdr:
            gamma = _GAMMAS.get(self.transfer)
            return icc(corners, _para(gamma) if gamma else _para(*_SRGB_CURVE), self.name)
        tagged = b"cicp" + bytes(4) + bytes([self.primaries, self.transfer, 0, 1])
        steps = light_of(self.transfer, np.linspace(0, 1, 4096))
        table = np.rint(65535 * steps / steps[-1]).astype(">u2").tobytes()
        curve = b"curv" + bytes(4) + struct.pack(">I", 4096) + table
        return icc(corners, curve, self.name, cicp=tagged)


def of_cicp(data: bytes) -> CodePoints | None:
    """Return what the chunk `cICP`, or the tag `cicp` of a profile, says."""
    if len(data) != 4:
        return None
    return CodePoints(data[0], data[1], data[2], full_range=bool(data[3]))


def profile_of_gamma(gamma: bytes | None, corners: bytes | None) -> bytes | None:
    """Return the ICC profile that says what `gAMA` and `cHRM` of a PNG do; None where that is sRGB.

    Raises ValueError where they say what cannot be.
    """
    if gamma is None and corners is None:
        return None
    try:
        power = 0.45455 if gamma is None else struct.unpack(">I", gamma)[0] / 100_000
        found = (
            SRGB if corners is None else tuple(v / 100_000 for v in struct.unpack(">8I", corners))
        )
    except struct.error as error:
        raise ValueError("of another length") from error
    if not 0.1 <= power <= 10 or not all(0 <= v <= 1 for v in found) or min(found[1::2]) <= 0:
        raise ValueError("out of range")
    # 0.45455 is how a file says sRGB to programs that know no curve but a power (PNG, 11.3.2.5).
    like_srgb = abs(power - 0.45455) < 0.005
    if like_srgb and np.allclose(found, SRGB, atol=0.003):
        return None
    curve = _para(*_SRGB_CURVE) if like_srgb else _para(1 / power)
    return icc(found, curve, f"gamma {1 / power:.3g}")


def light_of(transfer: int, number: Doubles) -> Doubles:
    """Return the light of numbers 0..1 of PQ or HLG, 1 being the white of paper."""
    if transfer == PQ:  # SMPTE ST 2084
        root = number ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(10_000 / _WHITE_OF_PAPER * light ** (1 / 0.1593017578125))
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # ITU-R BT.2100
    scene = np.where(number <= 0.5, number**2 / 3, (np.exp((number - c) / a) + b) / 12)
    paper = (np.exp((0.75 - c) / a) + b) / 12
    return np.asarray((scene / paper) ** 1.2)


def icc(corners: Chromaticities, curve: bytes, name: str, cicp: bytes | None = None) -> bytes:
    """Return an ICC profile (version 4) of one curve and a matrix. Raises ValueError where the
    corners make no triangle."""
    columns = to_xyz(corners).T
    text = name.encode("utf-16-be")
    words = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags = {
        b"desc": words,
        b"cprt": b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 6, 28)
        + "CC0".encode("utf-16-be"),
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(columns[0]), b"gXYZ": _xyz(columns[1]), b"bXYZ": _xyz(columns[2]),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    if cicp is not None:
        tags[b"cicp"] = cicp
    table, body, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, places[data], len(data))
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04400000, b"mntr", b"RGB ",
                       b"XYZ ")  # fmt: skip
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def to_xyz(corners: Chromaticities) -> Doubles:
    """Return (3, 3): linear light of red, green and blue to XYZ, white adapted to D50 (Bradford).

    Raises ValueError where the corners make no triangle.
    """
    white, *rgb = (np.array(corners[at : at + 2]) for at in (0, 2, 4, 6))
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in rgb]).T
    light = np.array([white[0] / white[1], 1, (1 - white.sum()) / white[1]])
    if abs(np.linalg.det(columns)) < 1e-3:
        raise ValueError("no triangle")
    scaled = columns * np.linalg.solve(columns, light)
    cones = np.diag(_BRADFORD @ _D50 / (_BRADFORD @ light))
    return np.asarray(np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ scaled)


def _xyz(values: Doubles) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _para(*numbers: float) -> bytes:
    kind = {1: 0, 5: 3}[len(numbers)]
    fixed = (round(number * 65536) for number in numbers)
    return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", kind, 0, *fixed)

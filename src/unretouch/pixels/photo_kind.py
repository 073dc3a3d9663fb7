"""What kind of picture a photograph is, and how far it lies from those a model was trained on.

Measured are colour and light of the skin, noise, sharpness, and how large the skin is shown. All of
it is seen in a copy of at most THUMBNAIL pixels a side and in WINDOWS windows of the full size, so
any photograph takes the same time and memory.

Sharpness is the finest octave of detail beside the next one: that of a picture that was enlarged or
blurred is far lower. A sharp picture that was reduced has as much of both; so the size is told by
how far skin reaches between eyes, brows, nose, mouth and hair. Where the frame cuts through a face,
that is the least it can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from unretouch.base.messages import N_, Message, _, in_a_row
from unretouch.pixels.spaces import ROUNDED, Plane, Rgb, Rgb8, eight, luma

View = Callable[[slice, slice], Rgb8]
"""Rows and columns of a picture, perhaps only every n-th: uint8 (h, w, 3) sRGB."""

THUMBNAIL: Final = 384
SIDE: Final = 256
"""Pixels a side of a window."""
WINDOWS: Final = 16
BLOCK: Final = 8
"""Pixels a side of the blocks in which noise is measured."""
CALM: Final = 0.1
"""Share of the blocks, the calmest, that show no more than noise."""
OF_NOISE: Final = (0.79, 0.518, 0.078)
"""What the calmest blocks show of white noise of 1 level; its mean squares in both octaves."""
LEAST_NOISE: Final = 0.6
"""Grey levels: less is not told from none, since 8 bits and JPEG hide it."""
LEAST_SKIN: Final = 0.01
"""Share of a picture from which on it counts."""
CUT: Final = 0.15
"""Share of the frame that is skin, from which on it cuts through a face."""
GREY: Final = 0.02
"""Octaves of colour below which a picture is black and white."""


@dataclass(frozen=True)
class PhotoKind:
    """What was measured of one picture. An octave more is twice as much."""

    skin: float
    """share of the picture, 0 to 1"""
    cut: bool
    """whether the frame cuts through the skin"""
    colour: float
    """how far from grey, octaves: of the skin, as the next three; of all where there is none"""
    light: float
    """octaves of a grey level"""
    warmth: float
    """red over blue, octaves"""
    tint: float
    """green over red and blue, octaves"""
    contrast: float
    """of the whole picture between its darkest and its lightest twentieth, octaves of a level"""
    noise: float
    """in calm places, octaves of a grey level"""
    sharpness: float
    """detail of about 2 pixels over that of about 4, without the noise, octaves"""
    size: float
    """across even skin, octaves of a pixel; 0 without skin"""

    def record(self) -> dict[str, Any]:
        """Return what `kinds_of` reads."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def kinds_of(records: Iterable[Mapping[str, Any]]) -> tuple[PhotoKind, ...]:
    """Return what `PhotoKind.record` wrote. Raises KeyError, TypeError or ValueError."""
    found = []
    for record in records:
        numbers = {name: float(record[name]) for name in PhotoKind.__annotations__}
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError(f"not finite: {numbers}")
        found.append(PhotoKind(**{**numbers, "cut": bool(record["cut"])}))  # type: ignore[arg-type]
    return tuple(found)


def kind_of(rgb: Rgb) -> PhotoKind:
    """Return the kind of a picture, file space (H, W, 3) sRGB."""
    return kind_seen(rgb.shape[0], rgb.shape[1], lambda rows, columns: eight(rgb[rows, columns]))


def kind_seen(height: int, width: int, view: View) -> PhotoKind:
    """Return the kind of a picture of which any part can be seen."""
    from scipy import ndimage  # late, as retouch.py needs it: apply may have nothing to compare

    from unretouch.pixels.retouch import skin_mask

    small, factor = _thumbnail(height, width, view)
    mask = skin_mask(small)
    skin = float(mask.mean())
    if skin < LEAST_SKIN:
        skin, mask = 0.0, np.ones_like(mask)
    red, green, blue = np.moveaxis(np.log2(small.astype(np.float32) + 2), 2, 0)
    light, weight = luma(small), mask / mask.sum()
    dark, bright = np.quantile(light, (0.05, 0.95))
    inside = mask > 0.5
    frame = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    size = 0.0
    if skin and inside.any():
        from_edge = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][inside]
        size = math.log2(2 * factor * math.sqrt(np.square(from_edge).mean()))
    noise, sharpness = _fine(_windows(height, width, view, mask, factor))
    return PhotoKind(
        skin=skin,
        cut=bool(frame.mean() > CUT),
        colour=float(((np.abs(red - green) + np.abs(green - blue)) * weight).sum()),
        light=math.log2(float((light * weight).sum()) + 1),
        warmth=float(((red - blue) * weight).sum()),
        tint=float(((green - (red + blue) / 2) * weight).sum()),
        contrast=math.log2(float(bright - dark) + 8),
        noise=noise,
        sharpness=sharpness,
        size=size,
    )


def _thumbnail(height: int, width: int, view: View) -> tuple[Rgb, int]:
    """Return the picture reduced, each pixel the mean of some of those it stands for, and by how
    much it is."""
    factor = -(-max(height, width) // THUMBNAIL)
    step = max(1, factor // 4)
    seen = view(slice(0, height, step), slice(0, width, step))
    rest = -(-factor // step)
    return np.asarray(Image.fromarray(np.ascontiguousarray(seen)).reduce(rest)), step * rest


def _windows(height: int, width: int, view: View, mask: Plane, factor: int) -> Iterator[Plane]:
    """Yield the light (h, w) of windows spread over the skin, or over all where there is none."""
    tops, lefts = (range(0, max(1, length - SIDE + 1), SIDE) for length in (height, width))
    cell = max(1, SIDE // factor)

    def has_skin(top: int, left: int) -> bool:
        y, x = top // factor, left // factor
        return float(mask[y : y + cell, x : x + cell].mean()) > 0.1

    places = [(top, left) for top in tops for left in lefts]
    chosen = [place for place in places if has_skin(*place)] or places
    for top, left in chosen[:: -(-len(chosen) // WINDOWS)]:
        yield luma(view(slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))))


def _fine(windows: Iterable[Plane]) -> tuple[float, float]:
    """Return noise and sharpness of windows of light: see PhotoKind."""
    from scipy import ndimage

    # The mask of Immerkaer (1996): edges that are straight do not count, noise counts once.
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    blocks, energies, count = [np.zeros(0, np.float32)], np.zeros(2), 0
    for light in windows:
        rough = np.square(ndimage.convolve(light, mask))
        rough = rough[: len(rough) // BLOCK * BLOCK, : rough.shape[1] // BLOCK * BLOCK]
        cells = rough.reshape(len(rough) // BLOCK, BLOCK, -1, BLOCK) if rough.size else rough
        blocks.append(cells.mean((1, 3)).ravel() if rough.size else rough.ravel())
        fine, coarse = (ndimage.gaussian_filter(light, sigma) for sigma in (0.7, 1.4))
        energies += [np.square(light - fine).sum(), np.square(fine - coarse).sum()]
        count += light.size
    found = np.concatenate(blocks)
    calmest, *shares = OF_NOISE
    variance = float(np.quantile(found, CALM)) / calmest**2 if found.size else 0.0
    # What is no stronger than rounding to 8 bits is no detail: else a picture that was enlarged so
    # far that it has none would pass for a sharp one.
    no_detail = np.multiply(shares, max(variance, float(ROUNDED)))
    finest, next_one = np.maximum(energies / count - no_detail, 0) + 1e-3
    noise = max(math.sqrt(variance), LEAST_NOISE)
    return math.log2(noise), 0.5 * math.log2(finest / next_one)


# --- how far a picture lies from others


@dataclass(frozen=True)
class _Measure:
    usual: tuple[float, float]
    """octaves by which two people in pictures of one studio differ at most: one way, and the other
    where what is measured leaves more room for that"""
    less: str
    more: str


MEASURES: Final = {
    "size": _Measure(
        (0.85, 0.85), N_("faces are {times} times smaller"), N_("faces are {times} times larger")
    ),
    "sharpness": _Measure((0.43, 0.58), N_("it is softer"), N_("it is sharper")),
    "noise": _Measure((1.3, 1.3), N_("it has less noise"), N_("it has {times} times the noise")),
    "warmth": _Measure((0.4, 0.4), N_("its colours are colder"), N_("its colours are warmer")),
    "tint": _Measure((0.15, 0.15), N_("its colours are pinker"), N_("its colours are greener")),
    "light": _Measure((2.2, 2.2), N_("it is darker"), N_("it is lighter")),
    "contrast": _Measure((1.4, 1.4), N_("it has less contrast"), N_("it has more contrast")),
}
"""Skin is of all shades: light, which moves by 1.4 octaves with them, tells little."""
COLOURS: Final = ("warmth", "tint")
LACKING: Final = 4.0
"""The distance of what has no colour, or no skin, at all."""
TOLD: Final = 0.5
"""Of a reason, beside one that is beyond 1."""
VERY_FAR: Final = 4.0
"""From here on nothing of what was learnt is trusted."""


@dataclass(frozen=True)
class Reason:
    """Something in which a picture differs from the pairs."""

    name: str
    """of the measure: a field of PhotoKind"""
    number: float
    """how far beyond the pairs, in what is usual"""
    message: Message


@dataclass(frozen=True)
class Distance:
    """How far a picture lies from the pairs."""

    number: float
    """0 among them; beyond 1 it is far"""
    reasons: tuple[Reason, ...] = ()
    """the strongest first"""

    @property
    def far(self) -> bool:
        """Whether people are told."""
        return self.number > 1

    @property
    def trust(self) -> float:
        """How much of a restoration to make: 1 near the pairs, falling to 0 at VERY_FAR."""
        return round(min(1.0, max(0.0, (VERY_FAR - self.number) / (VERY_FAR - 1))), 2)

    @property
    def why(self) -> Message:
        """The reasons in words. There is at least one where it is far."""
        return in_a_row((reason.message for reason in self.reasons), "{one}, {other}")

    def record(self, weakened: float | None = None) -> dict[str, Any]:
        """Return it as JSON takes it, with the sentence for the app's page; `weakened` is the share
        of the restoration that was made for that reason."""
        if weakened is None:
            said = _("This photo is far from the training pairs: {reasons}.", reasons=self.why)
        elif weakened:
            said = _(
                "This photo is far from the training pairs: {reasons}. So it was restored at "
                "a strength of {percent}%.",
                reasons=self.why,
                percent=round(100 * weakened),
            )
        else:
            said = _(
                "This photo is far from the training pairs: {reasons}. So it was left as it is.",
                reasons=self.why,
            )
        reasons = {reason.name: round(reason.number, 2) for reason in self.reasons}
        told = {"distance": round(self.number, 2), "reasons": reasons, "said": said.record()}
        return told if weakened is None else {**told, "strength": weakened}


def distance(kind: PhotoKind, kinds: Sequence[PhotoKind]) -> Distance:
    """Return how far a picture of this kind lies from the `kinds` of the pairs, one at least.

    Counted is what lies outside of all of them, in what is usual between two pictures; the more
    pairs there are, the less they leave out.
    """
    room = 0.6 + 0.4 / len(kinds)
    reasons = list(_lacking(kind, kinds))
    grey = bool(reasons) or max(each.colour for each in kinds) < GREY
    for name, measure in MEASURES.items():
        if (name in COLOURS and grey) or (name == "size" and not kind.skin):
            continue
        own, known = getattr(kind, name), [getattr(each, name) for each in kinds]
        less, more = min(known) - own, own - max(known)
        if name == "size":  # one that is cut is a least size
            less = 0.0 if kind.cut and not all(each.cut for each in kinds) else less
            more = 0.0 if not kind.cut and any(each.cut for each in kinds) else more
        beyond = max(less, more)
        if beyond > 0:
            usual, said = (
                (measure.usual[0], measure.less)
                if less > more
                else (measure.usual[1], measure.more)
            )
            message = Message(said, {"times": f"{2**beyond:.1f}"})
            reasons.append(Reason(name, beyond / (usual * room), message))
    # Little more than the largest of them: several small differences are no large one.
    number = sum(reason.number**6 for reason in reasons) ** (1 / 6)
    told = (reason for reason in reasons if reason.number > TOLD)
    return Distance(number, tuple(sorted(told, key=lambda reason: -reason.number)))


def _lacking(kind: PhotoKind, kinds: Sequence[PhotoKind]) -> Iterator[Reason]:
    """Yield what all pairs have and the picture has none of."""
    if kind.colour < GREY and min(each.colour for each in kinds) >= GREY:
        yield Reason("colour", LACKING, _("it is black and white"))
    elif not kind.skin and all(each.skin for each in kinds):
        yield Reason("skin", LACKING, _("no skin was found in it"))

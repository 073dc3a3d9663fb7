"""Look at a decoded pair for what would spoil a fit, and say it with numbers.

Refused, because nothing sensible can be trained: sides of different size (found while loading),
and a set in which every pair has two equal sides. Everything else is a warning: it may be meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import DataError
from unretouch.base.messages import N_, Message, Words, _
from unretouch.base.terminal import listed
from unretouch.pixels.alignment import (
    SAME,
    UNLIKE,
    Aligned,
    alignable,
    aligned,
    percent_warned,
    placed,
    shift_of,
    shift_warned,
    told,
    turn_warned,
)
from unretouch.pixels.grade import Grade, colour_grade
from unretouch.pixels.images import Picture, reduced, row_strips
from unretouch.pixels.movement import LENSES
from unretouch.pixels.spaces import Rgb, eight, in_levels, luma, steps_of

ALIGN = "unretouch pair ... --align"
SWAPPED = 1.1
"""Ratio of fine detail from which the input counts as the more detailed side."""
ALIKE = 0.8
"""Correlation of the sides below which they are hardly the same picture."""
NO_PAIR = 0.15
"""The same, below which they are two pictures beyond doubt."""
RESIDUE = 2
"""Grey levels that a grade may leave where nothing was retouched."""
LAID_OUT = (
    "A combined picture shows one photograph twice, A (retouched) left and B (before) right; "
    "make such pictures of two folders: unretouch pair RETOUCHED BEFORE"
)
GREY, COLOURED = 0.5, 4.0
"""Mean difference of a pixel's largest and least channel, grey levels: below the first a picture is
black and white, above the second it has colours."""
LOOKED_AT = 256
"""Pixels of the longer side, about, of the copies that are turned to see which way round they are.
"""
FLAT = 1e-4
"""Variance of the luma, squared grey levels, below which a picture is of one colour."""


@dataclass(frozen=True)
class Doubts:
    """What is doubtful in a pair; a figure is None where nothing is doubtful about it."""

    same: bool = False
    """both sides are one picture"""
    correlation: float | None = None
    """of two sides that are hardly the same picture"""
    way_round: str | None = None
    """how B lies, where it would be the same picture the other way round: see WAYS_ROUND"""
    colourless: str | None = None
    """the side, A or B, that is black and white where the other has colours"""
    shift: tuple[float, float] | None = None
    """(dx, dy) in pixels by which B lies to the right of and below A"""
    resized: float | None = None
    """per cent by which A is larger than B; below zero it is smaller"""
    turned: float | None = None
    """degrees by which B is turned against A"""
    misplaced: tuple[Message, ...] = ()
    """these three in words"""
    liquified: tuple[float, float] | None = None
    """share of the picture that was moved in places, and pixels by which it was at most"""
    detail_ratio: float | None = None
    """fine detail of the input over that of the answer, where the sides may be swapped"""
    grade: Grade | None = None
    """what takes A to the colours of B, where one of them, whichever, is graded"""


def doubts(a: Rgb, b: Rgb, direction: str) -> Doubts:
    """Return what is doubtful in the pair of `a` and `b`, file space (H, W, 3) of one size.

    Of a graded pair the detail is compared in the colours of `b`: a curve alone makes more or less
    of it.
    """
    if all(np.array_equal(*strips) for strips in _strips(a, b)):
        return Doubts(same=True)
    lies = placed(a, b)
    if lies is None and (alike := likeness(a, b)) < ALIKE:
        return Doubts(correlation=alike, way_round=way_round(a, b))
    if lies is not None and lies.agreement < SAME:
        # A face from the front is much like its mirror image.
        turned = way_round(a, b)
        if turned is not None or lies.agreement < UNLIKE:
            return Doubts(correlation=lies.agreement, way_round=turned)
    colourless = _colourless(a, b)
    grade = None if colourless else colour_grade(a, b)
    ratio = detail_ratio(a, b, grade)
    if direction == "BtoA":
        ratio = 1 / ratio if ratio else float("inf")
    swapped = ratio if ratio >= SWAPPED else None
    if lies is None:
        return Doubts(detail_ratio=swapped, grade=grade, colourless=colourless)
    misplaced = tuple(told(lies.straight, a, b))
    return Doubts(
        shift=shift_warned(lies.straight, a),
        resized=percent_warned(lies.straight, a),
        turned=turn_warned(lies.straight, a),
        misplaced=misplaced,
        liquified=(lies.share, lies.most) if lies.moved.any() else None,
        # Where nothing lies on its like, all of the picture differs, and not the retouch alone.
        detail_ratio=None if misplaced else swapped,
        grade=grade,
        colourless=colourless,
    )


def warnings_for(a: Rgb, b: Rgb, direction: str, halves_of: Path | None = None) -> list[str]:
    """Return what a terminal says of the doubts about a pair. Raises DataError as require_pair."""
    found = doubts(a, b, direction)
    require_pair(found, halves_of)
    return said_of(found, direction)


def require_pair(found: Doubts, halves_of: Path | None) -> None:
    """Raise DataError where the halves of a file, that is a pair, have nothing in common."""
    if halves_of is not None and no_pair(found):
        raise DataError(
            "its halves are not the same picture "
            f"(correlation {found.correlation:.2f}), so it is no pair",
            halves_of,
            LAID_OUT,
        )


def no_pair(found: Doubts) -> bool:
    """Whether two sides show two pictures, whichever way round they are."""
    unlike = found.correlation is not None and found.correlation < NO_PAIR
    return unlike and found.way_round is None


def surely_pair(a: Rgb, b: Rgb) -> bool:
    """Whether two sides, file space (H, W, 3), are one picture and its retouch beyond doubt: not
    where they are equal, or show too little to be told by, as a sky does."""
    return shift(a, b) is not None and not np.array_equal(a, b)


def said_of(found: Doubts, direction: str) -> list[str]:
    """Return what a terminal says of such doubts."""
    if found.same:
        return ["A and B are the same picture, so there is nothing to learn from this pair"]
    if found.way_round is not None:
        return [f"B is {found.way_round} against A: export both the same way round"]
    if found.correlation is not None:
        return [
            f"A and B are hardly the same picture (correlation {found.correlation:.2f}): "
            "is it a pair at all? Give the two sides of one photograph the same name"
        ]
    said = []
    if found.colourless is not None:
        said.append(
            f"{found.colourless} is black and white, and the other side has colours: export both "
            "in colour, or both in black and white"
        )
    if found.misplaced:
        misplaced = "; ".join(map(str, found.misplaced))
        said.append(
            f"{misplaced}: align the two, or the network learns to move the picture: {ALIGN}"
        )
    if found.liquified is not None:
        share, most = found.liquified
        said.append(
            f"liquify: {share:.0%} of the picture was moved by up to {most:.1f} px; "
            + (
                "so much looks like a lens correction: export both sides with the same one"
                if share > LENSES
                else "the fast recipe leaves that out, since a network cannot undo it"
            )
        )
    if found.grade is not None:
        said.append(
            f"one side is graded: {explained(found.grade)} levels are a colour curve. "
            "--aim memorise learns it, too, other aims leave it out; unretouch pair --grade remove "
            "brings A to the colours of B"
        )
    if found.detail_ratio is not None:
        other = "BtoA" if direction == "AtoB" else "AtoB"
        said.append(
            f"the input ({direction[0]}) has more fine detail than the answer ({direction[-1]}), "
            f"so the network would learn to smooth: if the sides of all pairs are swapped, use "
            f"--direction {other}"
        )
    return said


def unequal(a: Rgb, b: Rgb) -> str:
    """Return why two sides are of different size, as far as can be seen, and what to do."""
    lies = placed(a, b)
    if lies is None or lies.agreement < UNLIKE or not alignable(lies.straight):
        turned = way_round(a, b)
        if turned is not None:
            return f"B is {turned} against A: export both the same way round"
        return "Export both at one size"
    return f"{'; '.join(map(str, told(lies.straight, a, b)))}: bring them together by {ALIGN}"


def brought_together(a: Rgb, b: Rgb, where: object) -> Aligned:
    """Return both sides aligned, as alignment.aligned does. Raises DataError, about the file
    `where`, which also tells where one lies the other way round."""
    try:
        return aligned(a, b, where)
    except DataError:
        turned = way_round(a, b)
        if turned is None:
            raise
    what = _("cannot be aligned: B is {turned} against A", turned=Message(turned))
    raise DataError(what, where, _("Export both the same way round"))


WAYS_ROUND: dict[str, Callable[[Rgb], Rgb]] = {
    N_("mirrored"): lambda b: b[:, ::-1],
    N_("upside down"): lambda b: b[::-1, ::-1],
    N_("turned by a quarter to the left"): lambda b: np.rot90(b, -1),
    N_("turned by a quarter to the right"): lambda b: np.rot90(b),
}
"""How a picture may lie, and what puts it right."""


def way_round(a: Rgb, b: Rgb) -> str | None:
    """Return which of WAYS_ROUND makes of `b` the picture `a`; None if none does, or several."""
    factor = max(1, max(*a.shape[:2], *b.shape[:2]) // LOOKED_AT)
    small, other = (reduced(eight(side), factor) for side in (a, b))
    found = []
    for name, righted in WAYS_ROUND.items():
        right = righted(other)
        if right.shape != small.shape or likeness(small, right) < ALIKE:
            continue
        # Two people before one backdrop are as light and dark in the same places.
        lies = placed(small, right)
        if lies is not None and lies.agreement >= SAME:
            found.append(name)
    return found[0] if len(found) == 1 else None


def _colourless(a: Rgb, b: Rgb) -> str | None:
    colours = np.zeros(2)
    for strips in _strips(a, b):
        for side, strip in enumerate(strips):
            # Channel by channel: ten times as quick as along an axis of three.
            red, green, blue = np.moveaxis(strip, 2, 0)
            most = np.maximum(np.maximum(red, green), blue)
            least = np.minimum(np.minimum(red, green), blue)
            colours[side] += (most - least).sum(dtype=np.uint64)
    of_a, of_b = colours / (a.shape[0] * a.shape[1] * steps_of(a))
    if of_a < GREY and of_b > COLOURED:
        return "A"
    return "B" if of_b < GREY and of_a > COLOURED else None


def explained(grade: Grade) -> str:
    """Return how much of the difference of a pair its grade is: 5.2 of 6.0 (grey levels)."""
    return f"{grade.levels:.1f} of {grade.difference:.1f}"


def conversions(pictures: list[Picture]) -> list[Message]:
    """Return what had to be converted in the files of a pair, one combined or A and B."""
    of_a, of_b = pictures[0].notes, pictures[-1].notes
    if of_a == of_b:
        return list(of_a)
    both = [("A", note) for note in of_a] + [("B", note) for note in of_b]
    return [_("{side}: {said}", side=side, said=note) for side, note in both]


def gathered(noted: Iterable[tuple[str, Words]]) -> list[str]:
    """Return a line for each name and note; one alone where several share a note."""
    names: dict[Words, list[str]] = {}
    for name, note in noted:
        names.setdefault(note, []).append(name)
    return [f"{listed(those)}: {note}" for note, those in names.items()]


def repeated(digests: list[tuple[str, str, str]]) -> list[str]:
    """Return warnings for pairs that hold the same pictures, or one input with two answers.

    `digests` are name, digest of the source and digest of the target of every pair.
    """
    by_source: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, source, target in digests:
        by_source[source].append((name, target))
    found = []
    for (first, answer), *others in by_source.values():
        for other, target in others:
            if answer == target:
                found.append(f"{other}: holds the same two pictures as {first}")
            else:
                found.append(
                    f"{other}: has the same input as {first} but another answer, "
                    "so both cannot be memorised"
                )
    return found


def shift(a: Rgb, b: Rgb) -> tuple[float, float] | None:
    """Return (dx, dy) in pixels by which `b` lies to the right of and below `a`, (0, 0) where that
    is nothing that counts; None if unclear. It is what warnings go by: see alignment.placed."""
    lies = placed(a, b)
    return None if lies is None or lies.agreement < UNLIKE else shift_of(lies.straight, a)


def detail_ratio(source: Rgb, target: Rgb, grade: Grade | None = None) -> float:
    """Return the fine detail of `source` over that of `target`, where the two differ.

    Fine detail is the root mean square of the Laplacian of luma. 0 to infinity; a retouched source
    is below 1. 1 where nothing differs. `grade` first takes the source to the target's colours.
    """
    energies, steps = [0.0, 0.0], steps_of(source)
    for strips in _strips(source, target, around=1):
        # Of 16 bits a brush ends so gently that what it hardly touched would outweigh the rest.
        differ = np.maximum(*strips) - np.minimum(*strips) > steps // 2
        if grade is not None:
            strips = (grade.of_file(strips[0]), strips[1])
            differ = np.maximum(*strips) - np.minimum(*strips) > RESIDUE * steps
        red, green, blue = np.moveaxis(differ, 2, 0)
        changed = (red | green | blue)[1:-1, 1:-1]
        for number, strip in enumerate(strips):
            fine = _laplacian(luma(strip)) * changed
            energies[number] += float(np.square(fine).sum(dtype=np.float64))
    if energies[0] == energies[1]:
        return 1.0
    return float(np.sqrt(energies[0] / energies[1])) if energies[1] else float("inf")


def _laplacian(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    around = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]
    return 4 * plane[1:-1, 1:-1] - around


def likeness(a: Rgb, b: Rgb) -> float:
    """Return the correlation of the two lumas, -1 to 1; 1 where one of them is of one colour."""
    sums, products = np.zeros(2), np.zeros((2, 2))
    for strips in _strips(a, b):
        planes = [luma(in_levels(strip)).astype(np.float64) for strip in strips]
        sums += [plane.sum() for plane in planes]
        products += [[np.einsum("ij,ij", x, y) for y in planes] for x in planes]
    pixels = a.shape[0] * a.shape[1]
    covariance = products / pixels - np.outer(sums, sums) / pixels**2
    variances = covariance.diagonal()
    return float(covariance[0, 1] / np.sqrt(variances.prod())) if min(variances) > FLAT else 1.0


def mean_difference(a: Rgb, b: Rgb) -> float:
    """Return the mean absolute difference in grey levels: the error of doing nothing."""
    total = 0
    for one, other in _strips(a, b):
        total += int((np.maximum(one, other) - np.minimum(one, other)).sum(dtype=np.uint64))
    return total / (a.size * steps_of(a))


def _strips(a: Rgb, b: Rgb, around: int = 0) -> Iterator[tuple[Rgb, Rgb]]:
    """Yield both pictures some rows at a time, with so many rows `around` them.

    The rows within `around` of the upper and lower border of the picture have none of their own.
    """
    for rows in row_strips(len(a) - 2 * around):
        within = slice(rows.start, rows.stop + 2 * around)
        yield a[within], b[within]

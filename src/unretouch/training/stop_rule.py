"""When a fit is good enough to end before its time, read off the previews of whole pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from unretouch.runs.status import Preview
from unretouch.settings.train import TrainSettings

EarlyEnd = Literal["", "target_reached", "every_pixel_exact", "no_more_gain"]

PATIENCE = 0.25
"""Share of the schedule in which the error must fall by GAIN."""
GAIN = 0.005
LOOKS = 3
"""Previews in that time at least, lest one that came out badly decides."""
LONGEST_SHARE = 0.9
"""From here on the rate falls to zero, which is when the last of the error goes."""


def early_end(
    settings: TrainSettings, previews: Sequence[Preview], share_done: float, total_steps: int
) -> EarlyEnd:
    """Return why the fast recipe may end now, or an empty text.

    `previews` are those taken so far, the newest last; `share_done` is that of the schedule. With
    the aims `restore` and `texture` only the schedule ends a run: what their training pairs show is
    not what they are for. When a preview is taken depends on the clock, so a run of a number of
    epochs, which is the same every time, ends early only where --target_error asks for it.
    """
    if settings.recipe != "fast" or settings.aim != "fit" or not previews:
        return ""
    newest = previews[-1].pairs
    if settings.target_error and _worst(previews[-1]) <= settings.target_error:
        return "target_reached"
    if settings.minutes is None:
        return ""
    if all(pair.exact_pixels == 1 and not pair.estimated for pair in newest):
        return "every_pixel_exact"
    since = previews[-1].step - PATIENCE * total_steps
    before = [p for p in previews if p.step <= since]
    after = previews[len(before) :]
    if not before or len(after) < LOOKS or share_done >= LONGEST_SHARE:
        return ""
    best = min(_mean(p) for p in after)
    # A fit that still does harm has not begun to gain.
    does_harm = best >= sum(p.identity_error for p in newest) / len(newest)
    gained = best <= (1 - GAIN) * min(_mean(p) for p in before)
    return "" if gained or does_harm else "no_more_gain"


def _worst(preview: Preview) -> float:
    return max(pair.level_error for pair in preview.pairs)


def _mean(preview: Preview) -> float:
    return sum(pair.level_error for pair in preview.pairs) / len(preview.pairs)

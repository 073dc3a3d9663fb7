"""The self-test: an unseen portrait without an answer, retouched by the simulated retoucher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unretouch.pixels import images, retouch
from unretouch.pixels.pairs import Pair
from unretouch.settings.verify import UnseenThresholds
from unretouch.tasks.verify.figures import PairFigures
from unretouch.tasks.verify.sentences import Phrase
from unretouch.tasks.verify.unseen import unseen_verdict
from unretouch.tasks.verify.verdict import Verdict


def simulated_pair(name: str, photo: Path, seed: int = 0) -> Pair:
    """Return an untouched photo as the target of a pair whose source is its simulated retouch.

    Tells how a model does on this person if the photo had been retouched by the simulation, which
    is not the retoucher that the model learnt from: a hint, not a proof. Raises DataError.
    """
    target = images.read_rgb(photo)
    return Pair(name, retouch.retouch(target, seed), target, (photo,))


def self_test_verdict(
    photos: Sequence[PairFigures], thresholds: UnseenThresholds | None = None
) -> Verdict:
    """Judge the photos as unseen portraits, under a verdict that says what they are."""
    verdict = unseen_verdict(None, photos, thresholds)
    return replace(
        verdict, question="self_test", phrases=(Phrase("self_test"), *verdict.phrases[1:])
    )

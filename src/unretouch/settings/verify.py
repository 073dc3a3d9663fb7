"""The settings of `unretouch verify`, with the thresholds at which the words of a verdict begin."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from unretouch.base.errors import UsageError
from unretouch.settings.commands import WeightsSettings
from unretouch.settings.fields import Count, EngineName, NotNegativeFloat, PositiveFloat, Word
from unretouch.settings.test import NetworkSettings
from unretouch.settings.train import DeviceName

PROG = "unretouch verify"


@dataclasses.dataclass(frozen=True)
class MemorisedThresholds:
    """Where the words of `memorised` begin.

    A pair must pass both figures of a word: a sparse retouch leaves so little to do that doing
    nothing may already pass the G_L1.
    """

    G_L1: NotNegativeFloat = 1.0
    """memorised: G_L1 at most, the guide's goal"""
    recovered_share: NotNegativeFloat = 0.7
    """memorised: recovered at least"""
    nearly_G_L1: NotNegativeFloat = 2.0
    """nearly: G_L1 at most"""
    nearly_recovered_share: NotNegativeFloat = 0.5
    """nearly: recovered at least"""
    nothing_below: NotNegativeFloat = 0.05
    """did nothing: recovered below; harmful: worse than doing nothing, beyond noise"""


@dataclasses.dataclass(frozen=True)
class TextureThresholds:
    """Where the words of `texture` begin, in every size that counts."""

    lowest_energy: NotNegativeFloat = 0.8
    """smooth: strength of a size below"""
    highest_energy: NotNegativeFloat = 1.25
    """noisy: strength of a size above"""
    coherence: NotNegativeFloat = 0.7
    """back: coherence at least"""
    # Coherence alone does not see strength. Weak detail is `smooth`, wherever it is, until half of
    # the energy that lacked has been added.
    recovered: NotNegativeFloat = 0.4
    """back: recovered detail at least"""
    partly_coherence: NotNegativeFloat = 0.5
    """partly back: coherence at least; grain below"""
    partly_recovered: NotNegativeFloat = 0.1
    """partly back: recovered detail at least; grain below"""
    nothing_within: NotNegativeFloat = 0.05
    """nothing: recovered detail this near to 0 in all sizes"""
    # Through what was removed from it, or through what is too much or too little in it.
    band_matters: NotNegativeFloat = 0.1
    """a size counts from this part of the removed detail on"""


@dataclasses.dataclass(frozen=True)
class UnseenThresholds:
    """Where the words of `unseen` begin.

    The recovered share is that over the whole frame, of pairs compressed apart that over the
    retouched area.
    """

    recovered_share: NotNegativeFloat = 0.5
    """holds: recovered of every held-out pair at least"""
    gap: NotNegativeFloat = 0.3
    """holds: at most so much less than on the training pairs"""
    nothing_below: NotNegativeFloat = 0.05
    """does not hold: recovered on average below; harmful where any pair is made worse"""
    in_part: NotNegativeFloat = 0.25
    """hardly holds: recovered on average below"""


@dataclasses.dataclass(frozen=True)
class ProbeThresholds:
    """Where the words of the memorisation probe begin.

    They are about what is left, under the worst kind of change, of the recovered share on unchanged
    pictures.
    """

    skill: NotNegativeFloat = 0.8
    """skill: at least so much is left under the worst kind of change"""
    memory: NotNegativeFloat = 0.4
    """memory: less is left"""
    something: NotNegativeFloat = 0.1
    """unknown: recovered of the unchanged pictures below"""


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Where every verdict's words begin."""

    memorised: MemorisedThresholds = MemorisedThresholds()
    texture: TextureThresholds = TextureThresholds()
    unseen: UnseenThresholds = UnseenThresholds()
    probe: ProbeThresholds = ProbeThresholds()


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifySettings(WeightsSettings, NetworkSettings):
    """Prove what a model can do: figures, pictures, one plain word for each question."""

    BASICS = (
        "heldout", "cross", "self_test", "details", "out", "weights", "images", "pairs",
        "dataroot", "fail_below",
    )  # fmt: skip

    run: Annotated[str | None, Word("[RUN]")] = None
    """a run, by name or folder; or give --weights, or --images"""
    dataroot: str | None = None
    """folder of the training pairs; unset, as the run says"""
    phase: str | None = None
    """subfolder of --dataroot; unset, as the run says"""
    heldout: Path | None = None
    """folder of pairs that it was not trained on: does it hold there?"""
    cross: bool = False
    """hold each training pair out in turn instead, training a small run without it"""
    cross_minutes: PositiveFloat = 10.0
    """time that --cross trains, all its runs together"""
    self_test: tuple[Path, ...] = ()
    """untouched photos: simulate a retouch on them, restore it, compare"""
    no_probe: bool = False
    """leave out the question Memory or skill?, for which each pair is restored 18 times more"""
    deep: bool = False
    """measure the deep distance too, how different it looks to EfficientNet-Lite0 (an extra)"""
    details: bool = False
    """print the figures of every pair, too; page and report have them anyway"""
    fail_below: tuple[str, ...] = ()
    """exit with 7 below these words, such as: memorised, or nearly back holds"""
    out: Path | None = None
    """folder of the report; unset, verify in the run's folder, or ./verify"""
    weights: Path | None = None
    """a weights file (.pth) instead of a run, also of the classic program"""
    lambda_L1: NotNegativeFloat | None = None
    """weight that G_L1 contains; unset, as the run says, else 500"""
    images: Path | None = None
    """folder of finished pictures of any program, named as the pairs, instead of a run"""
    pairs: Path | None = None
    """with --images: folder of the pairs they belong to"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    jobs: Count | None = None
    """processes that share many pairs, each with its own memory; unset, 1, with --engine ray as
    many as it reaches"""
    engine: EngineName = "local"
    """where they run: local is this computer, ray (an extra) all its cores or a cluster"""
    thresholds: Thresholds = Thresholds()

    def __post_init__(self) -> None:
        super().__post_init__()
        subjects = [self.run is not None, self.weights is not None, self.images is not None]
        if sum(subjects) != 1:
            nothing = "nothing to verify; one of these is needed"
            raise UsageError(
                "one of these is verified, not several" if any(subjects) else nothing,
                "RUN, --weights, --images",
                f"Write: {PROG} RUN",
            )
        if (self.images is None) != (self.pairs is None):
            raise UsageError("goes only with the other", "--images, --pairs", "Give both folders")
        if self.images is not None:
            asked = [
                f"--{name}"
                for name in ("heldout", "cross", "self_test", "jobs")
                if getattr(self, name)
            ]
            if self.engine != "local":
                asked.append("--engine")
            if asked:
                raise UsageError("needs a model, not finished pictures", ", ".join(asked))
        if self.cross and self.heldout is not None:
            raise UsageError(
                "both answer the same question", "--cross, --heldout", "Give one of them"
            )

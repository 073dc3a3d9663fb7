"""How each verdict is judged and worded: figures of pairs go in, one word and a sentence come out.

Four questions are asked. Did it memorise the pairs that it was trained on? Is their texture back,
in strength and in place? Does it hold on unseen portraits? And is what it knows memory or skill?
A question's words are listed from worst to best, and its worst pair decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from unretouch.base.errors import UsageError, VerificationError
from unretouch.base.messages import N_, Message, _
from unretouch.metrics import Figure, Metric, weighted_l1
from unretouch.metrics.octave_bands import BANDS, NOTHING, PARTS
from unretouch.metrics.texture_ceiling import TextureCeiling
from unretouch.report.console import TIMES_FROM, percent, percent_recovered, times_or_percent
from unretouch.report.pair_figures import (
    GRADE_MISFIT,
    NOISE_BANDS,
    BandEnergies,
    Candidate,
    PairFigures,
    beyond_noise,
)
from unretouch.runs.status import LEAST_HARM, SAME
from unretouch.settings.fields import nearest_hint
from unretouch.settings.train import AimName
from unretouch.settings.verify import (
    MemorisedThresholds,
    ProbeThresholds,
    TextureThresholds,
    Thresholds,
    UnseenThresholds,
)

Question = Literal["memorised", "texture", "unseen", "unseen_texture", "self_test", "probe"]
Tone = Literal["good", "middling", "bad", "unknown"]

UNKNOWN = N_("unknown")
"""The word where nothing can be said."""

_WORDS: dict[str, dict[str, tuple[Tone, str]]] = {
    "memorised": {
        N_("harmful"): (
            "bad",
            N_("The model makes it worse than it was. Early in a training that is usual."),
        ),
        N_("did nothing"): ("bad", N_("The model does next to nothing.")),
        N_("not yet"): ("middling", N_("Not memorised yet.")),
        N_("nearly"): ("middling", N_("Nearly memorised.")),
        N_("memorised"): ("good", N_("{pair} is memorised: {stands}.")),
        N_("perfect"): ("good", N_("Every pixel of {pair} equals the answer.")),
    },
    "texture": {
        # More texture than there was.
        N_("noisy"): ("bad", N_("There is more texture than the untouched skin has.")),
        # The right amount in the wrong place.
        N_("grain"): (
            "bad",
            N_("This is grain and not the person's skin: it is in the wrong place."),
        ),
        N_("nothing"): ("bad", N_("No texture was brought back.")),
        # Less like the true one than a baseline.
        N_("no better"): (
            "middling",
            N_("It is less like the true skin than doing nothing or a grain overlay."),
        ),
        # More in its place than a grain overlay could put there, and too little to pass.
        N_("partly back"): (
            "middling",
            N_("Only a part of the texture is in the right place."),
        ),
        N_("smooth"): ("middling", N_("It is still too smooth.")),
        N_("back"): (
            "good",
            N_("The texture is back, in strength and in place, even where it is weakest."),
        ),
    },
    "unseen": {
        N_("harmful"): ("bad", N_("Careful: it makes unseen portraits worse than they were.")),
        N_("does not hold"): ("bad", N_("It does next to nothing for unseen portraits.")),
        N_("hardly holds"): (
            "bad",
            N_("It hardly holds: most of the retouch stays on unseen portraits."),
        ),
        N_("holds in part"): ("middling", N_("It holds in part on unseen portraits.")),
        N_("holds"): ("good", N_("It holds on unseen portraits.")),
    },
    "probe": {
        N_("memory"): ("middling", N_("Small changes throw it off.")),
        N_("in between"): ("middling", N_("It is partly skill, partly memory.")),
        N_("skill"): ("good", N_("Small changes do not throw it off.")),
    },
}
"""By question its words from worst to best, each with its tone and what it says. No two questions
share a word but the worst."""

QUESTIONS: dict[Question, str] = {
    "memorised": N_("Did it memorise?"),
    "texture": N_("Is the texture back?"),
    "unseen": N_("Does it hold on unseen portraits?"),
    "unseen_texture": N_("Their texture: is it back?"),
    "self_test": N_("Self-test on your photos"),
    "probe": N_("Memory or skill?"),
}
"""What is asked, as people read it."""

_OF_OTHERS = ("unseen", "unseen_texture", "self_test")
"""What is asked of portraits that were not trained on."""

SCALES = {question: tuple(words) for question, words in _WORDS.items()}
"""The words of each question, from worst to best."""

_TONES = {word: tone for words in _WORDS.values() for word, (tone, _said) in words.items()}

_UNKNOWN_SAID: dict[Question, Message] = {
    "memorised": _("There are no training pairs to judge."),
    "texture": _("Nothing can be said of texture: the retouch removed none."),
    "unseen": _("No pair was held out, so this is not known."),
    "probe": _("Too little is recovered of the unchanged pictures to tell."),
}
_NO_RETOUCH = _(
    "There is no retouch to judge: the two pictures differ only by noise or compression."
)
_NOT_BUT_A_GRADE = _(
    "There is no retouch to judge: the two pictures differ only by a colour grade."
)
_NOTHING_GAINED = _("Nothing is gained and nothing is lost.")


@dataclass(frozen=True)
class Verdict:
    """The answer to one question.

    `word` is one of the question's words or UNKNOWN; `pairs` gives the word of each pair,
    `held_back_by` names the pair that the answer hangs on.
    """

    question: Question
    word: str
    said: tuple[Message, ...]
    held_back_by: str | None
    pairs: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """What is said, in English."""
        return " ".join(str(message) for message in self.said)

    @property
    def tone(self) -> Tone:
        """How good the word is, for a colour."""
        return _TONES.get(self.word, "unknown")


_LIMITS = Thresholds()

NO_LIMIT = 0.95
"""Coherence that the files allow from which on they are no limit worth a word."""
CEILING_WITHIN = 0.05
"""Coherence to which the ceiling can be trusted."""


def _said(question: Question, word: str, **values: object) -> Message:
    return Message(_WORDS[question][word][1], values)


def _place(question: Question, word: str) -> int:
    """Return the word's place on the scale of its question: 0 is the worst."""
    return SCALES[question].index(word)


def _unknown(question: Question, pairs: Sequence[PairFigures], bare: bool) -> Verdict:
    """Return that nothing can be said; where `bare`, because the pairs hold no retouch."""
    said = _UNKNOWN_SAID[question]
    if bare:
        said = _NOT_BUT_A_GRADE if any(pair.grade for pair in pairs) else _NO_RETOUCH
    return Verdict(question, UNKNOWN, (said,), None, {pair.name: UNKNOWN for pair in pairs})


# --- Did it memorise?


def memorised_verdict(
    pairs: Sequence[PairFigures], limits: MemorisedThresholds = _LIMITS.memorised
) -> Verdict:
    """Judge the training pairs over the whole frame, those compressed apart over the retouched
    area.

    UNKNOWN without pairs, and where all hold nothing but noise.
    """
    words = {pair.name: _memorised_word(pair, limits) for pair in pairs}
    known = [pair for pair in pairs if words[pair.name] != UNKNOWN]
    if not known:
        return _unknown("memorised", pairs, bare=bool(pairs))
    last = min(known, key=lambda pair: (_place("memorised", words[pair.name]), *_standing(pair)))
    word, stands = words[last.name], _stands(last)
    if word == "perfect":
        said = _said("memorised", word, pair=last.name)
        if len(known) > 1:
            said = _("Every pixel of all {count} training pairs equals the answer.",
                     count=str(len(known)))  # fmt: skip
        return Verdict("memorised", word, (said,), None, words)
    if word == "memorised":
        said = _said("memorised", word, pair=last.name, stands=stands)
        if len(known) > 1:
            said = _(
                "All {count} training pairs are memorised. The weakest pair is {pair}: {stands}.",
                count=str(len(known)),
                pair=last.name,
                stands=stands,
            )
        return Verdict("memorised", word, (said, *_of_the_grade(last)), None, words)
    held_back = _("The weakest pair is {pair}: {stands}.", pair=last.name, stands=stands)
    stands_at = (held_back, *_changed_outside(last))
    asked, graded = _asked_for(last, limits), _of_the_grade(last)
    sentences = (_said("memorised", word), *_gained(last), *stands_at, asked, *graded)
    return Verdict("memorised", word, sentences, last.name, words)


def _not_to_memorise(pairs: Sequence[PairFigures]) -> Verdict:
    """Return that texture was learnt: as strong as it was, it may be further off than none."""
    said = _("This run is for texture, not to memorise: judge it by its texture.")
    return Verdict("memorised", UNKNOWN, (said,), None, {pair.name: UNKNOWN for pair in pairs})


def _memorised_word(pair: PairFigures, limits: MemorisedThresholds) -> str:
    if pair.nothing_to_judge:
        return UNKNOWN
    if pair.prediction.frame["exact_pixels"] == 1:
        return "perfect"
    share, weighted = pair.judged_share, pair.judged_G_L1
    if share is None:
        # Source and target are one picture: all that can be done is to leave it alone.
        return "memorised" if weighted <= limits.G_L1 else "harmful"
    if pair.harm:
        return "harmful"
    if share < limits.nothing_below:
        return "did nothing"
    if weighted <= limits.G_L1 and share >= limits.recovered_share:
        return "memorised"
    if weighted <= limits.nearly_G_L1 and share >= limits.nearly_recovered_share:
        return "nearly"
    return "not yet"


def _standing(pair: PairFigures) -> tuple[float, float]:
    """Return how good the figures are that `_stands` tells, in their order."""
    share = pair.judged_share
    return 1.0 if share is None else share, -(pair.judged["level_error"] or 0.0)


def _stands(pair: PairFigures) -> Message:
    error, share = pair.judged["level_error"], _told_share(pair)
    values = {"error": f"{error:.3g}"}
    if share is None:
        return _("off by {error} grey levels, with nothing to recover", **values)
    values["share"] = percent_recovered(share)
    if share < -SAME:
        values["identity"] = f"{pair.judged_identity or 0.0:.3g}"
        if pair.by_area:
            return _(
                "in the retouched area off by {error} grey levels, doing nothing by {identity}",
                **values,
            )
        return _("off by {error} grey levels, doing nothing by {identity}", **values)
    if pair.by_area:
        return _(
            "in the retouched area {share} recovered, off by {error} grey levels",
            **values,
        )
    return _("{share} recovered, off by {error} grey levels", **values)


def _asked_for(pair: PairFigures, limits: MemorisedThresholds) -> Message:
    """Return what the pair lacks, in grey levels: G_L1 is another error for each lambda_L1."""
    share, of_one_level = f"{100 * limits.recovered_share:g}%", weighted_l1(1.0, pair.lambda_L1)
    if not of_one_level:
        return _("Memorised means: at least {share} recovered.", share=share)
    error = f"{limits.G_L1 / of_one_level:.3g}"
    return _(
        "Memorised means: at least {share} recovered, and off by at most {error} grey levels.",
        share=share,
        error=error,
    )


def _gained(pair: PairFigures) -> tuple[Message, ...]:
    """Return that nothing is gained or lost, where that is so."""
    share = None if _share(pair) is None else _told_share(pair)
    idle = share is not None and abs(share) <= SAME
    return (_NOTHING_GAINED,) if idle and not pair.harm else ()


def _told_share(pair: PairFigures) -> Figure:
    """Return the recovered share for a sentence: what is lost within noise is not lost."""
    share = pair.judged_share
    return share if share is None or pair.harm else max(0.0, share)


def _changed_outside(pair: PairFigures) -> tuple[Message, ...]:
    """Return what a harmful model changed outside of the area by which the pair is judged."""
    added = pair.wrong_outside or 0.0
    if pair.left_out is None or not pair.harm or added < LEAST_HARM:
        return ()
    said = _(
        "The model changed the picture by {value} grey levels where nothing was retouched.",
        value=f"{added:.2g}",
    )
    return (said,)


def _of_the_grade(pair: PairFigures) -> tuple[Message, ...]:
    """Return what of a graded pair is back by its colours alone, and what of the retouch."""
    if pair.grade is None:
        return ()
    return (
        _(
            "{pair} has a colour grade: its curve alone brings back {grade} of the difference. "
            "Of the retouch itself {share} is recovered.",
            pair=pair.name,
            grade=percent(pair.grade.by_grade, 0),
            share=percent_recovered(pair.judged["recovered_share"], 0),
        ),
    )


# --- Is the texture back?


@dataclass(frozen=True)
class _Band:
    """One octave band of one pair."""

    part: str
    removed: float
    """share in the energy of all removed detail; here and in the next what noise can do is left
    out"""
    off: float
    """|energy of the prediction - of the target|, in the same unit"""
    gained: float
    """energy of the prediction - of the source, in the same unit; below 0 where it is noise"""
    energy: float
    """ratio of prediction to target"""
    doubt: tuple[float, float]
    """the lowest and the highest that it may be, as the target's energy is noise in part"""
    added: float
    """part of the energy that the target has over the source which the prediction has too"""
    coherence: float
    recovered: float


def texture_verdict(
    pairs: Sequence[PairFigures], limits: TextureThresholds = _LIMITS.texture
) -> Verdict:
    """Judge the texture of the retouched areas; in the worst pair the worst band decides.

    To be `back`, or partly so, a pair must also beat both baselines, doing nothing and grain
    overlay, in detail SSIM. UNKNOWN where no detail was removed.
    """
    judged = [(pair, *found) for pair in pairs if (found := _texture_word(pair, limits))]
    if not judged:
        bare = bool(pairs) and all(pair.nothing_to_judge for pair in pairs)
        return _unknown("texture", pairs, bare)
    words = {pair.name: UNKNOWN for pair in pairs} | {pair.name: word for pair, word, _b in judged}
    last, word, band = min(judged, key=lambda j: (_place("texture", j[1]), j[2].recovered))
    low, high = BANDS[PARTS.index(band.part)]
    # After a gentle retouch most of the strength was there before: it is not what is smooth.
    hardly_lacked = word == "smooth" and band.energy >= limits.lowest_energy
    strength = _(
        "In {pair}, texture of {low} to {high} px is {energy} as strong as in the untouched skin.",
        pair=last.name,
        low=str(low),
        high=str(high),
        energy=times_or_percent(band.energy),
    )
    back = _("None of the texture that was removed is back in its place.")
    if round(band.recovered, 2) > 0:
        back = _(
            "{recovered} of the texture that was removed is back in its place.",
            recovered=percent(band.recovered, 0),
        )
    held_back_by = None if word == "back" else last.name
    told = (back,) if hardly_lacked else (strength, back)
    said = (_said("texture", word), *told, *_ceiling_said(last))
    return Verdict("texture", word, said, held_back_by, words)


def _ceiling_said(pair: PairFigures) -> tuple[Message, ...]:
    """Return how far the finest texture could come back, and what would raise that, where the files
    are a limit at all."""
    reached = pair.prediction.area[f"detail_coherence_{PARTS[0]}"]
    most = pair.ceiling.bands[0] if pair.ceiling else None
    if reached is None or most is None or most > NO_LIMIT:
        return ()
    told = {"reached": f"{max(0.0, reached):.2f}", "most": f"{most:.2f}"}
    limit = _(
        "Finest pores in place: {reached} of 1. On unseen skin these files allow {most} at most.",
        **told,
    )
    return (limit,) if reached > most + CEILING_WITHIN else (limit, *finer_files(pair.ceiling))


def finer_files(ceiling: TextureCeiling | None) -> tuple[Message, ...]:
    """Return what 16 bits would allow of the finest texture, where that is clearly more."""
    most = of_16_bits(ceiling)
    return () if most is None else (_("16-bit files would allow {most}.", most=f"{most:.2f}"),)


def of_16_bits(ceiling: TextureCeiling | None) -> Figure:
    """Return what 16 bits would allow of the finest texture; None where that is not clearly more
    than the files allow."""
    now, then = (ceiling.bands[0], ceiling.with_16_bits[0]) if ceiling else (None, None)
    if now is None or then is None or then - now < CEILING_WITHIN:
        return None
    return min(then, 0.99)  # not 1.00: that would promise that all comes back


def beaten(pair: PairFigures) -> dict[str, bool]:
    """Return by baseline whether the prediction's detail SSIM is above it."""
    ours = pair.prediction.area["detail_ssim"]

    def below(baseline: Candidate) -> bool:
        theirs = baseline.area["detail_ssim"]
        return ours is not None and theirs is not None and ours > theirs

    return {"identity": below(pair.identity), "grain": below(pair.grain)}


def _texture_word(pair: PairFigures, limits: TextureThresholds) -> tuple[str, _Band] | None:
    """Return a pair's word and the band that it hangs on; None where no detail that counts was
    removed."""
    if pair.nothing_to_judge or pair.bands is None:
        return None
    whole = sum(_above_noise(pair, pair.bands.removed))
    if whole <= NOTHING:
        return None
    bands = [_band(pair, pair.bands, whole, index) for index in range(len(PARTS))]
    words = {band: _band_word(band, limits) for band in bands}
    worst = min(bands, key=lambda band: (_place("texture", words[band]), band.recovered))
    removed = [band for band in bands if band.removed >= limits.band_matters]
    if not removed and words[worst] == "back":
        return None  # below a high threshold no band counts at all
    least = min(removed, key=lambda band: band.recovered, default=worst)
    untouched = bool(removed) and all(
        abs(band.recovered) <= limits.nothing_within for band in removed
    )
    if untouched and words[worst] != "noisy":
        return "nothing", least
    if words[worst] not in ("partly back", "back"):
        return words[worst], worst
    # A picture of a few pixels has no SSIM.
    better = pair.prediction.area["detail_ssim"] is None or all(beaten(pair).values())
    if not better:
        return "no better", least
    return words[worst], least if words[worst] == "back" else worst


def _above_noise(pair: PairFigures, energies: Sequence[float]) -> list[float]:
    """Return what of the energy of each band noise cannot have made."""
    square = pair.noise**2
    return [
        max(0.0, energy - part * square) for energy, part in zip(energies, NOISE_BANDS, strict=True)
    ]


def _band(pair: PairFigures, energies: BandEnergies, whole: float, index: int) -> _Band:
    """Return a band of a pair, of whose bands `whole` was removed."""
    area, part = pair.prediction.area, PARTS[index]
    source, target = energies.source[index], energies.target[index]
    prediction, noise = energies.prediction[index], NOISE_BANDS[index] * pair.noise**2
    chance = noise if pair.grade is None else noise + GRADE_MISFIT * source
    return _Band(
        part=part,
        removed=max(0.0, energies.removed[index] - noise) / whole,
        off=max(0.0, abs(prediction - target) - chance) / whole,
        gained=(prediction - source - chance) / whole,
        energy=_strength(prediction, target),
        doubt=(_strength(prediction, target + chance), _strength(prediction, target - chance)),
        added=(prediction - source) / max(target - source, NOTHING),
        coherence=area[f"detail_coherence_{part}"] or 0.0,
        recovered=area[f"detail_recovered_{part}"] or 0.0,
    )


def _strength(energy: float, of: float) -> float:
    """Return an energy as a share of another; 1 where there is nothing in either."""
    return 1.0 if max(energy, of) <= NOTHING else energy / max(of, NOTHING)


def _band_word(band: _Band, limits: TextureThresholds) -> str:
    counts = max(band.removed, band.off) >= limits.band_matters
    lowest, highest = band.doubt
    if counts and lowest > limits.highest_energy:
        return "noisy"
    removed = band.removed >= limits.band_matters
    in_place = band.coherence >= limits.coherence and band.recovered >= limits.recovered
    strong = band.added >= 0.5 or band.energy >= limits.lowest_energy
    if removed and not in_place and strong:
        # Of a sparse retouch the strength was there before: nothing was added by leaving it.
        if band.gained <= limits.nothing_within * band.removed:
            return "nothing"
        # Texture was laid on, not left out, where at least half of the strength that lacked is
        # there, or where it does harm. A little of it in place is too little, and no grain.
        laid_on = band.added >= 0.5 or band.recovered < -limits.nothing_within
        if not laid_on:
            return "smooth"
        partly = band.coherence >= limits.partly_coherence
        return "partly back" if partly and band.recovered >= limits.partly_recovered else "grain"
    return "smooth" if counts and highest < limits.lowest_energy else "back"


# --- Does it hold on unseen portraits?

_HARM_SAID = {
    "skin": N_("There the skin is {harm} grey levels worse than before."),
    "elsewhere": N_("There what is not skin is {harm} grey levels worse than before."),
}


def mean_share(pairs: Sequence[PairFigures]) -> Figure:
    """Return the mean of the recovered shares by which pairs are judged, or None without one."""
    shares = [share for pair in pairs if (share := _share(pair)) is not None]
    return sum(shares) / len(shares) if shares else None


_PRICE = _(
    "Their texture is much nearer in strength to true skin. Some error is its price: where each "
    "pore was, nobody can know."
)
DEAREST_TEXTURE = math.sqrt(2)
"""The error beside that of doing nothing, at most, that texture of the true strength costs: where
none of it is in its place, its energy and that of the true one add up."""
TEXTURE_NEARER = 0.5
"""Of the spectrum's distance to true skin, what may be left of that of doing nothing."""


def unseen_verdict(
    seen: Figure,
    heldout: Sequence[PairFigures],
    limits: UnseenThresholds = _LIMITS.unseen,
    aim: AimName = "fit",
    cross: CrossRuns | None = None,
) -> Verdict:
    """Judge the held-out pairs, and what is lost against `seen`, the mean recovered share on the
    pairs that the model was trained on; with `cross`, the models that each judged one of them.

    Any pair made worse than it was is harm, but for texture that was the `aim` and is worth its
    error; the worst is named, with the parts of its frame, skin or elsewhere, that suffer. UNKNOWN
    without held-out pairs.
    """
    mean = mean_share(heldout)
    if mean is None:
        return _unknown("unseen", heldout, bare=any(pair.nothing_to_judge for pair in heldout))
    gap = None if seen is None else seen - mean
    textured = [pair.name for pair in heldout if aim == "texture" and _brings_texture(pair)]
    words = {pair.name: _unseen_word(pair, limits, pair.name in textured) for pair in heldout}
    known = [pair for pair in heldout if _share(pair) is not None]
    last = min(known, key=lambda pair: (_place("unseen", words[pair.name]), _share(pair) or 0.0))
    by_texture = all(pair.name in textured for pair in known)
    word = _in_all(words[last.name], mean, gap, limits, by_texture)
    price = (_PRICE,) if by_texture and mean < limits.in_part else ()
    held_back_by = None if word == "holds" else last.name
    harm = [
        Message(_HARM_SAID[part], {"harm": f"{harm:.2g}"})
        for part, harm in harmed_parts(last).items()
        if not (price and part == "skin")
    ]
    outside, graded = _changed_outside(last), _of_the_grade(last)
    told = mean if any(pair.harm for pair in known) else max(0.0, mean)
    average = _recovered(told, None if cross else gap, last)
    turns = (_by_turns(cross),) if cross else ()
    said = (
        _said("unseen", word),
        *turns,
        *price,
        *average,
        *_gained(last),
        *harm,
        *outside,
        *graded,
    )
    return Verdict("unseen", word, said, held_back_by, words)


def _recovered(mean: float, gap: Figure, worst: PairFigures) -> tuple[Message, ...]:
    """Return the mean, in points of a hundred beside the training pairs', and the worst pair."""
    told: dict[str, object] = {"mean": _gain(mean)}
    if gap is not None:
        told["gap"] = f"{100 * abs(gap):.0f}"
    if gap is None:
        average = _("On average {mean}.", **told)
    elif told["gap"] == "1" and gap >= 0:
        average = _("On average {mean}, 1 point less than on the training pairs.", **told)
    elif told["gap"] == "1":
        average = _("On average {mean}, 1 point more than on the training pairs.", **told)
    elif gap >= 0:
        average = _("On average {mean}, {gap} points less than on the training pairs.", **told)
    else:
        average = _("On average {mean}, {gap} points more than on the training pairs.", **told)
    share = _told_share(worst) or 0.0
    return average, _("The weakest pair is {pair}: {share}.", pair=worst.name, share=_gain(share))


def _by_turns(cross: CrossRuns) -> Message:
    return _(
        "Each pair was judged by a run that never saw it, trained for {minutes} min. Of their own "
        "pairs these runs recovered {share}.",
        minutes=f"{cross.minutes_each:.2g}",
        share=percent_recovered(cross.own_share),
    )


def _gain(share: float) -> Message:
    if 1 - share >= TIMES_FROM:
        return _("{times} the error of doing nothing", times=times_or_percent(1 - share))
    if share < -SAME:
        return _("{share} worse than doing nothing", share=percent(-share))
    return _("{share} recovered", share=percent_recovered(share))


def self_test_verdict(
    photos: Sequence[PairFigures],
    limits: UnseenThresholds = _LIMITS.unseen,
    aim: AimName = "fit",
) -> Verdict:
    """Judge photos with a simulated retouch as unseen portraits, saying what they are."""
    verdict = unseen_verdict(None, photos, limits, aim)
    hint = _("A hint, no proof: the retouch of these photos is simulated.")
    return replace(verdict, question="self_test", said=(hint, *verdict.said[1:]))


def harmed_parts(pair: PairFigures) -> dict[str, float]:
    """Return which of `skin` and `elsewhere` are further from the target than the source was, and
    by how many grey levels; by so little that it may be noise, none is."""
    parts = {"skin": pair.skin, "elsewhere": pair.elsewhere}
    return {
        name: harm
        for name, part in parts.items()
        if part and (harm := beyond_noise(pair, part.level_error, part.identity_error))
    }


def _share(pair: PairFigures) -> Figure:
    return None if pair.nothing_to_judge else pair.judged_share


def _brings_texture(pair: PairFigures) -> bool:
    """Return whether the texture is nearer to the true one by far, at no more than its price."""
    ours, before = (answer.area["spectrum_distance"] for answer in (pair.prediction, pair.identity))
    error, idle = pair.judged["level_error"], pair.judged_identity
    if ours is None or before is None or error is None or idle is None:
        return False
    return ours <= TEXTURE_NEARER * before and error <= DEAREST_TEXTURE * idle


def _unseen_word(pair: PairFigures, limits: UnseenThresholds, brings_texture: bool) -> str:
    share = _share(pair)
    if share is None:
        return UNKNOWN
    if brings_texture:
        return "holds" if share >= limits.recovered_share else "holds in part"
    if pair.harm:
        return "harmful"
    return _too_little(share, limits) or (
        "holds" if share >= limits.recovered_share else "holds in part"
    )


def _too_little(share: float, limits: UnseenThresholds) -> str | None:
    if share < limits.nothing_below:
        return "does not hold"
    return "hardly holds" if share < limits.in_part else None


def _in_all(
    worst: str, mean: float, gap: Figure, limits: UnseenThresholds, by_texture: bool
) -> str:
    if worst == "harmful":
        return worst
    if not by_texture and (too_little := _too_little(mean, limits)):
        return too_little
    return worst if worst == "holds" and (gap is None or gap <= limits.gap) else "holds in part"


# --- Memory or skill?

Change = Literal["none", "shift", "mirror", "brightness", "noise", "crop"]

_CHANGE_SAID = {
    "shift": _("shift"),
    "mirror": _("mirror"),
    "brightness": _("brightness"),
    "noise": _("noise"),
    "crop": _("crop"),
}


@dataclass(frozen=True)
class ProbePoint:
    """What is recovered under one change, applied alike to source and target."""

    change: Change
    amount: int
    unit: str
    recovered_share: Figure
    """the mean over the pairs; None where none has anything to recover"""
    pairs: dict[str, Figure]


def probe_verdict(points: Sequence[ProbePoint], limits: ProbeThresholds = _LIMITS.probe) -> Verdict:
    """Tell memory from skill by the worst kind of change, each kind taken at its mean.

    Skill here means that small changes do not throw the model off; whether it holds for other
    people only held-out pairs can tell. UNKNOWN without points, or where nothing is recovered.
    """
    by_change: dict[Change, list[float]] = {}
    for point in points:
        if point.recovered_share is not None:
            by_change.setdefault(point.change, []).append(point.recovered_share)
    unchanged = by_change.pop("none", [0.0])[0]
    if unchanged < limits.something or not by_change:
        return _unknown("probe", (), bare=False)
    left = {change: sum(s) / len(s) / unchanged for change, s in by_change.items()}
    worst = min(left, key=lambda change: left[change])
    word = "in between"
    if left[worst] >= limits.skill:
        word = "skill"
    elif left[worst] < limits.memory:
        word = "memory"
    stands = _(
        "Unchanged pictures: {unchanged}. After the worst kind of change ({change}): {left}.",
        change=_CHANGE_SAID[worst],
        unchanged=_gain(unchanged),
        left=_gain(left[worst] * unchanged),
    )
    return Verdict("probe", word, (_said("probe", word), stands), None, {})


# --- All of them


@dataclass(frozen=True)
class CrossRuns:
    """How the held-out pairs came about where each training pair was held out in turn."""

    runs: int
    minutes_each: float
    own_share: Figure
    """mean recovered share of the runs on the pairs that they were trained on themselves"""


@dataclass(frozen=True)
class Guesses:
    """How far off the texture was that a model guesses, in grey levels (a deviation): in the third
    of the places where it is surest, in the middle one, and where it is least sure."""

    said: tuple[float, ...]
    """what it expected there"""
    found: tuple[float, ...]

    def sentences(self) -> tuple[Message, ...]:
        """Return what is said of them."""
        return (
            _("It guesses a part of this texture."),
            _(
                "Where it is surest, it expects an error of {said} grey levels and has one of "
                "{found}. Where it is least sure, it expects {more_said} and has {more_found}.",
                said=f"{self.said[0]:.2f}",
                found=f"{self.found[0]:.2f}",
                more_said=f"{self.said[-1]:.2f}",
                more_found=f"{self.found[-1]:.2f}",
            ),
        )


@dataclass(frozen=True)
class Verification:
    """All figures, from which all verdicts follow."""

    training: Sequence[PairFigures]
    heldout: Sequence[PairFigures] = ()
    probe: Sequence[ProbePoint] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    cross: CrossRuns | None = None
    """given where `heldout` are the training pairs, each judged by a run that never saw it"""
    self_test: Sequence[PairFigures] = ()
    """untouched photos that the simulated retoucher treated"""
    extra: Sequence[Metric] = ()
    """metrics beyond METRICS that were measured"""
    weighted: bool = True
    """whether lambda_L1 weighed anything when the model was trained: only then G_L1 is shown"""
    aim: AimName = "fit"
    """what the model was trained for"""
    guesses: Mapping[str, Guesses] = field(default_factory=dict)
    """of the pairs of `training` and of `heldout`, by a model that guesses"""

    @property
    def seen(self) -> Figure:
        """Mean recovered share on pairs that were trained on, by the models that `heldout` tests:
        what is lost against it is lost on strangers, not in a shorter training."""
        return self.cross.own_share if self.cross else mean_share(self.training)

    @property
    def generalisation_gap(self) -> Figure:
        """`seen` less the mean recovered share of the held-out pairs.

        0: as good on unseen portraits; above 0: that much of the skill was memory. None where
        either has no pair with anything to recover.
        """
        seen, unseen = self.seen, mean_share(self.heldout)
        return None if seen is None or unseen is None else seen - unseen

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The answers by question, the one that the model was trained for first; the last three
        only where they were asked."""
        limits = self.thresholds
        verdicts = {
            "memorised": _not_to_memorise(self.training)
            if self.aim == "texture"
            else memorised_verdict(self.training, limits.memorised),
            "texture": self._with_guesses(
                texture_verdict(self.training, limits.texture), "training"
            ),
            "unseen": unseen_verdict(self.seen, self.heldout, limits.unseen, self.aim, self.cross),
        }
        if self.heldout:
            texture = texture_verdict(self.heldout, limits.texture)
            texture = self._with_guesses(texture, "heldout")
            verdicts["unseen_texture"] = replace(texture, question="unseen_texture")
        if self.self_test:
            verdicts["self_test"] = self_test_verdict(self.self_test, limits.unseen, self.aim)
        if self.probe:
            verdicts["probe"] = probe_verdict(self.probe, limits.probe)
        if self.aim != "fit":
            first = sorted(verdicts, key=lambda question: question not in _OF_OTHERS)
            return {question: verdicts[question] for question in first}
        return verdicts

    def _with_guesses(self, verdict: Verdict, group: str) -> Verdict:
        found = self.guesses.get(group)
        return replace(verdict, said=(*verdict.said, *(found.sentences() if found else ())))


# --- --fail_below


def least_words(asked: Sequence[str]) -> dict[str, str]:
    """Return the least word by question; `did_nothing` and `did nothing` are the same.

    Raises UsageError for a word of no question, for the worst of one, below which there is nothing,
    and for two words of one question.
    """
    by_word = {word: question for question, words in SCALES.items() for word in words[1:]}
    least: dict[str, str] = {}
    for given in asked:
        word = given.replace("_", " ").replace("-", " ").lower()
        if word not in by_word:
            near = nearest_hint(word, list(by_word)) or f"Words: {', '.join(by_word)}"
            raise UsageError(f"{given!r} is no verdict that another is below", "--fail_below", near)
        if by_word[word] in least:
            raise UsageError(f"{least[by_word[word]]!r} and {word!r} contradict", "--fail_below")
        least[by_word[word]] = word
    return least


def require(verdicts: Mapping[str, Verdict], least: Mapping[str, str]) -> None:
    """Raise VerificationError naming every verdict below its least word; what is unknown is below
    everything."""
    failed = []
    for question, word in least.items():
        verdict = verdicts.get(question)
        found = verdict.word if verdict else UNKNOWN
        words = SCALES[question]
        if found == UNKNOWN or words.index(found) < words.index(word):
            by = f" ({verdict.held_back_by})" if verdict and verdict.held_back_by else ""
            failed.append(f"{question} is {found!r}{by}, below {word!r}")
    if failed:
        raise VerificationError("; ".join(failed), "--fail_below")

"""Is the texture back? The second question: the right strength, in the right place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unretouch.metrics.octave_bands import BANDS, NOTHING, PARTS
from unretouch.settings.verify import TextureThresholds
from unretouch.tasks.verify.figures import BandEnergies, PairFigures
from unretouch.tasks.verify.sentences import Phrase
from unretouch.tasks.verify.verdict import UNKNOWN, Verdict

WORDS = ("noisy", "grain", "nothing", "no better", "smooth", "back")
"""From worst to best: more texture than there was; the right amount in the wrong place; none
brought back; less like the true one than a baseline; too little; as it was."""


@dataclass(frozen=True)
class _Band:
    """One band of one pair."""

    part: str
    removed: float
    """share in the energy of all removed detail"""
    off: float
    """|energy of the prediction - of the target|, in the same unit"""
    energy: float
    """ratio of prediction to target"""
    added: float
    """part of the energy that the target has over the source which the prediction has too"""
    coherence: float
    recovered: float


@dataclass(frozen=True)
class _Judged:
    pair: PairFigures
    word: str
    band: _Band


def texture_verdict(
    pairs: Sequence[PairFigures], thresholds: TextureThresholds | None = None
) -> Verdict:
    """Judge the texture of the retouched areas; the worst pair, and in it the worst band, decides.

    To be `back` a pair must also beat both baselines, doing nothing and grain overlay, in detail
    SSIM. UNKNOWN where no detail was removed.
    """
    limits = thresholds or TextureThresholds()
    judged = [j for pair in pairs if (j := _judge(pair, limits)) is not None]
    words = {pair.name: UNKNOWN for pair in pairs} | {j.pair.name: j.word for j in judged}
    if not judged:
        bare = bool(pairs) and all(pair.nothing_to_judge for pair in pairs)
        said = Phrase("no_retouch" if bare else "texture_unknown")
        return Verdict("texture", UNKNOWN, (said,), None, words)
    last = min(judged, key=lambda j: (WORDS.index(j.word), j.band.recovered))
    held_back_by = None if last.word == WORDS[-1] else last.pair.name
    return Verdict("texture", last.word, (_phrase(last),), held_back_by, words)


def beaten(pair: PairFigures) -> dict[str, bool]:
    """Return by baseline whether the prediction's detail SSIM is above it."""
    ours = pair.prediction.area["detail_ssim"]
    theirs = {
        "identity": pair.identity.area["detail_ssim"],
        "grain": pair.grain.area["detail_ssim"],
    }
    return {
        name: ours is not None and value is not None and ours > value
        for name, value in theirs.items()
    }


def _judge(pair: PairFigures, limits: TextureThresholds) -> _Judged | None:
    if pair.nothing_to_judge or pair.bands is None or sum(pair.bands.removed) <= NOTHING:
        return None
    bands = [_band(pair, pair.bands, index) for index in range(len(PARTS))]
    removed = [band for band in bands if band.removed >= limits.band_matters]
    words = {band: _word(band, limits) for band in bands}
    worst = min(bands, key=lambda band: (WORDS.index(words[band]), band.recovered))
    untouched = all(abs(band.recovered) <= limits.nothing_within for band in removed)
    if untouched and words[worst] != "noisy":
        return _Judged(pair, "nothing", min(removed, key=lambda band: band.recovered))
    if words[worst] != "back":
        return _Judged(pair, words[worst], worst)
    least = min(removed, key=lambda band: band.recovered)
    return _Judged(pair, "back" if all(beaten(pair).values()) else "no better", least)


def _band(pair: PairFigures, energies: BandEnergies, index: int) -> _Band:
    area, part = pair.prediction.area, PARTS[index]
    whole = sum(energies.removed)
    source, target = energies.source[index], energies.target[index]
    prediction = energies.prediction[index]
    return _Band(
        part=part,
        removed=energies.removed[index] / whole,
        off=abs(prediction - target) / whole,
        energy=prediction / max(target, NOTHING),
        added=(prediction - source) / max(target - source, NOTHING),
        coherence=area[f"detail_coherence_{part}"] or 0.0,
        recovered=area[f"detail_recovered_{part}"] or 0.0,
    )


def _word(band: _Band, limits: TextureThresholds) -> str:
    counts = max(band.removed, band.off) >= limits.band_matters
    if counts and band.energy > limits.highest_energy:
        return "noisy"
    removed = band.removed >= limits.band_matters
    in_place = band.coherence >= limits.coherence and band.recovered >= limits.recovered
    # Texture was laid on, not left out, where at least half of the strength that lacked is there.
    if removed and not in_place and (band.added >= 0.5 or band.energy >= limits.lowest_energy):
        return "grain"
    return "smooth" if counts and band.energy < limits.lowest_energy else "back"


def _phrase(last: _Judged) -> Phrase:
    band = last.band
    low, high = BANDS[PARTS.index(band.part)]
    stands = Phrase(
        "texture_stands",
        {
            "pair": last.pair.name,
            "low": str(low),
            "high": str(high),
            "energy": f"{band.energy:.2f}",
            "coherence": f"{band.coherence:.2f}",
            "recovered": f"{band.recovered:.2f}",
        },
    )
    return Phrase(f"texture_{last.word.replace(' ', '_')}", {"stands": stands})

"""What to say of a run: whether its error still fell, and what to do next, as the guide says.

The guide: look, adjust one thing, compare. Too little texture: raise lambda_L1 to 400 or 500.
Unnatural: lower it to 200. Not done: more epochs. Each advice carries the figures behind it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unretouch.base.messages import Message, _
from unretouch.base.terminal import typed
from unretouch.report.console import percent, percent_recovered, times_or_percent
from unretouch.runs.status import gain
from unretouch.settings.train import TrainSettings, flag_words, train_words
from unretouch.settings.verify import MemorisedThresholds, TextureThresholds
from unretouch.tasks.compare.measuring import RunScore
from unretouch.tasks.compare.runs import Curve

Action = Literal["more_training", "raise_lambda", "lower_lambda", "keep"]

_TEXTURE, _MEMORISED = TextureThresholds(), MemorisedThresholds()
"""What verify's verdicts are judged by, unless it is told otherwise."""
ENOUGH_EPOCHS = 1600
"""What the guide calls enough: 800 + 800."""
RIGHT_LAMBDAS = (400, 500)
"""What the guide raises lambda_L1 to."""
LOW_LAMBDA = 200
"""What the guide lowers it to."""

FALLING = 0.05
"""Fall, as a share, from which on more training is advised."""
LINES = 4
"""Log lines that each half of the last quarter needs."""


@dataclass(frozen=True)
class Sentence:
    """A message, and the key by which a program knows it without reading English."""

    key: str
    message: Message

    def english(self) -> str:
        """Return the sentence for the terminal and for JSON."""
        return str(self.message)

    def record(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        return {
            "key": self.key,
            "values": self.message.record()["values"],
            "text": self.english(),
            "template": self.message.template,
        }


def plain(text: str) -> Sentence:
    """Return a sentence that is said in one language only, such as that of an error."""
    return Sentence("plain", Message("{text}", {"text": text}))


def level(value: float) -> str:
    """Return grey levels as a person reads them."""
    return f"{value:.3f}"


@dataclass(frozen=True)
class Trend:
    """The last quarter of a run's updates, in two halves: mean errors in grey levels."""

    before: float
    after: float
    certain: bool
    """whether the difference exceeds two standard errors: log lines are of random pairs"""

    @property
    def fall(self) -> float:
        """Return by what share of itself the error fell; below 0 it rose."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def falling(self) -> bool:
        return self.certain and self.fall >= FALLING


def trend(curve: Curve) -> Trend | None:
    """Return the trend at the end of a curve, or None where the log is too short to say."""
    steps, errors = np.asarray(curve["step"]), np.asarray(curve["level_error"])
    if not len(steps):
        return None
    last = steps[-1]
    before = errors[(steps > last * 0.75) & (steps <= last * 0.875)]
    after = errors[steps > last * 0.875]
    if min(len(before), len(after)) < LINES:
        return None
    noise = math.sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after))
    means = float(before.mean()), float(after.mean())
    return Trend(*means, certain=abs(means[0] - means[1]) > 2 * noise)


@dataclass(frozen=True)
class Advice:
    """One thing to do, the flags that do it, and why."""

    action: Action
    flags: str
    """what changes in the command that trained the run; empty for `keep`"""
    command: str
    """all of it, as a terminal takes it; empty for `keep`"""
    sentence: Sentence
    because: list[Sentence]

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "action": self.action,
            "flags": self.flags,
            "command": self.command,
            "sentence": self.sentence.record(),
            "because": [reason.record() for reason in self.because],
        }


def advise(
    settings: TrainSettings,
    epoch: int,
    score: RunScore,
    trend: Trend | None,
    stopped: bool = False,
) -> list[Advice]:
    """Return what to do next after so many epochs, the most important first; `keep` alone where
    all is well. A run that was `stopped` has more training before it as it is."""
    reasons: dict[Action, list[Sentence]] = {}
    if trend is not None and trend.falling:
        falling = _(
            "The error was still falling: from {before} to {after} grey levels within the last "
            "quarter ({fall}).",
            before=level(trend.before),
            after=level(trend.after),
            fall=percent(trend.fall),
        )
        reasons["more_training"] = [Sentence("compare_falling", falling)]
    wanted, why = _from_figures(settings, epoch, score, still_learning=bool(reasons) or stopped)
    if wanted != "keep":
        reasons.setdefault(_possible(wanted, settings), []).extend(why)
    advice = [_advice(action, settings, because, stopped) for action, because in reasons.items()]
    if advice:
        return advice
    if (score.mean.recovered_share or 0.0) >= _MEMORISED.recovered_share:
        keep = Sentence("compare_keep", _("Well done: keep it as it is."))
        return [Advice("keep", "", "", keep, [_recovered(score)])]
    # Nothing odd in it and nothing falls any more: the schedule is what ended too early.
    return [_advice("more_training", settings, [_recovered(score)], stopped)]


def _from_figures(
    settings: TrainSettings, epoch: int, score: RunScore, still_learning: bool
) -> tuple[Action, list[Sentence]]:
    """Return what the worst pair asks for, and why."""
    harmed_ones = [pair for pair in score.pairs if pair.harm]
    if harmed_ones:
        harmed = max(harmed_ones, key=lambda pair: pair.harm)
        worse = _(
            "{pair} is worse than before: off by {error} grey levels, doing nothing by {identity}.",
            pair=harmed.name,
            error=level(harmed.level_error),
            identity=level(harmed.identity_error),
        )
        harmful = [Sentence("compare_harmful", worse)]
        # A young run is always further from the answer than its input: that is not yet unnatural.
        if still_learning:
            return "more_training", harmful
        if settings.minutes is None and epoch < ENOUGH_EPOCHS:
            young = _(
                "Epochs so far: {epochs}. The guide calls {enough} enough.",
                epochs=str(epoch),
                enough=str(ENOUGH_EPOCHS),
            )
            return "more_training", [*harmful, Sentence("compare_young", young)]
        return "lower_lambda", harmful
    mean = score.mean
    textured = [pair for pair in score.pairs if pair.texture.recovered is not None]
    recovered = max((abs(pair.texture.recovered or 0.0) for pair in textured), default=0.0)
    none_gained = gain(mean.level_error, mean.identity_error) == "nothing"
    if none_gained and mean.identity_error and recovered <= _TEXTURE.nothing_within:
        nothing = _(
            "It does next to nothing: off by {error} grey levels, doing nothing by {identity}.",
            error=level(mean.level_error),
            identity=level(mean.identity_error),
        )
        return "more_training", [Sentence("compare_nothing", nothing)]
    if not textured:
        return "keep", []
    worst = min(textured, key=lambda pair: pair.texture.recovered or 0.0)
    energy, coherence = worst.texture.energy or 0.0, worst.texture.coherence or 0.0
    values = {
        "pair": worst.name,
        "energy": times_or_percent(energy),
        "coherence": f"{coherence:.2f}",
    }
    if energy > _TEXTURE.highest_energy:
        noisy = _(
            "{pair}: the texture is {energy} as strong as in the untouched skin: too strong.",
            **values,
        )
        return "lower_lambda", [Sentence("compare_noisy", noisy)]
    if energy < _TEXTURE.lowest_energy:
        smooth = _(
            "{pair}: the texture is only {energy} as strong as in the untouched skin.",
            **values,
        )
        return "raise_lambda", [Sentence("compare_smooth", smooth)]
    if coherence < _TEXTURE.coherence:
        misplaced = _(
            "{pair}: the texture is {energy} as strong as in the untouched skin, but not in its "
            "place (coherence {coherence}).",
            **values,
        )
        return "raise_lambda", [Sentence("compare_misplaced", misplaced)]
    return "keep", []


def _possible(wanted: Action, settings: TrainSettings) -> Action:
    """Return the action that can help: without an adversary lambda_L1 has nothing to weigh
    against, and outside of the guide's values it has no further to go."""
    room = {
        "raise_lambda": settings.lambda_L1 < RIGHT_LAMBDAS[-1],
        "lower_lambda": settings.lambda_L1 > LOW_LAMBDA,
    }
    return wanted if settings.lambda_GAN > 0 and room.get(wanted) else "more_training"


def _advice(
    action: Action, settings: TrainSettings, because: list[Sentence], stopped: bool
) -> Advice:
    now = f"{settings.lambda_L1:g}"
    if action == "raise_lambda":
        to, *further = [value for value in RIGHT_LAMBDAS if value > settings.lambda_L1]
        if further:
            either = _(
                "Too little of the true texture: raise lambda_L1 from {now} to 400 or 500.", now=now
            )
            raised = Sentence("compare_raise", either)
        else:
            only = _(
                "Too little of the true texture: raise lambda_L1 from {now} to {to}.",
                now=now,
                to=str(to),
            )
            raised = Sentence("compare_raise_to", only)
        return _another(action, settings, to, raised, because)
    if action == "lower_lambda":
        lower = _("Unnatural: lower lambda_L1 from {now} to {to}.", now=now, to=str(LOW_LAMBDA))
        return _another(action, settings, LOW_LAMBDA, Sentence("compare_lower", lower), because)
    changes: dict[str, Any] = {}
    if stopped:
        more = Sentence("compare_go_on", _("Not done yet: go on with it as it is."))
    elif settings.minutes is not None:
        changes = {"minutes": 2 * settings.minutes}
        more = Sentence("compare_more_minutes", _("Not done yet: train for longer."))
    else:
        changes = {name: 2 * getattr(settings, name) for name in ("n_epochs", "n_epochs_decay")}
        more = Sentence("compare_more_epochs", _("Not done yet: train for more epochs."))
    words = [*train_words(dataclasses.replace(settings, **changes)), "--continue_train"]
    flags = typed([*flag_words(changes), "--continue_train"])
    return Advice(action, flags, typed(["unretouch", *words]), more, because)


def _another(
    action: Action, settings: TrainSettings, to: int, said: Sentence, because: list[Sentence]
) -> Advice:
    """Return the advice to train another run beside this one, with another lambda_L1."""
    name = f"{settings.name}_l1_{to}"
    words = train_words(dataclasses.replace(settings, lambda_L1=float(to), name=name))
    return Advice(action, f"--lambda_L1 {to}", typed(["unretouch", *words]), said, because)


def _recovered(score: RunScore) -> Sentence:
    mean = score.mean
    recovered = _(
        "{recovered} recovered: off by {error} grey levels, doing nothing by {identity}.",
        recovered="–" if mean.recovered_share is None else percent_recovered(mean.recovered_share),
        error=level(mean.level_error),
        identity=level(mean.identity_error),
    )
    return Sentence("compare_recovered", recovered)

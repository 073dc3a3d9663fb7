"""What verdicts say. `{name}` stands for a value that is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unretouch.base.messages import N_, Message

SENTENCES: dict[str, str] = {
    # Did it memorise?
    "memorised_unknown": N_("There are no training pairs to judge."),
    "memorised_all": N_(
        "All {count} training pairs are memorised; the least well, {pair}: {stands}."
    ),
    "memorised_one": N_("The training pair is memorised; {pair}: {stands}."),
    "memorised_nearly": N_("Nearly memorised."),
    "memorised_not_yet": N_("Not memorised yet."),
    "memorised_did_nothing": N_("The model does next to nothing."),
    "memorised_harmful": N_("The model makes it worse than it was."),
    "held_back": N_(
        "{pair} holds it back: {stands}; asked for: G_L1 at most {G_L1}, recovered share at least "
        "{share}."
    ),
    "stands": N_(
        "G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey levels), recovered share "
        "{share}"
    ),
    "stands_area": N_(
        "over the retouched area G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey "
        "levels), recovered share {share}"
    ),
    "no_retouch": N_(
        "There is no retouch to judge: source and target differ only as two files do that were "
        "compressed apart."
    ),
    "stands_equal": N_(
        "G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey levels), nothing to recover"
    ),
    # Is the texture back?
    "texture_unknown": N_("Nothing can be said of texture: the retouch removed none."),
    "texture_back": N_("The texture is back, in strength and in place; the least so: {stands}."),
    "texture_smooth": N_("Still too smooth: {stands}."),
    "texture_no_better": N_(
        "Less like the true skin than doing nothing or a grain overlay: {stands}."
    ),
    "texture_nothing": N_("No texture was brought back: {stands}."),
    "texture_grain": N_(
        "Grain, not this person's skin: texture of the right strength in the wrong place: {stands}."
    ),
    "texture_noisy": N_("More texture than the untouched skin has: {stands}."),
    "texture_stands": N_(
        "{pair}, detail of {low} to {high} px: {energy} times the true strength (1 is right), "
        "coherence {coherence} with the true detail, {recovered} of it recovered"
    ),
    # Does it hold on unseen portraits?
    "unseen_unknown": N_(
        "Nothing is known about unseen portraits: there are no held-out pairs. Give some with "
        "--heldout, let --cross hold each pair out in turn, or try --self_test on an untouched "
        "photo."
    ),
    "unseen_holds": N_("It holds on unseen portraits:"),
    "unseen_holds_in_part": N_("It holds in part on unseen portraits:"),
    "unseen_does_not_hold": N_("It does next to nothing for unseen portraits:"),
    "unseen_harmful": N_("Careful: it makes unseen portraits worse than they were:"),
    "unseen_gap": N_(
        "mean recovered share {mean}, {gap} less than on the training pairs; the worst, {pair}, "
        "{share}."
    ),
    "unseen_gain": N_(
        "mean recovered share {mean}, {gap} more than on the training pairs; the worst, {pair}, "
        "{share}."
    ),
    "unseen_alone": N_("mean recovered share {mean}; the worst, {pair}, {share}."),
    "harm_skin": N_("There the skin was made worse by {harm} grey levels."),
    "harm_elsewhere": N_("There what is not skin was made worse by {harm} grey levels."),
    "self_test": N_("A hint, no proof, from photos that the simulated retoucher treated:"),
    # Memory or skill?
    "probe_unknown": N_("Nothing to probe: too little is recovered from the unchanged pictures."),
    "probe_skill": N_("Small changes do not throw it off:"),
    "probe_in_between": N_("Partly skill, partly memory:"),
    "probe_memory": N_("It knows these pixels by heart:"),
    "probe_stands": N_(
        "unchanged it recovers {unchanged}, under the worst kind of change ({change}) {left}."
    ),
    "change_shift": N_("shift"),
    "change_mirror": N_("mirror"),
    "change_brightness": N_("brightness"),
    "change_noise": N_("noise"),
    "change_crop": N_("crop"),
}


@dataclass(frozen=True)
class Phrase:
    """One entry of SENTENCES with its values; a value may be a phrase itself."""

    key: str
    values: Mapping[str, str | Phrase] = field(default_factory=dict)

    def message(self) -> Message:
        """Return what the phrase says."""
        values = {
            name: value.message() if isinstance(value, Phrase) else value
            for name, value in self.values.items()
        }
        return Message(SENTENCES[self.key], values)


def say(phrases: Sequence[Phrase]) -> str:
    """Return the phrases one after the other, in English."""
    return " ".join(str(phrase.message()) for phrase in phrases)

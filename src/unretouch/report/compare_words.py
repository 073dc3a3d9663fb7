"""The sentences of a comparison, by the keys that comparison.json has for them."""

from __future__ import annotations

from unretouch.base.messages import N_

SENTENCES: dict[str, str] = {
    "plain": "{text}",
    "compare_take": N_(
        "Take {run}: it is off by {error} grey levels, doing nothing by {identity}."
    ),
    "compare_take_none": N_(
        "Take none of them yet: even {run} is off by {error} grey levels, doing nothing by "
        "{identity}."
    ),
    "compare_not_weighted": N_(
        "Never by G_L1: it contains lambda_L1, so the same number means another error in each run. "
        "In grey levels, G_L1 1.0 is worth (by lambda_L1): {worth}."
    ),
    "compare_falling": N_(
        "The error was still falling: from {before} to {after} grey levels within the last quarter "
        "({fall})."
    ),
    "compare_smooth": N_(
        "{pair}: the texture has only {energy} times the strength of the true one (1 is right)."
    ),
    "compare_noisy": N_(
        "{pair}: the texture has {energy} times the strength of the true one (1 is right)."
    ),
    "compare_misplaced": N_(
        "{pair}: texture of the right strength ({energy}) in the wrong place: it agrees with the "
        "true one by {coherence} (1 is every pore in its place)."
    ),
    "compare_young": N_("It has had {epochs} epochs; the guide calls {enough} enough."),
    "compare_harmful": N_(
        "{pair} is worse than before: off by {error} grey levels, doing nothing by {identity}."
    ),
    "compare_recovered": N_(
        "{recovered} recovered: off by {error} grey levels, doing nothing by {identity}."
    ),
    "compare_no_adversary": N_(
        "Raising or lowering lambda_L1 changes nothing here: without an adversary (lambda_GAN 0) "
        "it has nothing to weigh against."
    ),
    "compare_raise": N_(
        "Too little of the true texture: raise lambda_L1 from {now} to 400 or 500."
    ),
    "compare_raise_to": N_("Too little of the true texture: raise lambda_L1 from {now} to {to}."),
    "compare_lower": N_("Unnatural: lower lambda_L1 from {now} to {to}."),
    "compare_more_epochs": N_("Not done yet: train for more epochs."),
    "compare_more_minutes": N_("Not done yet: train for longer."),
    "compare_keep": N_("Well done: keep it as it is."),
    "compare_stopped": N_("Stopped early, at step {step}."),
    "compare_failed": N_("It failed; the weights are those of step {step}."),
    "compare_unfinished": N_(
        "No end is on record: it still trains, or was cut off. The weights are those of step "
        "{step}."
    ),
    "compare_short_log": N_(
        "Too few log lines ({lines}) to tell whether the error was still falling."
    ),
    "compare_changed_data": N_(
        "The pairs have changed since it was trained; it is measured on what is there now."
    ),
    "compare_better_before": N_(
        "Its weights of epoch {epoch} were better ({error} grey levels): test them with "
        "--epoch best."
    ),
    "compare_other_direction": N_(
        "It learns the other direction ({mine}): compare it with runs of the same direction."
    ),
    "compare_other_size": N_(
        "It was trained at {mine} pixels, the runs compared here at {theirs}: errors at different "
        "sizes cannot be compared."
    ),
    "compare_other_pairs": N_(
        "It was trained on other pairs ({mine}) than the runs compared here."
    ),
}

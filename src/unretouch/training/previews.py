"""Pictures of the pairs while a run trains, for its page, and the figures of each.

Small pairs are predicted and shown whole. Large ones are shown reduced, and at 1:1 where it matters
(see large_pairs): so a preview costs seconds at any size.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unretouch.base import durable, seeding
from unretouch.pixels.pair_pictures import (
    FAST,
    REAL,
    Kind,
    Make,
    error_map,
    in_strips,
    map_of_errors,
    pair_pictures,
    picture_files,
    write_pictures,
)
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import nearest_answer
from unretouch.pixels.spaces import eight
from unretouch.runs import history
from unretouch.runs.folder import RunDir
from unretouch.runs.status import (
    PREVIEWS_KEPT,
    Preview,
    PreviewPair,
    PreviewPhoto,
    PreviewPlace,
    thin_previews,
)
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm
from unretouch.training.fit import Fit
from unretouch.training.large_pairs import LargePair, Look, Place, is_large
from unretouch.training.pair_error import asked_in, evaluated
from unretouch.training.progress import Progress
from unretouch.training.stopping import Abandoned
from unretouch.training.test_photo import WatchedPhoto

MOST_PAIRS = 100
"""Pairs shown on the page at most; `shown_pairs` chooses those that stand for more."""
SHOWN = 12
"""Pairs that stand for more than MOST_PAIRS, or for a set that does not fit memory."""

MOST_TILES = 12
"""Of large pairs, predicted in one preview of all of them together."""
MOST_LARGE = MOST_TILES // 2
"""Large pairs shown at most: each needs a tile to show and another one to measure."""
WHOLE_S = 20.0
WHOLE_SHARE = 0.02
WHOLE_OF_BUDGET = 0.1
"""The whole of the large pairs is predicted at the end of a run where that takes no longer than so
many seconds, or than this share of its time; with a time budget never more than that part of it."""

PAGE_BYTES = 120_000_000
"""Of the pictures on the page: larger pairs leave room for fewer previews, but for two always."""

_ONCE = tuple(f"_{kind}.png" for kind in REAL)
"""How the names of pictures end that all previews share."""

SHORTEST_S = 5.0
"""Seconds between two previews at least."""


def shown_pairs(pairs: Sequence[Pair], seed: int, lazy: bool) -> list[Pair]:
    """Return the pairs that the page and the table show: all, or SHOWN of many, drawn by `seed`."""
    if len(pairs) <= (SHOWN if lazy else MOST_PAIRS):
        return list(pairs)
    return [pairs[index] for index in sorted(seeding.shuffled(len(pairs), seed)[:SHOWN])]


def shown_in_parts(pair: Pair, fit: Fit) -> bool:
    """Whether a pair is too large to be predicted whole while a run trains, and need not be."""
    return is_large(pair, fit.generator) and fit.generator.is_local


class Previews:
    """Takes previews: `fake_B` of every pair, from step 0 on, and of a photograph without an answer
    where there is one; `real_A` and `real_B` once."""

    def __init__(
        self,
        run: RunDir,
        settings: TrainSettings,
        pairs: Sequence[Pair],
        photo: WatchedPhoto | None = None,
    ) -> None:
        self._run, self._pictures = run, not settings.no_html
        self._every = settings.display_freq
        self._seed = settings.seed
        self._pairs = list(pairs)
        self._photo = photo
        self._large: list[LargePair] | None = None
        self._clock = rhythm.CostShare(SHORTEST_S, growth=0.05, share=rhythm.PREVIEWS_SHARE)
        self.taken: list[Preview] = _read(run)
        self.cost_s = 0.0
        """seconds that the newest one took; 0 before the first of this process"""
        self.last_cost_s = 0.0
        """seconds that one at the end of the run is to be expected to take"""

    def due(self, progress: Progress) -> bool:
        """Whether a preview is due after this step: as asked, or by its cost."""
        if self._every is not None:
            size = progress.batch_size
            return rhythm.passed(self._every, (progress.step - 1) * size, progress.step * size)
        return self._clock.due(progress.elapsed)

    def affordable(self, progress: Progress) -> bool:
        """Whether the time that previews may cost allows one that something else needs now."""
        return self._every is not None or self._clock.affordable(progress.elapsed)

    def take(
        self, progress: Progress, fit: Fit, last: bool = False, within_s: float = math.inf
    ) -> None:
        """Measure every pair and write its pictures, unless this step has been taken already.

        The `last` one of a run looks at large pairs whole where time allows. Raises Abandoned after
        a pair when it has taken more than `within_s` seconds; then `abandon` has to be called.
        """
        bounded = within_s < math.inf
        last = not bounded and (last or progress.done or progress.time_up)
        if self._is_taken(progress.step, last):
            return
        began = progress.elapsed
        shown = []
        for pair in self._shown(progress, fit, last):
            if progress.elapsed - began > within_s:
                raise Abandoned
            shown.append(pair)
        photo = self._shown_photo(progress, fit)
        preview = Preview(step=progress.step, epoch=progress.epoch, pairs=tuple(shown), photo=photo)
        before = [p for p in self.taken if p.step < progress.step]
        self.taken = thin_previews([*before, preview], self._room(preview))
        self._write_record()
        self.cost_s = progress.elapsed - began
        whole_s = self._whole_s()
        self.last_cost_s = self.cost_s + (whole_s if whole_s <= _most_whole_s(progress) else 0.0)
        left = progress.left_s()
        # The first one looks at all pixels and says nothing of what those after it cost.
        unknown = left is None or progress.step == 0
        total = math.inf if left is None or unknown else max(progress.elapsed + left, SHORTEST_S)
        self._clock.spent(progress.elapsed, self.cost_s, total)

    def abandon(self) -> None:
        """Forget the preview that was interrupted: only what the record on the disk holds stays."""
        self.taken = _read(self._run)
        for folder in (self._run.web, self._run.preview_images):
            durable.remove_temporaries(folder)
        self._remove_unrecorded()

    def _is_taken(self, step: int, last: bool) -> bool:
        if not self.taken or self.taken[-1].step != step:
            return False
        return not (last and any(pair.estimated for pair in self.taken[-1].pairs))

    def identity_error(self) -> float:
        """Return the mean error, in grey levels, of doing nothing to the pairs shown."""
        return self.taken[-1].mean.identity_error if self.taken else 0.0

    def errors_by_epoch(self) -> dict[int, float]:
        """Return the mean level error of every preview taken."""
        return {preview.epoch: preview.mean.level_error for preview in self.taken}

    def _shown(self, progress: Progress, fit: Fit, last: bool) -> Iterator[PreviewPair]:
        looks = self._looks(progress, fit, last)
        for pair in self._pairs:
            if not shown_in_parts(pair, fit):
                yield self._shown_whole(progress, fit, pair)
            elif pair.name in looks:
                yield self._shown_in_parts(progress, *looks[pair.name])

    def _shown_whole(self, progress: Progress, fit: Fit, pair: Pair) -> PreviewPair:
        known = fit.known(pair)
        prediction, error = evaluated(fit.generator, pair, known)
        asked = asked_in(pair, known, *(slice(0, length) for length in pair.shape))
        answer = nearest_answer(prediction, asked, pair.target)
        pictures = pair_pictures(pair.source, prediction, pair.target)
        # Off is what differs from the answer that is asked for; shown is the one that was given.
        pictures["error"] = lambda: in_strips(error_map, prediction, answer)
        return PreviewPair(**vars(error), **self._write(progress, pair, pictures))

    def _shown_photo(self, progress: Progress, fit: Fit) -> PreviewPhoto | None:
        photo, net = self._photo, fit.generator
        if photo is None:
            return None
        pictures: dict[Kind, Make] = {
            "real_A": lambda: photo.seen(net),
            "fake_B": lambda: photo.seen(net) if net.does_nothing() else photo.restored(net),
        }
        # A full stop, which no name of a pair's picture has there.
        files = self._written(progress, f".photo_{photo.name}", pictures)
        return PreviewPhoto(name=photo.name, **files)

    def _looks(self, progress: Progress, fit: Fit, last: bool) -> dict[str, tuple[LargePair, Look]]:
        """Return the large pairs that are shown, by name, and what is to be shown of them."""
        net = fit.generator
        if self._large is None:  # each is looked at whole the first time
            large = [pair for pair in self._pairs if shown_in_parts(pair, fit)]
            chosen = large[:: -(-len(large) // MOST_LARGE) or 1]
            self._large = [
                LargePair(pair, fit.known(pair), MOST_TILES // len(chosen), self._seed, number)
                for number, pair in enumerate(chosen)
            ]
        if net.does_nothing():
            looks = [pair.untouched() for pair in self._large]
        else:
            looks = [pair.in_tiles(net) for pair in self._large]
            if last and self._whole_s() <= _most_whole_s(progress):
                looks = [p.whole(net, look) for p, look in zip(self._large, looks, strict=True)]
        return {pair.pair.name: (pair, look) for pair, look in zip(self._large, looks, strict=True)}

    def _whole_s(self) -> float:
        """Return the seconds that predicting the whole of the large pairs is to be expected to
        take; 0 before any part was predicted."""
        return sum(pair.whole_s for pair in self._large or ())

    def _shown_in_parts(self, progress: Progress, large: LargePair, look: Look) -> PreviewPair:
        pair, seen = large.pair, large.seen
        pictures: dict[Kind, Make] = {
            "real_A": lambda: eight(seen.source),
            "real_B": lambda: eight(seen.target),
        }
        if (prediction := look.prediction) is not None:
            pictures["fake_B"] = lambda: eight(prediction)
        if (errors := look.errors) is not None:
            pictures["error"] = lambda: map_of_errors(errors)
        return PreviewPair(
            **vars(look.error),
            **self._write(progress, pair, pictures),
            sampled_tiles=look.sampled_tiles,
            size=(pair.shape[1], pair.shape[0]),
            places=tuple(self._shown_place(progress, pair, place) for place in look.places),
        )

    def _shown_place(self, progress: Progress, pair: Pair, place: Place) -> PreviewPlace:
        pictures = pair_pictures(place.source, place.prediction, place.target)
        where = f"_x{place.window.left}_y{place.window.top}"
        return PreviewPlace(
            kind=place.kind,
            **vars(place.window),
            level_error=place.level_error,
            identity_error=place.identity_error,
            **self._write(progress, pair, pictures, where),
        )

    def _write(
        self,
        progress: Progress,
        pair: Pair,
        pictures: Mapping[Kind, Make],
        where: str = "",
    ) -> dict[str, Any]:
        """Write `pictures` of a pair, or of the part of it that `where` names; return their names
        as PreviewPictures has them.

        The real ones bear the label epoch000 for ever and stay as they are, but a fresh run writes
        them over what an earlier one left.
        """
        return self._written(progress, f"{where}_{pair.name}", pictures)

    def _written(
        self, progress: Progress, whose: str, pictures: Mapping[Kind, Make]
    ) -> dict[str, Any]:
        files = picture_files(f"{_label(progress)}{whose}", f"epoch000{whose}")
        if self._pictures:
            once = REAL if progress.step else ()
            write_pictures(self._run.preview_images, files, pictures, once=once, effort=FAST)
        shown = {kind: f"images/{files[kind]}" for kind in pictures}
        return {
            "real_A": shown["real_A"],
            "fake_B": shown.get("fake_B", ""),
            "real_B": shown.get("real_B", ""),
            "error_map": shown.get("error"),
        }

    def _room(self, newest: Preview) -> int:
        """Return how many previews as large as the newest fit on the page."""
        files = [self._run.web / name for name in newest.files if not name.endswith(_ONCE)]
        size = sum(file.stat().st_size for file in files if file.is_file())
        return int(min(PREVIEWS_KEPT, PAGE_BYTES // max(1, size)))

    def _write_record(self) -> None:
        lines = [json.dumps(preview.record()) + "\n" for preview in self.taken]
        durable.write_text(self._run.previews, "".join(lines))
        self._remove_unrecorded()

    def _remove_unrecorded(self) -> None:
        """Remove the pictures of previews that are no longer kept."""
        if not self._pictures:
            return
        kept = {name.removeprefix("images/") for taken in self.taken for name in taken.files}
        for picture in self._run.preview_images.glob("epoch*.png"):
            if picture.name not in kept:
                durable.remove(picture)


def _most_whole_s(progress: Progress) -> float:
    """Return the seconds that predicting large pairs whole may take at the end of a run."""
    most = max(WHOLE_S, WHOLE_SHARE * progress.elapsed)
    return most if progress.budget_s is None else min(most, WHOLE_OF_BUDGET * progress.budget_s)


def _label(progress: Progress) -> str:
    """Return the classic `epochNNN`; with the step where an epoch has more than one preview."""
    if progress.epoch_ended or progress.step == 0:
        return f"epoch{progress.epoch:03d}"
    return f"epoch{progress.epoch:03d}_step{progress.step}"


def _read(run: RunDir) -> list[Preview]:
    """Return the previews of the record, without those that another version wrote."""
    taken = []
    for record in history.read_records(run.previews).records:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            taken.append(Preview.of(record))
    return taken

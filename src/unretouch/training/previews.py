"""Pictures of the pairs while a run trains, for its page, and the figures of each."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from unretouch.base import durable
from unretouch.base.config import TrainSettings
from unretouch.base.run_status import PREVIEWS_KEPT, Preview, PreviewPair, thin_previews
from unretouch.pixels import images
from unretouch.pixels.error_map import error_map
from unretouch.pixels.pairs import Pair
from unretouch.training import history, rhythm
from unretouch.training.evaluation import evaluate
from unretouch.training.fit import Fit
from unretouch.training.progress import Progress
from unretouch.training.rundir import RunDir

MOST_PAIRS = 100
"""Pairs shown on the page at most; `large_sets.shown_pairs` chooses those that stand for more."""

PAGE_BYTES = 120_000_000
"""Of the pictures on the page: larger pairs leave room for fewer previews, but for two always."""

SHORTEST_S = 5.0
"""Seconds between two previews at least."""


class Previews:
    """Takes previews: `fake_B` of every pair, from step 0 on; `real_A` and `real_B` once."""

    def __init__(self, run: RunDir, settings: TrainSettings, pairs: Sequence[Pair]) -> None:
        self._run, self._pictures = run, not settings.no_html
        self._every = settings.display_freq
        self._pairs = list(pairs)
        self._clock = rhythm.CostShare(SHORTEST_S, growth=0.05, share=rhythm.PREVIEWS_SHARE)
        self.taken: list[Preview] = _read(run)
        self.cost_s = 0.0
        """seconds that the newest one took; 0 before the first of this process"""

    def due(self, progress: Progress) -> bool:
        """Whether a preview is due after this step: as asked, or by its cost."""
        if self._every is not None:
            size = progress.batch_size
            return rhythm.passed(self._every, (progress.step - 1) * size, progress.step * size)
        return self._clock.due(progress.elapsed)

    def affordable(self, progress: Progress) -> bool:
        """Whether the time that previews may cost allows one that something else needs now."""
        return self._every is not None or self._clock.affordable(progress.elapsed)

    def take(self, progress: Progress, fit: Fit) -> None:
        """Evaluate every pair and write its pictures, unless this step has been taken already."""
        if self.taken and self.taken[-1].step == progress.step:
            return
        began = progress.elapsed
        preview = Preview(
            step=progress.step, epoch=progress.epoch, pairs=tuple(self._shown(progress, fit))
        )
        before = [p for p in self.taken if p.step < progress.step]
        self.taken = thin_previews([*before, preview], self._room(preview))
        self._write_record()
        left = progress.left_s()
        total = math.inf if left is None else progress.elapsed + left
        self.cost_s = progress.elapsed - began
        self._clock.spent(progress.elapsed, self.cost_s, max(total, SHORTEST_S))

    def abandon(self) -> None:
        """Forget the preview that was interrupted: only what the record on the disk holds stays."""
        self.taken = _read(self._run)
        for folder in (self._run.web, self._run.preview_images):
            durable.remove_temporaries(folder)
        self._remove_unrecorded()

    def identity_error(self) -> float:
        """Return the mean error, in grey levels, of doing nothing to the pairs shown."""
        pairs = self.taken[-1].pairs if self.taken else ()
        return sum(p.identity_error for p in pairs) / max(1, len(pairs))

    def errors_by_epoch(self) -> dict[int, float]:
        """Return the mean level error of every preview taken."""
        return {p.epoch: sum(q.level_error for q in p.pairs) / len(p.pairs) for p in self.taken}

    def _shown(self, progress: Progress, fit: Fit) -> list[PreviewPair]:
        shown = []
        for pair, prediction, error in evaluate(fit.generator, self._pairs):
            names = {
                "real_A": f"epoch000_{pair.name}_real_A.png",
                "real_B": f"epoch000_{pair.name}_real_B.png",
                "fake_B": f"{_label(progress)}_{pair.name}_fake_B.png",
                "error_map": f"{_label(progress)}_{pair.name}_error.png",
            }
            if self._pictures:
                folder = self._run.preview_images
                target = pair.target.astype(prediction.dtype)
                images.write_png(folder / names["fake_B"], images.levels_to_file(prediction))
                images.write_png(folder / names["error_map"], error_map(prediction, target))
                for label, rgb in (("real_A", pair.source), ("real_B", pair.target)):
                    if progress.step == 0 or not (folder / names[label]).exists():
                        images.write_png(folder / names[label], rgb)
            shown.append(
                PreviewPair(
                    name=pair.name,
                    real_A=f"images/{names['real_A']}",
                    fake_B=f"images/{names['fake_B']}",
                    real_B=f"images/{names['real_B']}",
                    error_map=f"images/{names['error_map']}",
                    level_error=error.level_error,
                    identity_error=error.identity_error,
                    recovered_share=error.recovered_share,
                    exact_pixels=error.exact_pixels,
                )
            )
        return shown

    def _room(self, newest: Preview) -> int:
        """Return how many previews as large as the newest fit on the page."""
        files = [
            self._run.web / name for p in newest.pairs for name in (p.fake_B, p.error_map or "")
        ]
        size = sum(file.stat().st_size for file in files if file.is_file())
        return min(PREVIEWS_KEPT, PAGE_BYTES // max(1, size))

    def _write_record(self) -> None:
        durable.write_text(
            self._run.previews, "".join(json.dumps(asdict(p)) + "\n" for p in self.taken)
        )
        self._remove_unrecorded()

    def _remove_unrecorded(self) -> None:
        """Remove the pictures of previews that are no longer kept."""
        if not self._pictures:
            return
        kept = {
            name.removeprefix("images/")
            for preview in self.taken
            for pair in preview.pairs
            for name in (pair.real_A, pair.fake_B, pair.real_B, pair.error_map)
            if name
        }
        for picture in self._run.preview_images.glob("epoch*.png"):
            if picture.name not in kept:
                durable.remove(picture)


def _label(progress: Progress) -> str:
    """Return the classic `epochNNN`; with the step where an epoch has more than one preview."""
    if progress.epoch_ended or progress.step == 0:
        return f"epoch{progress.epoch:03d}"
    return f"epoch{progress.epoch:03d}_step{progress.step}"


def _read(run: RunDir) -> list[Preview]:
    return [p for r in history.read_records(run.previews).records if (p := _preview(r))]


def _preview(record: dict[str, Any]) -> Preview | None:
    try:
        pairs = tuple(PreviewPair(**pair) for pair in record["pairs"])
        return Preview(step=int(record["step"]), epoch=int(record["epoch"]), pairs=pairs)
    except (KeyError, TypeError, ValueError):
        return None  # written by another version: the page goes without it

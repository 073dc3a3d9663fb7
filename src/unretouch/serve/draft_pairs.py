"""Pairs that are being gathered for a new run. They lie in the app's private folder until then."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unretouch.base import durable
from unretouch.base.messages import _
from unretouch.serve.refusals import NOT_THERE, Limits, Refused

SIDES = ("whole", "a", "b", "photo")


@dataclass
class PairPlace:
    """One pair of a draft: its folder, and what was found when it was looked at."""

    folder: Path
    found: dict[str, Any] | None = None

    @property
    def usable(self) -> bool:
        return self.found is not None and "problem" not in self.found


@dataclass
class Draft:
    """Pairs by number, in the order they were dropped."""

    id: str
    folder: Path
    pairs: dict[int, PairPlace] = field(default_factory=dict)
    touched: float = field(default_factory=time.monotonic)

    def usable(self) -> list[PairPlace]:
        """Return the pairs that can be trained on, in their order."""
        return [place for _, place in sorted(self.pairs.items()) if place.usable]


def write_pairs(pairs: Sequence[PairPlace], train: Path) -> None:
    """Write pairs as pair_01.png and so on, where they stay. Raises DiskError."""
    durable.make_folder(train)
    for number, place in enumerate(pairs, 1):
        data = (place.folder / "pair.png").read_bytes()
        durable.write_bytes(train / f"pair_{number:02d}.png", data)


class Drafts:
    """The drafts of this app, known by random ids."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._drafts: dict[str, Draft] = {}

    def new(self) -> Draft:
        """Return a new draft; the one untouched for longest goes where there are too many."""
        while len(self._drafts) >= self._limits.drafts:
            self.remove(min(self._drafts.values(), key=lambda draft: draft.touched))
        draft_id = secrets.token_hex(8)
        draft = Draft(draft_id, self._folder / f"draft-{draft_id}")
        draft.folder.mkdir()
        self._drafts[draft_id] = draft
        return draft

    def get(self, draft_id: str) -> Draft:
        """Return the draft. Raises Refused 404."""
        draft = self._drafts.get(draft_id)
        if draft is None:
            raise Refused(404, NOT_THERE)
        draft.touched = time.monotonic()
        return draft

    def pair(self, draft_id: str, number: int) -> PairPlace:
        """Return the pair. Raises Refused 404."""
        place = self.get(draft_id).pairs.get(number)
        if place is None:
            raise Refused(404, NOT_THERE)
        return place

    def place(self, draft_id: str, number: int) -> PairPlace:
        """Return the pair, made where it is new. Raises Refused 404, and 413 for too many."""
        draft = self.get(draft_id)
        if number not in draft.pairs:
            if len(draft.pairs) >= self._limits.pairs:
                raise Refused(413, _("More than {limit} pairs.", limit=self._limits.pairs))
            folder = draft.folder / f"{number:04d}"
            folder.mkdir(exist_ok=True)
            draft.pairs[number] = PairPlace(folder)
        return draft.pairs[number]

    def remove_pair(self, draft_id: str, number: int) -> None:
        """Forget a pair and its files."""
        place = self.get(draft_id).pairs.pop(number, None)
        if place is not None:
            shutil.rmtree(place.folder, ignore_errors=True)

    def remove(self, draft: Draft) -> None:
        """Forget a draft and its files."""
        self._drafts.pop(draft.id, None)
        shutil.rmtree(draft.folder, ignore_errors=True)

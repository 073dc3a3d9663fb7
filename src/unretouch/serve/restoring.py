"""The photographs of the Restore page: what was sent, how each is to be restored, what came of it.

They lie in the folder of the run that restores them, so that they go where it goes, and stay until
somebody removes them:

    restored/ID/photo.jpg       as it was sent
    restored/ID/card.json       its name, what is asked for, what was made
    restored/ID/restored/       the result, as `unretouch apply` writes it
    restored/ID/changes/        what the network said: another strength needs no network

What the network said takes twelve bytes a pixel. Beyond KEPT that of the photographs looked at
longest ago goes; they are computed again when they are wanted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import secrets
import shutil
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from unretouch.base import durable
from unretouch.base.messages import _, untranslated
from unretouch.runs.folder import RunDir
from unretouch.serve.photo_files import CARD, LAYERED, OF_THE_PAGE, SHOWN, painted_file
from unretouch.serve.refusals import NO_MODEL, NOT_THERE, WRONG_VALUE, Refused
from unretouch.serve.worker import Worker

FOLDER = "restored"
"""In a run's folder."""
WORK = "unretouch.serve.photo_work"
"""The program that works on a photograph."""
KEPT = 2_000_000_000
"""Bytes that a run keeps of what its network said: six photographs of 24 megapixels."""
MOST = 1000
"""Photographs of one run."""
MASKS = ("everywhere", "skin", "learnt", "painted")
STRONGEST = 1.5
AMOUNTS = ("fine", "medium", "coarse", "guess")
"""Choices that are amounts, beside the strength."""
LONGEST_NAME = 500
_ID = re.compile(r"[0-9a-f]{16}")
EPOCH = re.compile(r"latest|best|\d{1,9}|iter_\d{1,9}")
"""Which weights of a run."""

Json = dict[str, Any]
State = Literal["waiting", "working", "done", "failed", "stopped"]
"""stopped: the app was ended before it was done"""


@dataclass(frozen=True)
class Chosen:
    """How a photograph is to be restored: the choices of `unretouch apply`."""

    strength: float | None = None
    """None leaves it to the program, which makes less of a photograph far from the pairs"""
    fine: float = 1.0
    medium: float = 1.0
    coarse: float = 1.0
    guess: float = 1.0
    """of a model that guesses: at another value the network says something else"""
    mask: str = "everywhere"
    painted: str = ""
    """of the mask `painted`: which one, as its file is called"""

    def words(self, folder: Path) -> Json:
        """Return them as settings of `unretouch apply`, for the photograph in that folder."""
        mask = self.mask
        if mask == "painted":
            mask = str(painted_file(folder, self.painted))
        sizes = {"fine": self.fine, "medium": self.medium, "coarse": self.coarse}
        guess = {} if self.guess == 1 else {"guess": self.guess}  # most models guess nothing
        return {"strength": self.strength, "mask": mask, **sizes, **guess}

    @property
    def tag(self) -> str:
        """What of them stands in the name of a file; empty where all is as it comes."""
        parts = [] if self.strength in (None, 1) else [f"strength{_hundredths(self.strength)}"]
        for name in AMOUNTS:
            amount = getattr(self, name)
            parts += [] if amount == 1 else [f"{name}{_hundredths(amount)}"]
        parts += [] if self.mask == "everywhere" else [self.mask]
        return "_".join(parts)


def chosen_of(asked: Json) -> Chosen:
    """Return what a page asks for. Raises Refused 400."""
    given = {name: asked[name] for name in vars(Chosen()) if name in asked}
    amounts = [given.get(name, 1.0) for name in AMOUNTS]
    amounts += [1.0 if given.get("strength") is None else given["strength"]]
    fits = all(
        isinstance(amount, int | float)
        and not isinstance(amount, bool)
        and 0 <= amount <= STRONGEST
        for amount in amounts
    )
    painted = given.get("painted", "")
    named = isinstance(painted, str) and bool(_ID.fullmatch(painted)) == bool(painted)
    fits = fits and given.get("guess", 1.0) <= 1
    if not fits or not named or given.get("mask", "everywhere") not in MASKS:
        raise Refused(400, WRONG_VALUE)
    if given.get("mask") == "painted" and not painted:
        raise Refused(400, WRONG_VALUE)
    return Chosen(**given)


def _hundredths(amount: float | None) -> str:
    return f"{round(100 * (amount or 0))}"


@dataclass
class Card:
    """One photograph."""

    id: str
    name: str
    """of the file, for people; with the folders it was in where a folder was dropped"""
    epoch: str
    """which weights of the run"""
    chosen: Chosen
    width: int = 0
    height: int = 0
    """0 until it was decoded, where its header is read by nothing else: RAW, HEIC and AVIF"""
    state: State = "waiting"
    made: Chosen | None = None
    """how the result was made; None where there is none"""
    file: str = ""
    """name of the result in its folder"""
    layers: str = ""
    """name of the layered file, if it is of what `made` says"""
    look: Json | None = None
    """what the page shows it by; see photo_work"""
    far: Json | None = None
    """the message that it lies far from the pairs, and how strongly it was restored for that"""
    mean_change: float = 0.0
    notes: list[Json] = field(default_factory=list)
    """what does not come back, or was done otherwise than usual, as messages"""
    said: Json | None = None
    """why it failed, as a message"""
    seconds: float = 0.0
    came: float = field(default_factory=time.time)
    """when it was sent, in Unix seconds"""

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6

    def take(self, chosen: Chosen, told: Json) -> None:
        """Take what the program told when it had restored the photograph as `chosen`."""
        self.file, self.look, self.made = str(told["file"]), told["look"], chosen
        self.width, self.height = told["look"]["full_width"], told["look"]["full_height"]
        self.layers = ""
        if self.look is not None:  # of some kinds of files the header does not tell
            self.width, self.height = self.look["full_width"], self.look["full_height"]
        if "mean_change" in told:
            self.mean_change, self.notes = told["mean_change"], told["notes"]
        if chosen.strength is None:  # else nothing was made less of
            self.far = told["far"]

    def file_name(self, made: str, what: str = FOLDER) -> str:
        """Return what to call a file made of it: by its name, its settings, and the epoch."""
        epoch = "" if self.epoch == "latest" else f"epoch{self.epoch}".replace("epochiter", "iter")
        chosen = (self.made or self.chosen).tag
        parts = [PurePosixPath(self.name).stem, what, chosen, epoch.replace("epochbest", "best")]
        return "_".join(part for part in parts if part) + Path(made).suffix


def _card_of(record: Json) -> Card:
    """Return the card that was kept. Raises TypeError, KeyError, ValueError, Refused."""
    known = {field.name for field in dataclasses.fields(Card)}
    values = {name: value for name, value in record.items() if name in known}
    made = values.get("made")
    # Earlier versions wrote notes in English, as texts.
    notes = [
        untranslated(note).record() if isinstance(note, str) else note
        for note in values.get("notes", [])
    ]
    card = Card(
        **{
            **values,
            "notes": notes,
            "chosen": chosen_of(values["chosen"]),
            "made": None if made is None else chosen_of(made),
        }
    )
    if not EPOCH.fullmatch(card.epoch) or "/" in card.file + card.layers:
        raise ValueError("no card of ours")
    if card.state in ("waiting", "working"):
        card.state = "stopped"
    return card


@dataclass(frozen=True)
class Speed:
    """How fast a run's model restores, measured here."""

    start_s: float
    """until it begins: the program, the model"""
    per_megapixel_s: float

    def about_s(self, megapixels: float) -> float:
        """Return about how long a photograph takes, in seconds."""
        return self.start_s + self.per_megapixel_s * megapixels


@dataclass
class _Run:
    """The photographs of one run."""

    folder: Path
    cards: dict[str, Card] = field(default_factory=dict)
    speed: Speed | None = None
    finished: int = 0
    total: int = 0
    """of those that were waiting together"""


class Restoring:
    """All photographs of all runs, and the queue: one is computed at a time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._runs: dict[Path, _Run] = {}
        self._queue: deque[tuple[RunDir, Card]] = deque()
        self._clocks: dict[str, _Clock] = {}
        """of what is being restored, by the photograph's id"""
        self._task: asyncio.Task[None] | None = None
        self._now: tuple[Card, asyncio.Task[None]] | None = None
        self._measuring: set[asyncio.Task[None]] = set()
        self._locks: dict[str, asyncio.Lock] = {}

    # --- what there is

    def _of(self, run: RunDir) -> _Run:
        folder = run.root / FOLDER
        known = self._runs.get(folder)
        if known is None or (known.cards and not folder.is_dir()):
            known = self._runs[folder] = _Run(folder, _cards_in(folder), _speed_in(folder))
        return known

    def card(self, run: RunDir, card_id: str) -> Card:
        """Return a photograph. Raises Refused 404."""
        card = self._of(run).cards.get(card_id)
        if card is None:
            raise Refused(404, NOT_THERE)
        return card

    def cards(self, run: RunDir) -> list[Card]:
        """Return the photographs of a run, the oldest first."""
        return list(self._of(run).cards.values())

    def folder(self, run: RunDir, card: Card) -> Path:
        """Return where a photograph lies."""
        return self._of(run).folder / card.id

    def file(self, run: RunDir, card: Card, what: str, name: str) -> Path:
        """Return a file of a photograph: `name` in its folder, or below it. Raises Refused 404."""
        path = self.folder(run, card) / what / name if what else self.folder(run, card) / name
        if not name or path.is_symlink() or not path.is_file():
            raise Refused(404, NOT_THERE)
        return path

    def describe(self, run: RunDir) -> Json:
        """Return what the page shows of a run's photographs."""
        known = self._of(run)
        photos, left = [], 0.0
        for card in known.cards.values():
            told = self.describe_card(run, card)
            left += told["left_s"] or 0.0
            photos.append(told)
        speed = None if known.speed is None else asdict(known.speed)
        counts = {"finished": known.finished, "total": known.total, "left_s": left}
        return {"photos": photos, "speed": speed, **counts}

    def describe_card(self, run: RunDir, card: Card) -> Json:
        """Return what the page shows of one photograph."""
        speed, clock = self._of(run).speed, self._clocks.get(card.id)
        busy = card.state in ("waiting", "working")
        about = speed.about_s(card.megapixels) if speed and busy else None
        left = about if about is None or clock is None else about - clock.elapsed_s
        return {
            **asdict(card),
            "share": clock.share if clock else 0.0,
            "about_s": about,
            "left_s": None if left is None else max(0.0, left),
            # The figure has run out before the next share has corrected it.
            "late": left is not None and left < 0,
            "kept": (self.folder(run, card) / SHOWN).is_file(),
            "file_name": card.file_name(card.file) if card.file else "",
            "layers_name": card.file_name(card.layers, LAYERED) if card.layers else "",
        }

    # --- coming and going

    def new(self, run: RunDir, name: str, epoch: str, chosen: Chosen) -> Card:
        """Return a photograph to be, its folder made. Raises Refused, DiskError."""
        known = self._of(run)
        if len(known.cards) >= MOST:
            message = _("There are {limit} photos already. Remove some first.", limit=MOST)
            raise Refused(413, message)
        if not EPOCH.fullmatch(epoch) or not 0 < len(name) <= LONGEST_NAME:
            raise Refused(400, WRONG_VALUE)
        if epoch != "best" and not run.weights(epoch).is_file():
            raise Refused(409, NO_MODEL if epoch == "latest" else _GONE)
        card = Card(secrets.token_hex(8), _clean(name), epoch, chosen)
        durable.make_folder(known.folder / card.id)
        return card

    def add(self, run: RunDir, card: Card) -> None:
        """Take a photograph in, whose file is there, and restore it when it is its turn. Raises
        DiskError."""
        known = self._of(run)
        known.cards[card.id] = card
        card.state, card.said = "waiting", None
        self.keep(run, card)
        waiting = any(each.state in ("waiting", "working") for each in known.cards.values()
                      if each is not card)  # fmt: skip
        if not waiting:
            known.finished = known.total = 0
        known.total += 1
        self._queue.append((run, card))
        for measuring in self._measuring:  # the photograph tells as well, and somebody waits for it
            measuring.cancel()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    def waits(self, run: RunDir) -> bool:
        """Whether photographs of a run wait for their turn."""
        return any(other.root == run.root for other, _card in self._queue)

    def forget(self, run: RunDir) -> None:
        """Forget what is known of a run that has moved away; its folder tells it anew."""
        self._runs.pop(run.root / FOLDER, None)

    def keep(self, run: RunDir, card: Card) -> None:
        """Write down what is known of a photograph. Raises DiskError."""
        folder = self.folder(run, card)
        if folder.is_dir():  # it may have been removed meanwhile
            durable.write_json(folder / CARD, asdict(card))

    def remove(self, run: RunDir, card: Card) -> None:
        """Forget a photograph and its files, and end the work on it."""
        known = self._of(run)
        known.cards.pop(card.id, None)
        if card.state in ("waiting", "working"):
            known.total -= 1
        self._queue = deque(each for each in self._queue if each[1] is not card)
        if self._now and self._now[0] is card:
            self._now[1].cancel()
        shutil.rmtree(known.folder / card.id, ignore_errors=True)

    # --- work

    async def _work(self) -> None:
        while self._queue:
            run, card = self._queue.popleft()
            card.state = "working"
            task = asyncio.create_task(self._restore(run, card))
            self._now = card, task
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:  # the app ends
                task.cancel()
                raise
            self._now = None
            self._clocks.pop(card.id, None)

    async def _restore(self, run: RunDir, card: Card) -> None:
        known = self._of(run)
        clock = self._clocks[card.id] = _Clock()

        def tell(line: str) -> None:
            told = json.loads(line)
            if "ready" in told:
                clock.ready()
            elif "share" in told:
                self.hear(known, card, told["share"])
            else:
                card.take(chosen, told)

        chosen, begun = card.chosen, time.monotonic()
        try:
            words, called = self.words(run, card, "restore"), self.called(run, card)
            await self._worker.alone(words, WORK, tell, called)
            card.state = "done"
            card.seconds = time.monotonic() - begun
            known.finished += 1
            self._learn_speed(known, clock.speed(card.megapixels))
        except Refused as error:
            card.state, card.said = "failed", error.message.record()
        with suppress(OSError):
            self.keep(run, card)
            await asyncio.to_thread(_make_room, known.folder, card.id)

    def hear(self, known: _Run, card: Card, share: float) -> None:
        """Take in how much of a photograph is done: the machine may have other work than before."""
        clock = self._clocks[card.id]
        clock.share = share
        known.speed = clock.speed(card.megapixels * clock.share) or known.speed

    def called(self, run: RunDir, card: Card) -> dict[Path, str]:
        """Return what a photograph is called by people, by where the app keeps it."""
        return {self.folder(run, card): PurePosixPath(card.name).name}

    def words(self, run: RunDir, card: Card, what: str) -> list[str]:
        """Return the words for WORK that do `what` with a photograph."""
        folder = self.folder(run, card)
        asked = {"epoch": card.epoch, **card.chosen.words(folder)}
        return [what, str(folder), str(run.root), json.dumps(asked)]

    def _learn_speed(self, known: _Run, speed: Speed | None) -> None:
        if speed is not None:
            known.speed = speed
            durable.write_json(known.folder / "speed.json", asdict(speed))

    def measure(self, run: RunDir) -> None:
        """Measure how fast the run's model is, once, where nothing was restored by it yet."""
        known = self._of(run)
        if known.speed is None and not self._measuring and not self._queue and not self._now:
            task = asyncio.create_task(self._measure(run, known))
            self._measuring.add(task)
            task.add_done_callback(self._measuring.discard)

    async def _measure(self, run: RunDir, known: _Run) -> None:
        clock, found = _Clock(), {}

        def tell(line: str) -> None:
            found.update(json.loads(line))
            clock.ready()

        with suppress(Refused, OSError):
            await self._worker.alone(["speed", str(known.folder), str(run.root)], WORK, tell)
            durable.make_folder(known.folder)
            self._learn_speed(known, Speed(clock.start_s, float(found["per_megapixel_s"])))

    def lock(self, card: Card) -> asyncio.Lock:
        """Return what is held while something is made of a photograph."""
        return self._locks.setdefault(card.id, asyncio.Lock())


_GONE = _("This state of the model is not there any more.")


class _Clock:
    """How long a program takes to begin, and then to work, and how much of that is done."""

    def __init__(self) -> None:
        self.share = 0.0
        self._begun = time.monotonic()
        self._ready: float | None = None

    def ready(self) -> None:
        self._ready = self._ready or time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begun

    @property
    def start_s(self) -> float:
        return (self._ready or self._begun) - self._begun

    def speed(self, megapixels: float) -> Speed | None:
        """Return the speed for so many megapixels; None where they are too few to tell."""
        if self._ready is None or megapixels < 0.1:
            return None
        return Speed(self.start_s, (time.monotonic() - self._ready) / megapixels)


def _clean(name: str) -> str:
    """Return a file's name, with its folders, for people: never a path of ours."""
    parts = (
        "".join(c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in part)
        for part in name.replace("\\", "/").split("/")
    )
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "photo"


def _cards_in(folder: Path) -> dict[str, Card]:
    found: list[Card] = []
    try:
        below = [path for path in folder.iterdir() if _ID.fullmatch(path.name)]
    except OSError:
        return {}
    for path in below:
        record = path / CARD
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, Refused):
            card = _card_of({**json.loads(record.read_text("utf-8")), "id": path.name})
            found.append(card)
    return {card.id: card for card in sorted(found, key=lambda card: card.came)}


def _speed_in(folder: Path) -> Speed | None:
    with suppress(OSError, ValueError, TypeError):
        return Speed(**json.loads((folder / "speed.json").read_text("utf-8")))
    return None


def _make_room(folder: Path, newest: str) -> None:
    """Remove what the network said of the photographs looked at longest ago, beyond KEPT."""
    found = []
    for path in folder.iterdir():
        size = sum(_size(path / name) for name in OF_THE_PAGE)
        if size and path.name != newest:
            shown = path / SHOWN
            found.append((shown.stat().st_mtime_ns if shown.is_file() else 0, size, path))
    room = KEPT - sum(_size(folder / newest / name) for name in OF_THE_PAGE)
    for _looked_at, size, path in sorted(found, reverse=True):
        room -= size
        if room < 0:
            forget_looks(path)


def forget_looks(folder: Path) -> None:
    """Remove of a photograph's folder what can be made again."""
    for name in OF_THE_PAGE:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(below.stat().st_size for below in path.iterdir())
    return path.stat().st_size if path.is_file() else 0

"""What is done with a photograph of the Restore page, in a process of its own.

    python -m unretouch.serve.photo_work restore FOLDER RUN SETTINGS
    python -m unretouch.serve.photo_work layers FOLDER RUN SETTINGS
    python -m unretouch.serve.photo_work learnt FOLDER RUN
    python -m unretouch.serve.photo_work speed FOLDER RUN

FOLDER holds the photograph as it was sent, RUN is a run's folder, SETTINGS are those of `unretouch
apply` as JSON. `restore` and `layers` are that command, with the same result; then the page's looks
of the photograph are made, where they are not there. `learnt` makes the mask that the run's pairs
teach, `speed` measures the model. Lines of JSON are printed: a share while it is computed, what was
found at the end. An error is a line of JSON, too, among the errors: its place and its message.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unretouch.base import durable
from unretouch.base.errors import DataError, ExitCode
from unretouch.cli import run_program
from unretouch.jobs import child
from unretouch.model.load import load_any, weights_file
from unretouch.pixels.images import write_png
from unretouch.pixels.photos import Photo, read_photo
from unretouch.pixels.spaces import Rgb, at_most
from unretouch.serve import photo_looks
from unretouch.serve.photo_files import (
    CHANGES,
    LAYERED,
    LEFT_AS_IT_IS,
    LOOK,
    MADE,
    SHOWN,
    THUMBNAIL,
    WHOLE,
    change_in,
    mask_file,
    photo_in,
)
from unretouch.settings.commands import ApplySettings
from unretouch.tasks.apply import masks
from unretouch.tasks.apply.command import Done, learnt_mask, prepare
from unretouch.tasks.apply.kept_changes import ENDING
from unretouch.tasks.apply.restore import Restorer

THUMBNAIL_SIDE = 320
_STEP = 0.01
"""Share between two lines."""
_MEASURED = 1000
"""Side of the picture that the speed is measured on."""

Told = dict[str, Any]


def main(words: list[str]) -> int:
    """Do what the words say. Returns the exit code. Raises UnretouchError."""
    what, folder, run = words[0], Path(words[1]), Path(words[2])
    if what == "speed":
        _tell(_speed(run))
    elif what == "learnt":
        _write_mask(folder, "learnt", learnt_mask(run).of(read_photo(photo_in(folder))))
    else:
        _tell(_restore(folder, run, json.loads(words[3]), layered=what == "layers"))
    return ExitCode.OK


def _write_mask(folder: Path, name: str, mask: masks.Enlarged) -> None:
    """Write a mask for the page, in the size in which it was made."""
    plane = mask.plane if mask.plane.dtype == np.uint8 else np.rint(255 * mask.plane)
    write_png(mask_file(folder, name), plane.clip(0, 255).astype(np.uint8))


def _restore(folder: Path, run: Path, asked: Told, *, layered: bool) -> Told:
    durable.remove_temporaries(folder / CHANGES)
    request = ApplySettings(
        run=str(run),
        photos=(str(photo_in(folder)),),
        out=folder / (LAYERED if layered else MADE),
        keep_changes=folder / CHANGES,
        overwrite=True,
        layers=layered,
        **asked,
    )
    batch = prepare(request)
    _tell({"ready": True})
    (done,) = batch.run(_teller())
    if isinstance(done, DataError):
        raise done
    told = _told_of(done, Path(request.mask or "").name)
    left = bool(done.far_record and done.far_record.get("strength") == 0)
    return {**told, "look": _looks(folder, photo_in(folder), left)}


def _teller() -> Callable[[object, float], None]:
    last = 0.0

    def tell(_job: object, share: float) -> None:
        nonlocal last
        if share >= last + _STEP:
            last = share
            _tell({"share": round(share, 3)})

    return tell


def _tell(told: Told) -> None:
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _told_of(done: Done, painted: str) -> Told:
    told: Told = {"file": done.output.name, "far": done.far_record}
    if not done.already:
        # Not of a painted mask, whose file nobody knows: the page shows it in red.
        notes = [note.record() for note in done.notes if note.values.get("name") != painted]
        told |= {"mean_change": done.mean_change, "notes": notes}
    return told


def _looks(folder: Path, file: Path, left: bool) -> Told | None:
    """Make what the page shows, where it is not there; None where the change was not kept. Of a
    photograph that was `left` as it is the network said nothing."""
    change = None if left else change_in(folder)
    if change is None and not left:
        return None
    for other in (folder / CHANGES).glob(f"*{ENDING}"):
        if other != change:
            durable.remove(other)  # of a model that has trained on since
    record, name = folder / LOOK, change.name if change else LEFT_AS_IT_IS
    if record.is_file() and (folder / SHOWN).is_file():
        told: Told = json.loads(record.read_text("utf-8"))
        if told["change"] == name:
            return told
    photo = read_photo(file)
    try:
        shown = photo_looks.keep_shown(photo, folder / SHOWN)
    except OSError as error:
        raise durable.disk_error(error, folder / SHOWN) from error
    _write_mask(folder, "skin", masks.of_skin(photo))
    del photo
    made = photo_looks.NO_CHANGE if change is None else np.load(change, mmap_mode="r")
    data, units = photo_looks.of_whole(shown, made)
    durable.write_bytes(folder / WHOLE, data)
    width, height = photo_looks.size_of_whole(shown.shape[1], shown.shape[0])
    _write_thumbnail(folder, shown)
    told = {
        "change": name, "units": units, "width": width, "height": height,
        "full_width": shown.shape[1], "full_height": shown.shape[0],
    }  # fmt: skip
    durable.write_json(record, told)
    return told


def _write_thumbnail(folder: Path, shown: Rgb) -> None:
    small = np.asarray(Image.fromarray(shown).reduce(max(1, max(shown.shape) // 1000)))
    write_png(folder / THUMBNAIL, at_most(small, THUMBNAIL_SIDE))


def _speed(run: Path) -> Told:
    """Return seconds a megapixel, measured."""
    model = load_any(weights_file(str(run), None))
    _tell({"ready": True})
    restorer = Restorer(model)
    random = np.random.default_rng(0)
    seconds = 0.0
    for side in (_MEASURED // 4, _MEASURED):  # the first warms up
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        begun = time.perf_counter()
        restorer.restore(Photo(pixels, "png", ".png"))
        seconds = time.perf_counter() - begun
    return {"per_megapixel_s": seconds * 1e6 / _MEASURED**2}


if __name__ == "__main__":
    sys.exit(run_program(main, child.tell_error))

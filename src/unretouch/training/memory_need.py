"""Does the memory take what a run needs? Told in one line, before anything is read or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from unretouch.base import memory
from unretouch.base.durable import megabytes
from unretouch.base.errors import DataError
from unretouch.networks import GENERATORS
from unretouch.pixels.pairs import Reading
from unretouch.settings.train import TrainSettings
from unretouch.training.fast_recipe import RECIPES

READING = 20
"""Bytes a pixel of the largest side while two files are decoded: Pillow's copies, and ours."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a run will ask for beside what the process has already."""

    pairs: int
    """decoded pairs that are kept, by all processes of this machine"""
    work: int
    """what reading them takes, or a training step where that is more"""

    @property
    def total(self) -> int:
        return self.pairs + self.work


def memory_need(settings: TrainSettings, reading: Reading, on_gpu: bool) -> MemoryNeed:
    """Return what training on the pairs of `reading` needs; on a GPU without the step's part."""
    step = 0 if on_gpu else _step(settings, reading.largest)
    work = max(READING * reading.largest, step)
    return MemoryNeed(settings.devices * reading.kept, settings.devices * work)


def _step(settings: TrainSettings, largest: int) -> int:
    kind = GENERATORS[settings.netG]
    width, pixels = kind.width(settings), _pixels_a_step(settings, largest)
    return kind.weights_bytes * width**2 + kind.pixel_bytes * width * pixels


def _pixels_a_step(settings: TrainSettings, largest: int) -> int:
    """Return the pixels that a process sees in a step, of pictures of at most `largest` pixels."""
    if settings.recipe == "fast":
        recipe = RECIPES[settings.aim]
        return settings.batch_size * recipe.batch * min(recipe.crop**2, largest)
    if "crop" in settings.preprocess:
        return settings.batch_size * settings.crop_size**2
    if settings.preprocess == "scale_width":  # the height follows; a portrait is half as high again
        return settings.batch_size * settings.load_size**2 * 3 // 2
    return settings.batch_size * largest


class MemoryCheck:
    """Compares what a run needs with what there is, and tells of a shortage in one line."""

    def __init__(self, settings: TrainSettings, on_gpu: bool) -> None:
        self._settings, self._on_gpu = settings, on_gpu
        self._told = ""

    def before(self, reading: Reading) -> None:
        """Look before the pairs are read. Raises DataError where the memory does not take them."""
        need = memory_need(self._settings, reading, self._on_gpu)
        free = memory.free_bytes(swap=True)
        self._told = (
            f"the pairs need about {megabytes(need.total)} of memory ({megabytes(need.pairs)} for "
            f"the pictures, {megabytes(need.work)} to work with), "
            + ("how much is free is not known" if free is None else f"{megabytes(free)} are free")
        )
        if free is not None and free < need.total:
            raise self._shortage(need.pairs > need.work)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Make a shortage that comes all the same a DataError that says what was reckoned with."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not memory.is_shortage(error):
                raise
            raise self._shortage(lazily=True, so_far="the memory ran out: ") from error

    def _shortage(self, lazily: bool, so_far: str = "") -> DataError:
        hints = ["close other programs"]
        if lazily:
            hints.append("lower --cache_gb, so that pairs are decoded as they are needed")
        hints.append("take smaller pictures (--preprocess scale_width)")
        if "size" in GENERATORS[self._settings.netG].takes and self._settings.size != "s":
            hints.append("--size s")
        hint = ", ".join(hints[:-1]) + f", or {hints[-1]}"
        return DataError(so_far + self._told, self._settings.dataroot, hint.capitalize())

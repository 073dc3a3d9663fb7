"""What a run will need and can reach, told before anything is written: memory, disk, and the bits
that its weights can hold."""

from __future__ import annotations

import itertools
import lzma
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from unretouch.base import memory
from unretouch.base.durable import megabytes
from unretouch.base.errors import DataError
from unretouch.base.terminal import counted
from unretouch.networks import GENERATORS, build_discriminator, build_generator
from unretouch.pixels.pair_check import mean_difference
from unretouch.pixels.pairs import Pair, Reading
from unretouch.pixels.retouched_area import PairMap
from unretouch.pixels.spaces import eight
from unretouch.runs import checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import require_space
from unretouch.settings.train import TrainSettings
from unretouch.training import retoucher, rhythm
from unretouch.training.fast_recipe import usual_recipe
from unretouch.training.previews import PAGE_BYTES

# --- memory ---------------------------------------------------------------------------------------

READING = 20
"""Bytes a pixel of the largest side while two files of 8 bits a channel are decoded: Pillow's
copies, and ours. Those of 16 bits take twice as many."""


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
    kind, step = GENERATORS[settings.netG], 0
    # With --also a second network learns the retouch, and makes further pairs.
    numbers = reading.bits // 8  # bytes of one
    networks, made = (2, 6 * numbers * retoucher.MOST_PIXELS) if settings.also else (1, 0)
    if not on_gpu:
        width, pixels = kind.width(settings), _pixels_a_step(settings, reading.largest)
        weights = kind.weights_bytes * width**2 * 4 ** kind.further_levels(settings)
        step = networks * weights + kind.pixel_bytes * width * pixels
    work = max(READING * numbers * max(reading.largest, reading.untouched), step)
    return MemoryNeed(settings.devices * (reading.kept + made), settings.devices * work)


def _pixels_a_step(settings: TrainSettings, largest: int) -> int:
    """Return the pixels that a process sees in a step, of pictures of at most `largest` pixels."""
    if settings.recipe == "fast":
        recipe = usual_recipe(settings)
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


# --- disk -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DiskPlan:
    """How a run folder stays below `keep_gb`."""

    state: int
    """bytes of one state file; two are kept"""
    latest: int
    """bytes of the latest weights, G and D"""
    generator: int
    """bytes of one numbered weights file, which holds G"""
    numbered: int
    """how many numbered weights are kept"""

    @property
    def total(self) -> int:
        """Bytes of the run folder when everything that is kept is there."""
        states = checkpoint.KEPT_STATES * self.state
        return states + self.latest + self.numbered * self.generator + PAGE_BYTES

    def sentence(self) -> str:
        """Return the estimate as a line for the start of a run."""
        whole, state, latest, numbered = (
            megabytes(size) for size in (self.total, self.state, self.latest, self.generator)
        )
        return (
            f"disk: at most {whole} ({checkpoint.KEPT_STATES} states of {state}, "
            f"latest weights {latest}, {counted(self.numbered, 'older one')} of {numbered}, pages)"
        )


def disk_plan(
    weights: dict[str, dict[str, Tensor]], keep_gb: float, pool_bytes: int = 0
) -> DiskPlan:
    """Return how many numbered weights fit below `keep_gb` beside what must be there.

    At least one is kept, at most rhythm.KEPT_WEIGHTS. `weights` are state dicts by letter, G and D;
    a state has `pool_bytes` beside them and their moments.
    """
    by_net = {
        letter: sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        for letter, tensors in weights.items()
    }
    latest = sum(by_net.values())
    state = 3 * latest + pool_bytes  # Adam remembers two numbers for every weight
    left = keep_gb * 10**9 - checkpoint.KEPT_STATES * state - latest - PAGE_BYTES
    numbered = int(left // by_net["G"])
    return DiskPlan(state, latest, by_net["G"], max(1, min(rhythm.KEPT_WEIGHTS, numbered)))


def run_bytes(settings: TrainSettings) -> int:
    """Return the bytes that the disk must have for a run with these settings before it starts."""
    with torch.device("meta"):  # shapes, no memory
        nets: dict[str, nn.Module] = {"G": build_generator(settings)}
        if settings.lambda_GAN:
            nets["D"] = build_discriminator(settings)
    weights = {letter: net.state_dict() for letter, net in nets.items()}
    plan = disk_plan(weights, settings.keep_gb, network_bytes(nets["G"]) if settings.also else 0)
    return plan.total + plan.state


def network_bytes(net: nn.Module) -> int:
    """Return what a further network of this kind adds to a state: weights and moments."""
    tensors: Iterable[Tensor] = net.state_dict().values()
    return 3 * sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def require_room(run: RunDir, plan: DiskPlan) -> None:
    """Raise DiskError unless the disk takes all that the plan still adds to the run folder."""
    there = sum(path.stat().st_size for path in run.root.rglob("*") if path.is_file())
    # A new state is whole before the oldest goes: for a moment there is one more.
    needed = max(0, plan.total - there) + plan.state
    require_space(
        run.root,
        needed,
        "Free some space, lower --keep_gb, or choose another disk by --checkpoints_dir",
    )


# --- capacity -------------------------------------------------------------------------------------

BITS_A_PARAMETER = 2.0
"""What a weight comes to hold when it is trained long enough (Allen-Zhu and Li 2024, Physics of
Language Models 3.3)."""
EXACT_ERROR = 0.05
"""Grey levels of error at which nearly every pixel is rounded to the answer (measured: 99 %)."""
LEARNT, PASSES = 0.25, 33.0
"""Measured (docs/performance.md): after 33 passes over every pixel a quarter of the retouch is
left."""
EARLY, TIGHT, ROOMY, ROOM = 0.62, 0.356, 0.65, 3.0
"""What is left falls with the passes to a power, measured too: to the first before that. Later to
the second where the weights hold no more bits than the retouch, and to the third where they hold so
many times as many."""
NOTHING_YET = 0.9
"""What is left from which on a training is too short to be worth it."""
SAMPLED = 1_000_000
"""Values of all pairs that are compressed at most, since that takes a third of a second: strips of
rows, spread evenly over each picture, stand for it."""
STRIP = 4
"""Rows of a strip: what repeats from row to row is seen, and many places are."""


@dataclass(frozen=True)
class Capacity:
    """What is to be remembered, what remembers it, and what error that lets one expect."""

    residual_bits: float
    """of all pairs' residuals, by lossless compression"""
    values: int
    """numbers in all residuals that are not zero"""
    parameters: int
    identity_error: float
    """grey levels, mean over the pairs"""
    passes: float
    """how often every pixel will be seen"""

    @property
    def parameter_bits(self) -> float:
        return BITS_A_PARAMETER * self.parameters

    @property
    def limit(self) -> float:
        """Grey levels that the weights let it reach, however long it is trained.

        Rate and distortion: each bit a value too few doubles the error.
        """
        missing = max(0.0, self.residual_bits - self.parameter_bits)
        halvings = missing / max(1, self.values)
        return float(min(self.identity_error, EXACT_ERROR * 2.0**halvings))

    @property
    def left(self) -> float:
        """Share of the retouch that the time there is leaves."""
        power = EARLY
        if self.passes > PASSES:
            room = max(1.0, self.parameter_bits / max(1.0, self.residual_bits))
            power = TIGHT + (ROOMY - TIGHT) * min(1.0, math.log(room, ROOM))
        return min(1.0, LEARNT * math.pow(PASSES / max(self.passes, 1e-9), power))

    @property
    def expected(self) -> float:
        """Grey levels to be expected from the time there is, and from the weights."""
        return max(self.limit, self.identity_error * self.left)

    def sentence(self, size: str) -> str:
        """Return the line that is printed before training."""
        if self.left > NOTHING_YET:
            half = PASSES * (LEARNT / 0.5) ** (1 / EARLY)
            said = "too short: next to nothing is recovered in so little training"
            if self.passes < 0.1:
                return said
            return f"{said}; half of the retouch takes about {half / self.passes:.0f} times as long"
        larger = {"s": "deep", "m": "deep"}.get(size)
        too_little = ""
        if larger and self.residual_bits > 1.5 * self.parameter_bits:
            too_little = (
                f". --size {size} is too small to remember every pixel: --size {larger} holds more "
                f"({self.parameters / 1e6:.1f} M parameters hold about "
                f"{self.parameter_bits / 1e6:.1f} Mbit, the retouch {self.residual_bits / 1e6:.1f})"
            )
        passes = counted(round(self.passes), "pass", "passes")
        return (
            f"to be expected: off by about {self.expected:.2g} grey levels, doing nothing by "
            f"{self.identity_error:.2g} ({passes} over the pictures){too_little}"
        )


def capacity(
    pairs: Sequence[Pair],
    parameters: int,
    passes: float,
    maps: Sequence[PairMap] | None = None,
) -> Capacity:
    """Return the capacity of a network of so many `parameters` for `pairs` seen `passes` times.

    `maps` tell the retouch, which is to be remembered, from noise, which is not. What is to be
    remembered is reckoned at 8 bits: finer steps are never remembered all.
    """
    shares, values, errors, samples = [], 0, [], []
    for pair, known in zip(pairs, maps or itertools.repeat(None), strict=False):
        source, target = pair.source, pair.target
        noisy = known is not None and not known.lossless
        errors.append(known.retouch_error if known and noisy else mean_difference(source, target))
        # Modulo 256 nothing is lost beside the source, and a value is one byte.
        sample = np.concatenate(
            [
                (eight(target[rows]) - eight(source[rows]))
                * (known.block_rows(rows) if known and noisy else 1)
                for rows in _strips(source.shape, SAMPLED // len(pairs))
            ]
        )
        shares.append(source.size / sample.size)
        values += round(shares[-1] * np.count_nonzero(sample))
        samples.append(sample.data)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        sizes = [len(packed) for packed in pool.map(lzma.compress, samples)]
    bits = sum(8 * share * size for share, size in zip(shares, sizes, strict=True))
    return Capacity(bits, values, parameters, sum(errors) / len(errors), passes)


def _strips(shape: tuple[int, ...], at_most: int) -> list[slice]:
    """Return strips of rows of a picture (H, W, C), evenly spread, of about `at_most` values: the
    whole picture where it has no more."""
    height, strip = shape[0], STRIP * shape[1] * shape[2]
    count = max(1, at_most // strip)
    if count * STRIP >= height:
        return [slice(0, height)]
    tops = np.linspace(0, height - STRIP, count + 2)[1:-1].astype(int)
    return [slice(top, top + STRIP) for top in tops.tolist()]

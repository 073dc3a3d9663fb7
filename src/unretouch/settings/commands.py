"""The settings of the commands, but for those of train, test and verify, which have many."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from unretouch.base.errors import UsageError
from unretouch.settings.fields import (
    Count,
    EngineName,
    NotNegativeInt,
    PositiveFloat,
    Settings,
    Word,
    between,
)
from unretouch.settings.train import DeviceName, PrecisionName, TrainOptions

SHORTEST_TOKEN = 16
"""Characters of a token that somebody chose."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSettings(Settings):
    """Which weights: those of a run, or a file."""

    run: Annotated[str | None, Word("[RUN]")] = None
    """a run: its name or folder; leave it out with --weights"""
    weights: Path | None = None
    """a weights file instead of a run: .pth (also of the classic program) or .safetensors"""
    epoch: str = "latest"
    """which weights of the run: latest, best or an epoch's number"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplySettings(WeightsSettings):
    """Restore photographs at their own size, depth, colours and format."""

    BASICS = (
        "out", "strength", "mask", "format", "weights", "epoch", "checkpoints_dir", "overwrite",
        "page", "like",
    )  # fmt: skip

    run: Annotated[str | None, Word("RUN", unless=("weights", "like"))] = None
    """a run: its name or folder; leave it out with --weights and --like"""
    photos: Annotated[tuple[str, ...], Word("PHOTO...")] = ()
    """photographs, folders or patterns such as *.jpg"""
    out: Path = Path("restored")
    """folder of what is made; also -o. The same command run again goes on where it stopped"""
    like: Path | None = None
    """a folder of results: the run and the choices that made them; flags given win"""
    page: bool = False
    """make a page that compares before and after of all photographs: before_after in --out"""
    weights: Path | None = None
    """a weights file instead of a run: .pth (also of the classic program), .safetensors, .onnx"""
    strength: Annotated[float, between(0, 1.5)] | None = None
    """how much of the detail is brought back: 0 nothing, 1 as learnt, up to 1.5; unset, 1, or less
    where a model for unseen portraits gets a photograph unlike its pairs"""
    fine: Annotated[float, between(0, 1.5)] = 1.0
    """how much of its texture of 2 to 4 pixels, beside --strength"""
    medium: Annotated[float, between(0, 1.5)] = 1.0
    """how much of its texture of 4 to 8 pixels"""
    coarse: Annotated[float, between(0, 1.5)] = 1.0
    """how much of its texture of 8 to 16 pixels"""
    guess: Annotated[float, between(0, 1)] | None = None
    """how much texture is added to the likeliest picture, by a model of --head guess: 0 none, the
    least error; 1 as much as skin has, some of it guessed; unset, 1"""
    guess_map: bool = False
    """write a picture of where texture is guessed, and how much, to guess_maps in --out"""
    seed: NotNegativeInt = 0
    """of texture that is drawn: the same seed draws the same"""
    mask: str | None = None
    """where: everywhere, skin, learnt (what the training pairs changed) or a picture; unset,
    everywhere, or skin where a model for unseen portraits had pairs retouched on skin alone"""
    scale: Literal["training", "full"] = "training"
    """at which size the network sees a photograph, where it was trained on reduced ones"""
    format: Literal["keep", "jpeg", "png", "tiff", "webp"] = "keep"
    """kind of the files that are written"""
    layers: bool = False
    """write a PSD, or a TIFF of 16 bits, with a layer for each size of texture (an extra)"""
    profile: Literal["honour", "ignore"] = "honour"
    """ignore takes the numbers of a photograph in another colour space as they are"""
    keep_gps: bool = False
    """keep where the photograph was taken"""
    keep_changes: Path | None = None
    """folder for what the network said last, up to 2 GB: then other strengths, sizes, masks or
    layers of the same photograph take no time to compute"""
    overwrite: bool = False
    """replace files of the same name in --out that apply did not make, or that were edited since"""
    jobs: Count | None = None
    """processes that share the work, each with its own memory; unset, 1, with --engine ray as many
    as it reaches"""
    engine: EngineName = "local"
    """where they run: local is this computer, ray (an extra) all its cores or a cluster"""
    runtime: Literal["torch", "onnx"] = "torch"
    """onnx runs what `unretouch export` made, without torch"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    precision: PrecisionName = "auto"
    """auto computes the generator `detail` in bf16 where the processor has it"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.photos:
            hint = "Write: unretouch apply RUN PHOTO... -o FOLDER"
            raise UsageError("no photograph was given", hint=hint)
        if (self.run is None) == (self.weights is None):
            raise UsageError("one of both is needed", "run, weights")
        if self.layers and self.format != "keep":
            hint = "Layers are written as PSD, those of 16 bits as TIFF: leave out --format"
            raise UsageError("cannot have layers", f"--format {self.format}", hint)

    @property
    def guessed(self) -> float:
        """How much texture is added, whether it was asked for or not."""
        return 1.0 if self.guess is None else self.guess


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareSettings(Settings):
    """Rank runs by what they do to their training pairs, and say what to do next."""

    runs: Annotated[tuple[str, ...], Word("[RUN ...]")] = ()
    """names of runs; none: every run in checkpoints_dir"""
    checkpoints_dir: Path = Path("checkpoints")
    """folder of all runs"""
    out: Path = Path("comparison")
    """folder of the page (index.html) and of the figures (comparison.json)"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoSettings(Settings):
    """Simulate a retouch on one portrait, learn the way back, and say how well it went."""

    photo: Path | None = None
    """a portrait of yours; unset, a photograph of NASA that comes with scikit-image"""
    minutes: PositiveFloat | None = None
    """time to train; unset, under four minutes altogether on two cores"""
    out: Path = Path("unretouch_demo")
    """folder of everything the demo writes"""
    seed: NotNegativeInt = 0
    """seed of every random choice"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorSettings(Settings):
    """Look at versions, device, bf16, cores, memory, disk and speed, and say what to do.

    Exit code 0: a run can start. 2: a package is missing. 6: a run cannot be written.
    """

    checkpoints_dir: Path = Path("checkpoints")
    """folder that would take the runs"""
    no_speed: bool = False
    """leave out the speed probe, which takes about 3 seconds"""
    json: bool = False
    """print JSON instead"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSettings(WeightsSettings):
    """Write the model of a run as a file for other programs, checked, with a model card."""

    run: Annotated[str | None, Word("RUN")] = None
    """a run: its name or folder; leave it out with --weights"""
    to: Literal["onnx", "safetensors", "pth"] = "onnx"
    """onnx needs no torch to run; the others hold the weights alone"""
    out: Path | None = None
    """file to write; also -o; unset, beside the weights of the run"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.run is None) == (self.weights is None):
            hint = "Write: unretouch export RUN --to onnx"
            raise UsageError("one run is needed, or --weights", hint=hint)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairSettings(Settings):
    """Write pairs to train on, and report sizes, shift and swapped sides with numbers."""

    BASICS = ("align", "simulate", "out", "grade", "bits", "format")

    folders: Annotated[tuple[Path, ...], Word("[RETOUCHED BEFORE]")] = ()
    """two folders with the same file names: the retouched pictures (A), those before (B);
    with --align also one folder of pairs as they are"""
    align: bool = False
    """bring together sides that are shifted, cropped, or resized by a few per cent: A is moved
    onto B, which is only cut; refused where that cannot be done"""
    simulate: tuple[Path, ...] = ()
    """instead: untouched portraits, or folders of them; their retouched side is simulated"""
    out: Path = Path("portrait_retouch")
    """the pairs are written into the subfolder PHASE of this folder; also -o"""
    phase: str = "train"
    """subfolder of --out"""
    grade: Literal["keep", "remove"] = "keep"
    """where one side has a colour grade: keep it, which is learnt, or bring A to B's colours"""
    seed: NotNegativeInt = 0
    """seed of the simulated retouch"""
    detail_left: Annotated[float, between(0, 1)] = 0.15
    """how much of the skin's fine texture the simulated retouch leaves, 0 to 1"""
    sparse: bool = False
    """the simulated retouch treats only the few pixels that need it most"""
    size: Count | None = None
    """scale photographs until their longer side has at most so many pixels; unset, full size"""
    bits: Literal[8, 16] | None = None
    """bits a channel of what --simulate writes: 16 keeps what rounding to 8 hides (an extra);
    unset, as many as the photographs have"""
    format: Literal["png", "tiff"] = "png"
    """kind of the files that are written"""

    def __post_init__(self) -> None:
        if self.bits is not None and not self.simulate:
            hint = "Two folders are combined with the bits that they have"
            raise UsageError("goes with --simulate", "--bits", hint)
        if self.simulate and self.folders:
            raise UsageError("goes without other folders", "--simulate")
        if self.simulate and self.align:
            raise UsageError("goes without --simulate", "--align")
        fits = (1, 2) if self.align else (2,)
        if not self.simulate and len(self.folders) not in fits:
            raise UsageError(
                f"two folders are needed, {len(self.folders)} given",
                hint="Write: unretouch pair RETOUCHED BEFORE, or unretouch pair --simulate PHOTOS",
            )
        super().__post_init__()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeSettings(Settings):
    """Open a page on this computer: drop pairs, train, watch, restore photographs."""

    BASICS = ("port", "host", "token", "checkpoints_dir", "no_open")

    port: Annotated[int, between(0, 65535)] = 8765
    """where to listen; 0 takes any free port"""
    host: str = "127.0.0.1"
    """address of this computer to listen at; for one that others reach choose a --token, too"""
    token: str | None = None
    """secret word in the address; unset, a new one every time"""
    checkpoints_dir: Path = Path("checkpoints")
    """folder of all runs"""
    datasets_dir: Path = Path("datasets")
    """folder that takes the pairs of new runs"""
    results_dir: Path = Path("results")
    """folder of all results"""
    queue: NotNegativeInt = 4
    """photographs that may wait while one is restored"""
    deadline: PositiveFloat = 600.0
    """seconds after which the work on one photograph is given up"""
    no_open: bool = False
    """do not open the page in the browser"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.host in ("0.0.0.0", "::", ""):
            hint = "Write the one that browsers will use, such as --host 192.168.0.7 --token WORD"
            raise UsageError(f"{self.host!r} is no address of its own", "--host", hint)
        if not is_loopback(self.host) and self.token is None:
            raise UsageError(
                "lets other computers in", "--host", "Choose a secret word, too: --token WORD"
            )
        if self.token is None:
            return
        if len(self.token) < SHORTEST_TOKEN:
            raise UsageError(f"is shorter than {SHORTEST_TOKEN} characters", "--token")
        if not all(c.isascii() and (c.isalnum() or c in "-_") for c in self.token):
            raise UsageError("may hold letters a to z, digits, '-' and '_'", "--token")


def is_loopback(host: str) -> bool:
    """Return whether `host` is reached from this computer only."""
    import ipaddress  # late: only the app needs it

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSettings(Settings):
    """Train one run for every combination of settings, then compare them.

    Every flag of `unretouch train` goes here, too, with one or several values:
    --lambda_L1 300 500 1000 --lr 1e-4 5e-5 are six runs.
    The same command goes on where it stopped.
    """

    file: Path | None = None
    """settings from a TOML file: lists vary, tables [[run]] list runs; flags given win"""
    engine: EngineName = "local"
    """where they train: local is this computer; ray, an extra, all that Ray reaches, and gives up
    the hopeless ones early"""
    jobs: Count | None = None
    """runs side by side; unset, 1, with ray one for each GPU or core"""
    no_early_stop: bool = False
    """with --engine ray: let every run come to its end, also those that were given up before"""
    dry_run: bool = False
    """list the runs, with the time and the disk they ask for, and train none"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepFlags(SweepSettings, TrainOptions):
    """All that may stand on the command line of a sweep."""

"""The settings of `unretouch train` and of train.py, named as the classic flags are."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from unretouch.base import durable
from unretouch.base.errors import CheckpointError, UsageError
from unretouch.settings.classic import IdleFlags
from unretouch.settings.fields import (
    AT_LEAST_ONE,
    EPOCH,
    Flag,
    Limit,
    NotNegativeFloat,
    NotNegativeInt,
    OldName,
    PositiveFloat,
    PositiveInt,
    Settings,
    flags_of,
    made,
    nearest_hint,
    typed_value,
)

GeneratorName = Literal["unet_256", "unet_128", "resnet_9blocks", "resnet_6blocks", "detail"]
DiscriminatorName = Literal["basic", "n_layers", "pixel"]
NormName = Literal["batch", "instance", "none"]
InitName = Literal["normal", "xavier", "kaiming", "orthogonal"]
GanMode = Literal["vanilla", "lsgan", "wgangp"]
LrPolicy = Literal["linear", "step", "plateau", "cosine"]
Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
Direction = Literal["AtoB", "BtoA"]
RecipeName = Literal["classic", "fast"]
SizeName = Literal["auto", "s", "m", "deep", "l", "pyramid"]
HeadName = Literal["auto", "change", "gain", "guess", "gain+guess", "strength"]
AimName = Literal["memorise", "restore", "texture", "fit"]
"""fit is what `memorise` is called in files, and was called on the command line."""
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["32-true", "bf16-mixed", "auto"]
Channels = Literal[1, 3]
PresetName = Literal["fast", "balanced", "strong", "extreme"]

Momentum = Annotated[float, Limit("must be from 0 to less than 1", lambda value: 0 <= value < 1)]
PairCount = Annotated[float, AT_LEAST_ONE]
"""How many pairs at most; infinity: all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """What decides how a run trains.

    The defaults are those of pix2pix.
    """

    dataroot: str
    """folder of the pairs: combined A|B pictures in train/, or folders such as trainA, trainB"""
    name: str = "experiment_name"
    """name of the run; its folder lies in checkpoints_dir"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    direction: Direction = "AtoB"
    """AtoB: from retouched (A) to before (B); BtoA learns the retouch"""
    phase: str = "train"
    """subfolder of dataroot that holds the pairs"""
    max_dataset_size: PairCount = math.inf
    """use only the first so many pairs"""
    also: str = ""
    """folder of untouched portraits like those to be restored: it learns the retouch first, and
    makes more pairs of them; for --aim restore and texture"""

    test_photo: str = ""
    """a photograph without an answer: it is restored beside the pairs at every preview"""

    preprocess: Preprocess = "resize_and_crop"
    """what is done to a pair's size while loading; none keeps its full size"""
    load_size: PositiveInt = 286
    """resize to this many pixels"""
    crop_size: PositiveInt = 256
    """then crop to this many pixels"""
    no_flip: bool = False
    """do not mirror pairs at random; always so with the fast defaults of `unretouch train`"""
    serial_batches: bool = False
    """take pairs in their order, not shuffled"""
    batch_size: PositiveInt = 1
    """pairs in one step; with the fast recipe, how many times its usual crops"""
    input_nc: Channels = 3
    """channels of the input: 3 RGB, 1 grey"""
    output_nc: Channels = 3
    """channels of the output: 3 RGB, 1 grey"""

    netG: GeneratorName = "unet_256"
    """generator"""
    size: SizeName = "m"
    """how large the network `detail` is: s, m or l; deep is as quick as m and holds nearly as much
    as l; pyramid is made for large photographs; auto takes pyramid above 2 megapixels, else deep,
    and m for --aim texture"""
    head: HeadName = "change"
    """what the network `detail` says: the change; with gain also how much stronger the texture that
    is left should be, which auto takes for --aim restore of 16-bit pairs; with guess, for --aim
    texture, also how far from the truth it may be: see --guess and --guess_map of apply; with
    strength, which auto takes for --aim texture, its texture is made as strong on what it never saw
    as it is there in truth"""
    ngf: PositiveInt = 64
    """filters in the last layer of a classic generator"""
    netD: DiscriminatorName = "basic"
    """discriminator; basic is a 70 x 70 PatchGAN"""
    ndf: PositiveInt = 64
    """filters in the first layer of the discriminator"""
    n_layers_D: PositiveInt = 3
    """layers, with --netD n_layers"""
    norm: NormName = "batch"
    """normalisation of classic generators and of the discriminator"""
    no_dropout: bool = False
    """no dropout in the generator; always so with the fast defaults of `unretouch train`"""
    init_type: InitName = "normal"
    """initialisation of the weights"""
    init_gain: PositiveFloat = 0.02
    """scale of the initialisation"""

    recipe: RecipeName = "classic"
    """how it is trained: classic (pix2pix) or fast (made for the generator `detail`)"""
    aim: Annotated[AimName, OldName("fit", "memorise")] = "fit"
    """what it is for: memorise these pairs; restore other portraits, at the least error; texture
    does so at the right strength of texture"""
    target_error: NotNegativeFloat = 0.0
    """of the fast recipe with --aim memorise: end when every pair is within so many grey levels on
    average; at 0 when every pixel is exact"""
    lambda_L1: NotNegativeFloat = 100.0
    """weight of the per-pixel (L1) loss: what G_L1 is multiplied by"""
    lambda_GAN: NotNegativeFloat = 1.0
    """weight of the adversarial loss; 0 leaves the discriminator out"""
    gan_mode: GanMode = "vanilla"
    """adversarial loss: vanilla is cross entropy, lsgan least squares"""
    pool_size: NotNegativeInt = 0
    """predictions that are remembered and shown to the discriminator again, among new ones"""
    d_every: PositiveInt = 1
    """update the discriminator at every Nth step only"""
    n_epochs: NotNegativeInt = 100
    """epochs at the full learning rate"""
    n_epochs_decay: NotNegativeInt = 100
    """epochs in which the rate goes down to zero"""
    lr: PositiveFloat = 0.0002
    """learning rate of Adam"""
    beta1: Momentum = 0.5
    """momentum of Adam"""
    lr_policy: LrPolicy = "linear"
    """how the learning rate falls"""
    lr_decay_iters: PositiveInt = 50
    """with lr_policy step: divide the rate by ten every so many epochs"""
    minutes: PositiveFloat | None = None
    """time to train; where you give epochs and no minutes, the epochs decide"""

    seed: NotNegativeInt = 0
    """seed of every random choice"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    precision: PrecisionName = "32-true"
    """bf16-mixed is faster where the processor has bf16; auto takes it there, else 32-true"""

    print_freq: PositiveInt | None = None
    """a log line every so many pictures; unset, by the length of the run, 2000 lines at most"""
    display_freq: PositiveInt | None = None
    """pictures for the page every so many pictures; unset, by time, at most 2 % of it"""
    save_latest_freq: PositiveInt | None = None
    """save the state every so many pictures; unset, about every 5 minutes"""
    save_epoch_freq: PositiveInt = 5
    """epochs between numbered weights (thinned: see keep_gb)"""
    keep_gb: PositiveFloat = 2.0
    """numbered weights are thinned so that the run folder stays below this many GB"""
    no_html: bool = False
    """write no web page"""

    devices: PositiveInt = 1
    """processes of this run on every machine, one a GPU or a share of the cores; the batch is split
    evenly over all (docs/scale.md)"""
    num_nodes: PositiveInt = 1
    """machines of this run"""
    cache_gb: PositiveFloat | None = None
    """decoded pairs that a process keeps in memory, GB: a larger set is decoded as it is needed;
    unset, a quarter of the memory"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.aim == "memorise":  # one name in files and in code
            object.__setattr__(self, "aim", "fit")
        if self.minutes is None and self.n_epochs + self.n_epochs_decay == 0:
            raise UsageError("no epoch to train", "--n_epochs", "Give n_epochs or n_epochs_decay")
        if self.also and (self.recipe != "fast" or self.aim == "fit"):
            raise UsageError(
                "is for other portraits than the pairs", "--also", "Add --aim restore or texture"
            )
        if self.preprocess == "resize_and_crop" and self.crop_size > self.load_size:
            raise UsageError(
                f"{self.crop_size} is larger than --load_size {self.load_size}", "--crop_size"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; an unlimited max_dataset_size is None."""
        values = dataclasses.asdict(self)
        if math.isinf(self.max_dataset_size):
            values["max_dataset_size"] = None
        return values

    def deciding(self) -> dict[str, Any]:
        """Return those that decide what is learnt, as `to_dict` has them."""
        return {name: value for name, value in self.to_dict().items() if name not in FREE}


FREE = frozenset({
    "dataroot", "name", "checkpoints_dir", "device", "test_photo", "print_freq", "display_freq",
    "save_latest_freq", "save_epoch_freq", "keep_gb", "no_html", "phase", "target_error",
    "devices", "num_nodes", "cache_gb",
})  # fmt: skip
"""Settings that do not change what is learnt: a change of them needs no mention."""


def settings_from(values: Mapping[str, Any], where: object) -> TrainSettings:
    """Return the settings that `to_dict` wrote to the file `where`.

    Raises CheckpointError naming an unknown key or an impossible value.
    """
    known = [field.name for field in dataclasses.fields(TrainSettings)]
    for key in values:
        if key not in known:
            raise CheckpointError(f"unknown setting {key!r}", where, nearest_hint(str(key), known))
    values = dict(values)
    if values.get("max_dataset_size", 0) is None:
        values["max_dataset_size"] = math.inf
    try:
        return TrainSettings(**values)
    except UsageError as error:
        raise CheckpointError(f"has an impossible setting: {error}", where) from error
    except TypeError as error:
        raise CheckpointError(f"cannot be read: {error}", where) from error


CHOSEN = ("size", "head", "precision")
"""Settings of which `auto` stands for a choice by aim, pairs and computer."""


def save_settings(
    path: Path,
    settings: TrainSettings,
    versions: Mapping[str, str],
    slower: float | None = None,
    only_skin: bool = False,
    chosen: Collection[str] = (),
) -> None:
    """Write `settings`, with the versions that trained, to `path` as config.json; `slower` and
    `only_skin` as load_bounds returns them, `chosen` names those of CHOSEN that nobody gave."""
    record = {"schema": 1, "settings": settings.to_dict(), "versions": dict(versions)}
    record["chosen"] = sorted(chosen)
    durable.write_json(path, {**record, "slower": slower, "only_skin": only_skin})


def load_settings(path: Path) -> TrainSettings:
    """Read what `save_settings` wrote. Raises CheckpointError for a damaged or foreign file."""
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["schema"] != 1:
            raise CheckpointError(
                f"was written by a newer unretouch (schema {record['schema']})", path
            )
        return settings_from(record["settings"], path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot be read: {why}", path) from error


def load_asked(path: Path) -> TrainSettings:
    """Return of what `save_settings` wrote what a person asked for: `auto` where the choice was
    left to the run. Raises CheckpointError."""
    settings = load_settings(path)
    chosen = json.loads(path.read_text("utf-8")).get("chosen", ())
    left = {name: "auto" for name in CHOSEN if name in chosen}
    return dataclasses.replace(settings, **left)  # type: ignore[arg-type]


def load_bounds(path: Path) -> tuple[float | None, bool]:
    """Return of what `save_settings` wrote the sigma in pixels of the slow change that is taken out
    of predictions, and whether these leave all but skin as it is. None and False: nothing is, as in
    all runs of 0.1.0. Raises CheckpointError."""
    try:
        record = json.loads(path.read_text("utf-8"))
        slower = record.get("slower")
        return None if slower is None else float(slower), bool(record.get("only_skin", False))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"cannot be read: {error}", path) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainStart:
    """Where a run takes its settings from, and how it goes on."""

    preset: PresetName | None = None
    """one of the guide's methods, which are pix2pix and take hours (balanced, strong, extreme), or
    fast, which `unretouch train` takes anyway; flags given win"""
    like: str | None = None
    """settings of that run, by its name or folder, for a new run; flags given win"""
    continue_train: bool = False
    """go on with the run of this name exactly where it stopped; start it if there is none"""
    allow_changed_data: bool = False
    """with --continue_train: go on although the pairs are not those of before"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassicTrainStart:
    """Classic ways to begin and to name a run."""

    model: Literal["pix2pix"] = "pix2pix"
    """what is trained"""
    dataset_mode: Literal["aligned"] = "aligned"
    """pictures come in pairs"""
    epoch_count: Annotated[int, AT_LEAST_ONE] | None = None
    """number of the first epoch; unset, the one where the run stopped"""
    epoch: Annotated[str, EPOCH] = "latest"
    """with --continue_train and no saved state: weights to begin from; latest, best or a number"""
    load_iter: NotNegativeInt = 0
    """with --continue_train and no saved state: above zero, begin from the weights iter_N"""
    suffix: str = ""
    """added to the name after an underscore, flags filled in: {netG}_{load_size}"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdleTrainFlags(IdleFlags):
    """Classic flags of a training that are accepted and have no work here."""

    num_threads: int = 4
    """pairs are kept in memory, or decoded ahead by two threads (see --cache_gb)"""
    save_by_iter: bool = False
    """states are saved under their step in state/, numbered weights by --save_epoch_freq"""
    update_html_freq: int = 1000
    """the page is renewed with its pictures, see --display_freq"""
    display_id: int = 1
    display_ncols: int = 4
    display_server: str = "http://localhost"
    display_env: str = "main"
    display_port: int = 8097
    """no visdom is needed; open web/index.html in the run's folder"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainSettings, TrainStart, ClassicTrainStart, IdleTrainFlags):
    """Train on pairs of pictures as pix2pix does. All classic flags are understood."""

    BASICS = (
        "dataroot", "name", "minutes", "aim", "also", "continue_train", "preset", "size",
        "direction", "device",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        first, last = self.epoch_count, self.n_epochs + self.n_epochs_decay
        if first is not None and first > last and self.minutes is None:
            raise UsageError(
                f"{first} is beyond the last epoch, {last}",
                "--epoch_count",
                "Raise --n_epochs or --n_epochs_decay: they count from the first epoch of the run",
            )

    def settings(self) -> TrainSettings:
        """Return the part that decides how the run trains."""
        return made(TrainSettings, vars(self))


OURS = frozenset({
    "aim", "allow_changed_data", "also", "cache_gb", "d_every", "device", "devices", "head",
    "keep_gb", "lambda_GAN", "like", "minutes", "num_nodes", "precision", "preset", "recipe",
    "seed", "size", "target_error", "test_photo",
})  # fmt: skip
"""Flags of a training that the classic program does not have."""


# --- presets: the guide's three methods and the fast fit, in presets.toml

GUIDE: tuple[PresetName, ...] = ("balanced", "strong", "extreme")
"""The presets that are commands of the guide."""

_EPOCHS = ("n_epochs", "n_epochs_decay")


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8"))


def preset(name: str) -> Mapping[str, Any]:
    """Return the settings of a preset by their names. Raises UsageError for an unknown one."""
    known = list(get_args(PresetName))
    if name not in known:
        raise UsageError(
            f"{name!r} is not one of {', '.join(known)}", "--preset", nearest_hint(name, known)
        )
    return _table()[name]


def filled(given: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, and where there is none, that of `below`.

    Who gives epochs and no time means the epochs: then no minutes are taken from below.
    """
    values = {**below, **given}
    if "minutes" not in given and not given.keys().isdisjoint(_EPOCHS):
        values["minutes"] = None
    return values


def flag_words(values: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line that set `values`; a switch that is on has none behind.

    None and a switch that is off are left out: no flag says so.
    """
    return [
        word
        for name, value in values.items()
        if value is not None and value is not False
        for word in ([f"--{name}"] if value is True else [f"--{name}", typed_value(value)])
    ]


def train_words(settings: TrainSettings) -> list[str]:
    """Return the words of `unretouch train`, with `train` first, that train with these settings."""
    # The own command mirrors nothing and drops nothing out; what does was begun the classic way.
    own = settings.no_flip and settings.no_dropout
    flags = fast_flags() if own else flags_of(TrainOptions)
    usual = {name: flag.default for name, flag in flags.items()} | dict(
        preset("fast") if own else {}
    )
    changed = {name: value for name, value in vars(settings).items() if value != usual[name]}
    if own and settings.minutes is None:
        # Unless epochs are given, the own command takes its ten minutes.
        changed["n_epochs"] = settings.n_epochs
    elif own:
        changed["minutes"] = settings.minutes
    classic = [] if own else ["--model", "pix2pix"]
    return ["train", *classic, *flag_words(changed)]


def fast_flags() -> dict[str, Flag]:
    """Return the flags of `unretouch train`: not those only classic, and with the fast defaults."""
    fast = preset("fast")
    every = flags_of(TrainOptions)
    names = [*flags_of(TrainSettings), *flags_of(TrainStart)]
    # A switch is off until it is given, whatever the preset makes of it.
    changed = [name for name in names if name in fast and not every[name].is_switch]
    return {name: every[name] for name in names} | {
        name: dataclasses.replace(every[name], default=fast[name]) for name in changed
    }

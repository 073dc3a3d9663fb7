"""The settings of a training run: one flat frozen dataclass, named as the classic flags are.

The docstrings under the fields are the help texts of the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from unretouch.base import durable
from unretouch.base.errors import CheckpointError, UsageError

GeneratorName = Literal["unet_256", "unet_128", "resnet_9blocks", "resnet_6blocks", "detail"]
DiscriminatorName = Literal["basic", "n_layers", "pixel"]
NormName = Literal["batch", "instance", "none"]
InitName = Literal["normal", "xavier", "kaiming", "orthogonal"]
GanMode = Literal["vanilla", "lsgan", "wgangp"]
LrPolicy = Literal["linear", "step", "plateau", "cosine"]
Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
Direction = Literal["AtoB", "BtoA"]
RecipeName = Literal["classic", "fast"]
SizeName = Literal["auto", "s", "m", "l", "pyramid"]
AimName = Literal["fit", "restore", "texture"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["32-true", "bf16-mixed", "auto"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that decides how a run trains. Defaults are those of pix2pix."""

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
    max_dataset_size: float = math.inf
    """use only the first so many pairs"""

    preprocess: Preprocess = "resize_and_crop"
    """what is done to a pair's size while loading"""
    load_size: int = 286
    """resize to this many pixels"""
    crop_size: int = 256
    """then crop to this many pixels"""
    no_flip: bool = False
    """do not mirror pairs at random"""
    serial_batches: bool = False
    """take pairs in their order, not shuffled"""
    batch_size: int = 1
    """pairs in one step; with the fast recipe, how many times its usual crops"""
    input_nc: Literal[1, 3] = 3
    """channels of the input: 3 RGB, 1 grey"""
    output_nc: Literal[1, 3] = 3
    """channels of the output: 3 RGB, 1 grey"""

    netG: GeneratorName = "unet_256"
    """generator"""
    size: SizeName = "m"
    """size of the generator `detail`: s, m, l; pyramid is made for large photographs; auto
    takes it above 2 megapixels, else m"""
    ngf: int = 64
    """filters in the last layer of a classic generator"""
    netD: DiscriminatorName = "basic"
    """discriminator; basic is a 70 x 70 PatchGAN"""
    ndf: int = 64
    """filters in the first layer of the discriminator"""
    n_layers_D: int = 3
    """layers, with --netD n_layers"""
    norm: NormName = "batch"
    """normalisation of classic generators and of the discriminator"""
    no_dropout: bool = False
    """no dropout in the generator"""
    init_type: InitName = "normal"
    """initialisation of the weights"""
    init_gain: float = 0.02
    """scale of the initialisation"""

    recipe: RecipeName = "classic"
    """what drives the fit: classic (pix2pix) or fast (made for the generator `detail`)"""
    aim: AimName = "fit"
    """of the fast recipe: fit memorises the pairs and nothing else; restore is for unseen portraits
    at the least error; texture for unseen portraits at the right strength of texture"""
    target_error: float = 0.0
    """of the fast recipe with --aim fit: end when every pair is within so many grey levels on
    average; at 0 when every pixel is exact"""
    lambda_L1: float = 100.0
    """weight of the per-pixel (L1) loss"""
    lambda_GAN: float = 1.0
    """weight of the adversarial loss; 0 leaves the discriminator out"""
    gan_mode: GanMode = "vanilla"
    """adversarial loss: vanilla is cross entropy, lsgan least squares"""
    pool_size: int = 0
    """predictions that are remembered and shown to the discriminator again, among new ones"""
    d_every: int = 1
    """update the discriminator at every Nth step only"""
    n_epochs: int = 100
    """epochs at the full learning rate"""
    n_epochs_decay: int = 100
    """epochs in which the rate goes down to zero"""
    lr: float = 0.0002
    """learning rate of Adam"""
    beta1: float = 0.5
    """momentum of Adam"""
    lr_policy: LrPolicy = "linear"
    """how the learning rate falls"""
    lr_decay_iters: int = 50
    """with lr_policy step: divide the rate by ten every so many epochs"""
    minutes: float | None = None
    """time budget instead of a number of epochs; the schedule of the rate is spread over it"""

    seed: int = 0
    """seed of every random choice"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    precision: PrecisionName = "32-true"
    """bf16-mixed is faster where the processor has bf16; auto takes it there, else 32-true"""

    print_freq: int | None = None
    """a log line every so many pictures; unset, by the length of the run, 2000 lines at most"""
    display_freq: int | None = None
    """pictures for the page every so many pictures; unset, by time, at most 2 % of it"""
    save_latest_freq: int | None = None
    """save the state every so many pictures; unset, about every 5 minutes"""
    save_epoch_freq: int = 5
    """epochs between numbered weights (thinned: see keep_gb)"""
    keep_gb: float = 2.0
    """numbered weights are thinned so that the run folder stays below this many GB"""
    no_html: bool = False
    """write no web page"""

    devices: int = 1
    """processes of this run on every machine, one a GPU or a share of the cores; the batch is split
    evenly over all (docs/scale.md)"""
    num_nodes: int = 1
    """machines of this run"""
    cache_gb: float | None = None
    """decoded pairs that a process keeps in memory, GB: a larger set is decoded as it is needed;
    unset, a quarter of the memory"""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_ranges()

    def _check_choices(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                allowed = ", ".join(str(a) for a in get_args(kind))
                raise UsageError(f"{getattr(self, name)!r} is not one of {allowed}", f"--{name}")

    def _check_ranges(self) -> None:
        positive = (
            "load_size", "crop_size", "batch_size", "ngf", "ndf", "n_layers_D", "init_gain", "lr",
            "d_every", "lr_decay_iters", "save_epoch_freq", "keep_gb", "minutes", "print_freq",
            "display_freq", "save_latest_freq", "devices", "num_nodes",
            "cache_gb",
        )  # fmt: skip
        not_negative = (
            "n_epochs", "n_epochs_decay", "lambda_L1", "lambda_GAN", "pool_size", "seed",
            "target_error",
        )  # fmt: skip
        for name in positive:
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{value} is not a finite number above zero", f"--{name}")
        for name in not_negative:
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise UsageError(f"{value} is not zero or more", f"--{name}")
        if not 0 <= self.beta1 < 1:
            raise UsageError(f"{self.beta1} is not from 0 up to 1", "--beta1")
        if not self.max_dataset_size >= 1:
            raise UsageError(f"{self.max_dataset_size} is not one or more", "--max_dataset_size")
        if self.minutes is None and self.n_epochs + self.n_epochs_decay == 0:
            raise UsageError("no epoch to train", "--n_epochs", "Give n_epochs or n_epochs_decay")
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


FREE = frozenset({
    "dataroot", "name", "checkpoints_dir", "device", "print_freq", "display_freq",
    "save_latest_freq", "save_epoch_freq", "keep_gb", "no_html", "phase", "target_error",
    "devices", "num_nodes", "cache_gb",
})  # fmt: skip
"""Settings that do not change what is learnt: a change of them needs no mention."""


def from_dict(values: dict[str, Any], where: object) -> TrainSettings:
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


def nearest_hint(word: str, known: list[str]) -> str:
    """Return `Did you mean 'x'?` for the known word nearest to `word`, or an empty text."""
    # Hyphens say nothing: they would make any two flags alike.
    bare = {k.lstrip("-"): k for k in known}
    word = word.lstrip("-")
    # Letters in another case come first: --netd is nearer to --netD than to --netG.
    near = [k for k in bare if k.lower() == word.lower()]
    near = near or difflib.get_close_matches(word, bare, n=1, cutoff=0.6)
    return f"Did you mean {bare[near[0]]!r}?" if near else ""


def save(path: Path, settings: TrainSettings, versions: dict[str, str]) -> None:
    """Write `settings`, with the versions that trained, to `path` as config.json."""
    durable.write_json(path, {"schema": 1, "settings": settings.to_dict(), "versions": versions})


def load(path: Path) -> TrainSettings:
    """Read the settings that `save` wrote. Raises CheckpointError for a damaged or foreign file."""
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["schema"] != 1:
            raise CheckpointError(
                f"was written by a newer unretouch (schema {record['schema']})", path
            )
        return from_dict(record["settings"], path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"cannot be read: {error}", path) from error

"""The flags of the classic train.py and test.py as two schemas.

Every flag of both lines of the classic program is here, or in TrainSettings under the same name;
what a flag without work here stands for is said in stand_ins.py. Flags that only unretouch has are
listed in OURS_TRAIN and OURS_TEST: an abbreviation is resolved among the classic ones first.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from unretouch.settings.presets import PresetName
from unretouch.settings.test import TestModel
from unretouch.settings.train import (
    DeviceName,
    Direction,
    GeneratorName,
    NormName,
    Preprocess,
    TrainSettings,
)

OURS_TRAIN = frozenset(
    {
        *("aim", "allow_changed_data", "cache_gb", "d_every", "device", "devices", "keep_gb"),
        *("lambda_GAN", "like", "minutes", "num_nodes", "precision", "preset", "recipe", "seed"),
        *("size", "target_error"),
    }
)
OURS_TEST = frozenset({"device", "noisy", "seed"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassicTrainOptions(TrainSettings):
    """Train on pairs of pictures as pix2pix does. All classic flags are understood."""

    preset: PresetName | None = None
    """settings of the guide's methods (balanced, strong, extreme), or fast; flags given win"""
    like: str | None = None
    """settings of that run, by its name or folder, for a new run; flags given win"""
    continue_train: bool = False
    """go on with the run of this name exactly where it stopped; start it if there is none"""
    epoch_count: int | None = None
    """number of the first epoch; unset, the one where the run stopped"""
    epoch: str = "latest"
    """with --continue_train and no saved state: weights to begin from; latest, best or a number"""
    load_iter: int = 0
    """with --continue_train and no saved state: above zero, begin from the weights iter_N"""
    allow_changed_data: bool = False
    """with --continue_train: go on although the pairs are not those of before"""
    suffix: str = ""
    """added to the name after an underscore, flags filled in: {netG}_{load_size}"""

    model: Literal["pix2pix"] = "pix2pix"
    """what is trained"""
    dataset_mode: Literal["aligned"] = "aligned"
    """pictures come in pairs"""
    gpu_ids: str = "0"
    """accepted: the device is found by itself; -1 is --device cpu"""
    num_threads: int = 4
    """accepted: pairs are kept in memory, or decoded ahead by two threads (see --cache_gb)"""
    save_by_iter: bool = False
    """accepted: every saved state carries its step, see state/ in the folder of the run"""
    verbose: bool = False
    """accepted: see config.json in the folder of the run"""
    display_winsize: int = 256
    """accepted: the page fits pictures to its window"""
    update_html_freq: int = 1000
    """accepted: the page is renewed with its pictures, see --display_freq"""
    display_id: int = 1
    """accepted: no visdom, open web/index.html in the folder of the run"""
    display_ncols: int = 4
    """accepted: no visdom"""
    display_server: str = "http://localhost"
    """accepted: no visdom"""
    display_env: str = "main"
    """accepted: no visdom"""
    display_port: int = 8097
    """accepted: no visdom"""
    use_wandb: bool = False
    """accepted: nothing is sent to wandb, see metrics.jsonl in the folder of the run"""
    wandb_project_name: str = "CycleGAN-and-pix2pix"
    """accepted: nothing is sent to wandb"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassicTestOptions:
    """Apply a trained run. What is unset is taken from the run; a flag that is given wins."""

    dataroot: str
    """with --model test: the folder of the pictures; with --model pix2pix: that of the pairs"""
    name: str = "experiment_name"
    """name of the run"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    results_dir: str = "./results/"
    """folder of all results"""
    model: TestModel = "test"
    """test: any pictures; pix2pix: pairs, compared with the answer"""
    dataset_mode: Literal["single", "aligned"] | None = None
    """unset, single for --model test and aligned for --model pix2pix"""
    phase: str | None = None
    """subfolder of dataroot with the pairs; unset, test if there is one, else train"""
    epoch: str = "latest"
    """which weights: latest, best or the number of an epoch"""
    load_iter: int = 0
    """above zero: the weights iter_N"""
    model_suffix: str = ""
    """load EPOCH_net_G + this + .pth"""
    num_test: int | None = None
    """stop after so many pictures; unset, all are treated"""
    eval: bool = False
    """use the running statistics of batch norm, as the classic --eval"""
    noisy: bool = False
    """dropout on, as the classic program without --eval: every call gives another picture"""
    aspect_ratio: float = 1.0
    """stretch the written pictures to this ratio"""
    max_dataset_size: float = math.inf
    """use only the first so many pictures"""

    direction: Direction | None = None
    """unset, that of the run"""
    netG: GeneratorName | None = None
    """unset, that of the run"""
    norm: NormName | None = None
    """unset, that of the run"""
    ngf: int | None = None
    """unset, that of the run"""
    no_dropout: bool = False
    """the generator was trained without dropout; unset, as the run says"""
    input_nc: Literal[1, 3] | None = None
    """unset, that of the run"""
    output_nc: Literal[1, 3] | None = None
    """unset, that of the run"""
    preprocess: Preprocess | None = None
    """unset, that of the run"""
    load_size: int | None = None
    """unset, that of the run"""
    crop_size: int | None = None
    """unset, that of the run"""
    suffix: str = ""
    """added to the name after an underscore, flags filled in: {netG}_{load_size}"""
    seed: int = 0
    """seed of what is random with --noisy"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""

    gpu_ids: str = "0"
    """accepted: the device is found by itself; -1 is --device cpu"""
    num_threads: int = 4
    """accepted: pictures are read one by one"""
    batch_size: int = 1
    """accepted: pictures are treated one by one"""
    serial_batches: bool = False
    """accepted: pictures are always taken in order"""
    no_flip: bool = False
    """accepted: pictures are never mirrored"""
    ndf: int = 64
    """accepted: testing needs no discriminator"""
    netD: Literal["basic", "n_layers", "pixel"] = "basic"
    """accepted: testing needs no discriminator"""
    n_layers_D: int = 3
    """accepted: testing needs no discriminator"""
    init_type: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal"
    """accepted: the weights are loaded"""
    init_gain: float = 0.02
    """accepted: the weights are loaded"""
    verbose: bool = False
    """accepted: see config.json in the folder of the run"""
    display_winsize: int = 256
    """accepted: the page fits pictures to its window"""
    use_wandb: bool = False
    """accepted: nothing is sent to wandb"""
    wandb_project_name: str = "CycleGAN-and-pix2pix"
    """accepted: nothing is sent to wandb"""


def classic_names(schema: type) -> frozenset[str]:
    """Return the flags of `schema` that the classic program has too."""
    ours = OURS_TRAIN if issubclass(schema, TrainSettings) else OURS_TEST
    return frozenset(field.name for field in dataclasses.fields(schema)) - ours


def elsewhere(schema: type) -> dict[str, str]:
    """Return what to say of flags that are not of `schema` but of its sister, or of old names."""
    is_train = issubclass(schema, TrainSettings)
    sister = ClassicTestOptions if is_train else ClassicTrainOptions
    said = "is a flag of test" if is_train else "is a flag of train; a test takes it from the run"
    known = {field.name for field in dataclasses.fields(schema)}
    messages = {field.name: said for field in dataclasses.fields(sister) if field.name not in known}
    for old, new in RENAMED.items():
        if new in known:
            messages[old] = f"is called --{new} since 2019"
    return messages


RENAMED = {
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "loadSize": "load_size",
    "fineSize": "crop_size",
    "which_epoch": "epoch",
    "which_direction": "direction",
    "which_model_netG": "netG",
    "which_model_netD": "netD",
    "resize_or_crop": "preprocess",
    "how_many": "num_test",
}
"""Names of the classic flags before 2019, still found in tutorials."""

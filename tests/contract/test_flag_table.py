"""The flags of train.py and test.py are a promise: name, type and default, frozen here."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin

import pytest

from unretouch.base.errors import UsageError
from unretouch.settings import test, train
from unretouch.settings.fields import Flag, flags_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainOptions, fast_flags
from unretouch.tasks.classic_commands import read_test, read_train

GENERATORS = "unet_256|unet_128|resnet_9blocks|resnet_6blocks|detail"
PREPROCESS = "resize_and_crop|crop|scale_width|scale_width_and_crop|none"
INITS = "normal|xavier|kaiming|orthogonal"
REQUIRED = "(required)"

TRAIN_FLAGS = {
    "dataroot": ("str", REQUIRED),
    "name": ("str", "experiment_name"),
    "checkpoints_dir": ("str", "./checkpoints"),
    "direction": ("AtoB|BtoA", "AtoB"),
    "phase": ("str", "train"),
    "max_dataset_size": ("float", math.inf),
    "also": ("str", ""),
    "test_photo": ("str", ""),
    "preprocess": (PREPROCESS, "resize_and_crop"),
    "load_size": ("int", 286),
    "crop_size": ("int", 256),
    "no_flip": ("switch", False),
    "serial_batches": ("switch", False),
    "batch_size": ("int", 1),
    "input_nc": ("1|3", 3),
    "output_nc": ("1|3", 3),
    "netG": (GENERATORS, "unet_256"),
    "size": ("auto|s|m|deep|l|pyramid", "m"),
    "head": ("auto|change|gain|guess|gain+guess|strength", "change"),
    "ngf": ("int", 64),
    "netD": ("basic|n_layers|pixel", "basic"),
    "ndf": ("int", 64),
    "n_layers_D": ("int", 3),
    "norm": ("batch|instance|none", "batch"),
    "no_dropout": ("switch", False),
    "init_type": (INITS, "normal"),
    "init_gain": ("float", 0.02),
    "recipe": ("classic|fast", "classic"),
    "aim": ("memorise|restore|texture|fit", "fit"),
    "target_error": ("float", 0.0),
    "lambda_L1": ("float", 100.0),
    "lambda_GAN": ("float", 1.0),
    "gan_mode": ("vanilla|lsgan|wgangp", "vanilla"),
    "pool_size": ("int", 0),
    "d_every": ("int", 1),
    "n_epochs": ("int", 100),
    "n_epochs_decay": ("int", 100),
    "lr": ("float", 0.0002),
    "beta1": ("float", 0.5),
    "lr_policy": ("linear|step|plateau|cosine", "linear"),
    "lr_decay_iters": ("int", 50),
    "minutes": ("float", None),
    "seed": ("int", 0),
    "device": ("auto|cpu|cuda|mps", "auto"),
    "precision": ("32-true|bf16-mixed|auto", "32-true"),
    "print_freq": ("int", None),
    "display_freq": ("int", None),
    "save_latest_freq": ("int", None),
    "save_epoch_freq": ("int", 5),
    "keep_gb": ("float", 2.0),
    "no_html": ("switch", False),
    "devices": ("int", 1),
    "num_nodes": ("int", 1),
    "cache_gb": ("float", None),
    "continue_train": ("switch", False),
    "epoch_count": ("int", None),
    "epoch": ("str", "latest"),
    "load_iter": ("int", 0),
    "allow_changed_data": ("switch", False),
    "suffix": ("str", ""),
    "preset": ("fast|balanced|strong|extreme", None),
    "like": ("str", None),
    "model": ("pix2pix", "pix2pix"),
    "dataset_mode": ("aligned", "aligned"),
    "gpu_ids": ("str", "0"),
    "num_threads": ("int", 4),
    "save_by_iter": ("switch", False),
    "verbose": ("switch", False),
    "display_winsize": ("int", 256),
    "update_html_freq": ("int", 1000),
    "display_id": ("int", 1),
    "display_ncols": ("int", 4),
    "display_server": ("str", "http://localhost"),
    "display_env": ("str", "main"),
    "display_port": ("int", 8097),
    "use_wandb": ("switch", False),
    "wandb_project_name": ("str", "CycleGAN-and-pix2pix"),
}

TEST_FLAGS = {
    "dataroot": ("str", REQUIRED),
    "name": ("str", "experiment_name"),
    "checkpoints_dir": ("str", "./checkpoints"),
    "results_dir": ("str", "./results/"),
    "model": ("test|pix2pix", "test"),
    "dataset_mode": ("single|aligned", None),
    "phase": ("str", None),
    "epoch": ("str", "latest"),
    "load_iter": ("int", 0),
    "model_suffix": ("str", ""),
    "num_test": ("int", None),
    "eval": ("switch", False),
    "noisy": ("switch", False),
    "aspect_ratio": ("float", 1.0),
    "max_dataset_size": ("float", math.inf),
    "direction": ("AtoB|BtoA", None),
    "netG": (GENERATORS, None),
    "norm": ("batch|instance|none", None),
    "ngf": ("int", None),
    "no_dropout": ("switch", False),
    "input_nc": ("1|3", None),
    "output_nc": ("1|3", None),
    "preprocess": (PREPROCESS, None),
    "load_size": ("int", None),
    "crop_size": ("int", None),
    "suffix": ("str", ""),
    "seed": ("int", 0),
    "device": ("auto|cpu|cuda|mps", "auto"),
    "gpu_ids": ("str", "0"),
    "num_threads": ("int", 4),
    "batch_size": ("int", 1),
    "serial_batches": ("switch", False),
    "no_flip": ("switch", False),
    "ndf": ("int", 64),
    "netD": ("basic|n_layers|pixel", "basic"),
    "n_layers_D": ("int", 3),
    "init_type": (INITS, "normal"),
    "init_gain": ("float", 0.02),
    "verbose": ("switch", False),
    "display_winsize": ("int", 256),
    "use_wandb": ("switch", False),
    "wandb_project_name": ("str", "CycleGAN-and-pix2pix"),
}

# The option table of the classic program, both of its lines: a value for every flag, "" for a
# switch. What it has for training, for testing, and for both.
CLASSIC_BOTH = {
    "dataroot": "./portrait_retouch",
    "name": "한국어",
    "checkpoints_dir": "./elsewhere",
    "gpu_ids": "0",
    "input_nc": "1",
    "output_nc": "1",
    "ngf": "32",
    "ndf": "32",
    "netD": "pixel",
    "netG": "resnet_9blocks",
    "n_layers_D": "4",
    "norm": "instance",
    "init_type": "xavier",
    "init_gain": "0.1",
    "no_dropout": "",
    "direction": "BtoA",
    "serial_batches": "",
    "num_threads": "0",
    "batch_size": "2",
    "load_size": "512",
    "crop_size": "512",
    "max_dataset_size": "inf",
    "preprocess": "scale_width_and_crop",
    "no_flip": "",
    "display_winsize": "512",
    "epoch": "5",
    "load_iter": "100",
    "verbose": "",
    "suffix": "_{netG}_{load_size}",
    "use_wandb": "",
    "wandb_project_name": "mine",
    "phase": "val",
}
CLASSIC_TRAIN = CLASSIC_BOTH | {
    "model": "pix2pix",
    "dataset_mode": "aligned",
    "display_freq": "40",
    "update_html_freq": "100",
    "print_freq": "10",
    "display_id": "0",
    "display_ncols": "2",
    "display_server": "http://elsewhere",
    "display_env": "mine",
    "display_port": "8098",
    "no_html": "",
    "save_latest_freq": "500",
    "save_epoch_freq": "50",
    "save_by_iter": "",
    "continue_train": "",
    "epoch_count": "3",
    "n_epochs": "800",
    "n_epochs_decay": "800",
    "beta1": "0.9",
    "lr": "0.00005",
    "gan_mode": "wgangp",
    "pool_size": "50",
    "lr_policy": "cosine",
    "lr_decay_iters": "20",
    "lambda_L1": "300.0",
}
CLASSIC_TEST = CLASSIC_BOTH | {
    "model": "test",
    "dataset_mode": "single",
    "results_dir": "./there/",
    "aspect_ratio": "1.5",
    "eval": "",
    "num_test": "50",
    "model_suffix": "_A",
}


def kind_text(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(choice) for choice in get_args(kind))
    return "switch" if kind is bool else kind.__name__


def table(flags: dict[str, Flag]) -> dict[str, tuple[str, Any]]:
    return {
        name: (kind_text(flag.kind), REQUIRED if flag.required else flag.default)
        for name, flag in flags.items()
    }


def words(flag: str, value: str) -> list[str]:
    dataroot = [] if flag == "dataroot" else ["--dataroot", "d"]
    # load_size and crop_size hang together, as the flags of a suffix do.
    together = {
        "load_size": ["--crop_size", "100"],
        "crop_size": ["--load_size", "600"],
        "suffix": ["--netG", "unet_128", "--load_size", "512"],
    }
    return [*dataroot, *together.get(flag, []), f"--{flag}", *([value] if value else [])]


def as_kind(schema: type, flag: str, value: str) -> Any:
    kind = flags_of(schema)[flag].kind
    if get_origin(kind) is Literal:
        kind = type(get_args(kind)[0])
    return True if kind is bool else kind(value)


def test_the_flags_of_train_are_these() -> None:
    assert table(flags_of(TrainOptions)) == TRAIN_FLAGS


def test_the_flags_of_test_are_these() -> None:
    assert table(flags_of(TestSettings)) == TEST_FLAGS


def test_the_modern_train_differs_in_these_defaults_only() -> None:
    changed = {
        name: value[1] for name, value in table(fast_flags()).items() if value != TRAIN_FLAGS[name]
    }
    assert changed == {
        "preprocess": "none",
        "netG": "detail",
        "recipe": "fast",
        "size": "auto",
        "head": "auto",
        "lambda_L1": 500.0,
        "lambda_GAN": 0.0,
        "minutes": 10.0,
        "precision": "auto",
    }


def test_every_flag_is_either_classic_or_listed_as_ours() -> None:
    assert set(TRAIN_FLAGS) - set(CLASSIC_TRAIN) == train.OURS
    assert set(TEST_FLAGS) - set(CLASSIC_TEST) == test.OURS


@pytest.mark.parametrize("flag", CLASSIC_TRAIN)
def test_train_takes_every_classic_flag(flag: str) -> None:
    options, _ = read_train(words(flag, CLASSIC_TRAIN[flag]))
    if flag != "name":
        expected = as_kind(TrainOptions, flag, CLASSIC_TRAIN[flag])
        assert getattr(options, flag) == expected


@pytest.mark.parametrize("flag", CLASSIC_TEST)
def test_test_takes_every_classic_flag(flag: str) -> None:
    options, _ = read_test(words(flag, CLASSIC_TEST[flag]))
    assert getattr(options, flag) == as_kind(TestSettings, flag, CLASSIC_TEST[flag])


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("model", "cycle_gan"),
        ("model", "colorization"),
        ("dataset_mode", "unaligned"),
        ("dataset_mode", "colorization"),
    ],
)
@pytest.mark.parametrize("read", [read_train, read_test])
def test_what_needs_no_pairs_is_refused_in_one_line(read: Any, flag: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"--{flag}: '{value}' is not offered.*pairs") as caught:
        read(["--dataroot", "d", f"--{flag}", value])
    assert "\n" not in str(caught.value)

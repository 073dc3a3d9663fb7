"""train_opt.txt and test_opt.txt keep the classic format, line by line."""

from __future__ import annotations

import dataclasses

from unretouch.settings.classic import option_text
from unretouch.settings.fields import flags_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainOptions
from unretouch.tasks.classic_commands import read_test, read_train


@dataclasses.dataclass(frozen=True, kw_only=True)
class Few:
    name: str = "experiment_name"
    lr: float = 0.0002
    dataroot: str
    continue_train: bool = False
    print_freq: int | None = None


def test_the_format_is_the_classic_one() -> None:
    text = option_text(Few(dataroot="./초상화", lr=0.00005, continue_train=True), flags_of(Few))
    assert text == (
        "----------------- Options ---------------\n"
        "           continue_train: True                          \t[default: False]\n"
        "                 dataroot: ./초상화                         \t[default: None]\n"
        "                       lr: 5e-05                         \t[default: 0.0002]\n"
        "                     name: experiment_name               \n"
        "               print_freq: None                          \n"
        "----------------- End -------------------\n"
    )


def test_a_value_cannot_forge_a_line() -> None:
    text = option_text(Few(dataroot="a\n    lr: 7"), flags_of(Few))
    assert len(text.splitlines()) == len(dataclasses.fields(Few)) + 2


def test_all_options_are_there_with_what_the_command_changed() -> None:
    options, _ = read_train(["--dataroot", "d", "--lambda_L1", "300.0", "--lr", "0.0001"])
    text = option_text(options, flags_of(TrainOptions))
    changed = [line for line in text.splitlines() if "[default:" in line]
    assert changed == [
        "                 dataroot: d                             \t[default: None]",
        "                lambda_L1: 300.0                         \t[default: 100.0]",
        "                       lr: 0.0001                        \t[default: 0.0002]",
    ]
    assert text.count("\n") == len(dataclasses.fields(options)) + 2


def test_a_test_has_its_options_too() -> None:
    options, _ = read_test(["--dataroot", "d", "--phase", "train", "--eval"])
    text = option_text(options, flags_of(TestSettings))
    assert "                    phase: train                         \t[default: None]\n" in text
    assert "                     eval: True                          \t[default: False]\n" in text

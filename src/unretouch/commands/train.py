"""`unretouch train`: the fast fit at full size; with --model pix2pix the classic command.

With --preset or --like all settings come from there: then too it is the classic command, which
knows every setting there is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from unretouch.base.names import run_name
from unretouch.compat import train as classic
from unretouch.compat.options import ClassicTrainOptions, classic_names, elsewhere
from unretouch.settings.parser import build, read_flags, show_help, wants_help
from unretouch.settings.presets import EPOCHS, PresetName
from unretouch.settings.train import (
    GeneratorName,
    PrecisionName,
    Preprocess,
    RecipeName,
    SizeName,
    TrainSettings,
)

PROG = "unretouch train"
CLASSIC = ("model", "preset", "like")
"""Flags with which the settings are read as the classic command reads them."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainSettings):
    """Learn the way back from a folder of pairs, at full size and without an adversary.

    With --model pix2pix all flags and defaults are those of the classic train.py.
    """

    preset: PresetName | None = None
    """fast is what the defaults here are; balanced, strong, extreme: the guide's methods, which
    are pix2pix and take hours. Flags given win"""
    like: str | None = None
    """settings of that run, by its name or folder, for a new run; flags given win"""
    preprocess: Preprocess = "none"
    """what is done to a pair's size while loading; none keeps its full size"""
    no_flip: bool = False
    """always so here: pairs are not mirrored"""
    netG: GeneratorName = "detail"
    """generator"""
    size: SizeName = "auto"
    """size of the generator `detail`: s, m, l; pyramid is made for large photographs; auto
    takes it above 2 megapixels, else m"""
    no_dropout: bool = False
    """always so here: no dropout in the generator"""
    recipe: RecipeName = "fast"
    """what drives the fit: fast (made for the generator `detail`) or classic (pix2pix)"""
    lambda_L1: float = 500.0
    """weight of the per-pixel (L1) loss: what G_L1 is multiplied by"""
    lambda_GAN: float = 0.0
    """weight of the adversarial loss; 0 leaves the discriminator out"""
    minutes: float | None = 10.0
    """time to train; unless --n_epochs or --n_epochs_decay is given and this is not"""
    precision: PrecisionName = "auto"
    """bf16-mixed is faster where the processor has bf16; auto takes it there, else 32-true"""
    continue_train: bool = False
    """go on with the run of this name where it stopped; start it if there is none"""
    allow_changed_data: bool = False
    """with --continue_train: go on although the pairs are not those of before"""


def main(argv: list[str]) -> int:
    """Train. Returns the exit code. Raises UnretouchError."""
    options = _read(argv)
    if options is None:
        return classic.main(argv, PROG)
    return classic.launch(
        options,
        continue_train=options.continue_train,
        allow_changed_data=options.allow_changed_data,
    )


def settings(argv: list[str]) -> TrainSettings:
    """Return the settings that `argv` asks for, without training. Raises UnretouchError."""
    return _read(argv) or classic.read(argv, PROG)[0]


def _read(argv: list[str]) -> TrainOptions | None:
    """Return the options that `argv` gives, or None where the classic command reads it."""
    if any(word.partition("=")[0] in {f"--{name}" for name in CLASSIC} for word in argv):
        return None
    if wants_help(argv):
        show_help(TrainOptions, PROG)
    reading = read_flags(
        TrainOptions, argv, first=classic_names(TrainOptions), elsewhere=_elsewhere()
    )
    if not reading.flags.keys().isdisjoint(CLASSIC):  # abbreviated
        return None
    options = build(TrainOptions, reading, PROG)
    if "minutes" not in reading.flags and not reading.flags.keys().isdisjoint(EPOCHS):
        options = dataclasses.replace(options, minutes=None)
    # Memorising wants every pixel in its place and the same answer every time.
    return dataclasses.replace(options, name=run_name(options.name), no_flip=True, no_dropout=True)


def _elsewhere() -> dict[str, str]:
    classic_only = {field.name for field in dataclasses.fields(ClassicTrainOptions)} - {
        field.name for field in dataclasses.fields(TrainOptions)
    }
    said = "is a classic flag: add --model pix2pix, which brings the classic defaults"
    return elsewhere(TrainOptions) | dict.fromkeys(classic_only, said)

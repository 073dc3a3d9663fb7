"""Four steps of the classic program, from its own weights, loss by loss and weight by weight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unretouch.networks import build_discriminator, build_generator, load_weights, predict
from unretouch.settings.train import TrainSettings
from unretouch.training import step

CASES: dict[str, dict[str, Any]] = {
    "unet_256_batch_vanilla": {"lambda_L1": 500.0, "lr": 0.0001},
    "unet_128_instance_lsgan": {"lambda_L1": 100.0, "lr": 0.0002},
    "resnet_9blocks_batch_vanilla": {"lambda_L1": 100.0, "lr": 0.0002},
    "resnet_6blocks_instance_lsgan": {"lambda_L1": 100.0, "lr": 0.0002},
}
STEPS = 4
DECAY_AFTER = 2  # the rate goes down after so many steps
LOSSES_RELATIVE = 1e-4
WEIGHTS = 1e-4
WEIGHTS_BEYOND = 3e-4
"""Share of weights that may lie further off, by one full step the other way at most. Where a
gradient is nearly zero Adam makes a whole step of its rounding: of the 46,866 weights of
resnet_9blocks one is off by 1.06e-4 with one thread, 0.73e-4 with two, and 1.5e-4 when everything
is computed in float64; on another processor 37 of the 214,304 of unet_256, which learns at half of
that rate, by up to 1.2e-4."""
FIRST_PREDICTION = 1e-5
HALF_PRECISION = 5e-4  # the last predictions are stored as float16: 2**-11 near 1


@dataclass(frozen=True)
class Golden:
    """A file of golden vectors and the networks of its beginning."""

    name: str
    values: dict[str, np.ndarray[Any, Any]]
    settings: TrainSettings
    nets: step.Nets
    batch: step.Batch

    def state(self, prefix: str) -> dict[str, torch.Tensor]:
        return {
            key.removeprefix(prefix): torch.from_numpy(value)
            for key, value in self.values.items()
            if key.startswith(prefix)
        }


def in_network_space(rgb: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.fixture(params=CASES)
def golden(request: pytest.FixtureRequest, shared: Path) -> Golden:
    path = shared / "golden" / f"{request.param}.npz"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with np.load(path) as file:
        values = {key: file[key] for key in file.files}
    blocks, size, norm, gan_mode = request.param.split("_")
    settings = TrainSettings(
        dataroot="-", netG=f"{blocks}_{size}", norm=norm, gan_mode=gan_mode, ngf=4, ndf=4,  # type: ignore[arg-type]
        no_dropout=True, **CASES[request.param],
    )  # fmt: skip
    nets = step.Nets(build_generator(settings), build_discriminator(settings))
    batch = step.Batch(in_network_space(values["A"]), in_network_space(values["B"]))
    found = Golden(request.param, values, settings, nets, batch)
    assert nets.discriminator is not None
    load_weights(nets.generator, found.state("G0/"), path)
    load_weights(nets.discriminator, found.state("D0/"), path)
    return found


def biases_without_effect(net: nn.Module) -> set[str]:
    """Biases that instance normalisation takes away again.

    Their true gradient is zero, so what Adam makes of it is rounding error at full rate: not even
    the classic program repeats it on another machine.
    """
    names = [name for name, _ in net.named_parameters() if name.endswith(".bias")]
    with_effect = {names[-1]}  # the picture's own bias
    if names[0].startswith("model.model."):
        # A U-Net normalises neither after its first halving nor at its narrowest.
        with_effect.add("model.model.0.bias")
        with_effect.add(max(names, key=len).replace(".3.bias", ".1.bias"))
    return set(names) - with_effect


def test_the_first_prediction(golden: Golden) -> None:
    golden.nets.generator.train()
    with torch.no_grad():
        prediction = golden.nets.generator(golden.batch.source)
    np.testing.assert_allclose(
        prediction[0].numpy(), golden.values["fake_step1"], rtol=0, atol=FIRST_PREDICTION
    )


def test_four_steps(golden: Golden) -> None:
    generator, discriminator = golden.nets.generator, golden.nets.discriminator
    assert discriminator is not None
    rate = golden.settings.lr
    optimisers = step.Optimisers(
        step.adam(generator, rate, 0.5), step.adam(discriminator, rate, 0.5)
    )
    for done in range(STEPS):
        if done == DECAY_AFTER:
            for optimiser in (optimisers.generator, optimisers.discriminator):
                assert optimiser is not None
                optimiser.param_groups[0]["lr"] = float(golden.values["lr_after"])
        losses = step.train_step(golden.nets, optimisers, golden.batch, golden.settings)
        np.testing.assert_allclose(
            [losses.G_GAN, losses.G_L1, losses.D_real, losses.D_fake],  # type: ignore[list-item]
            golden.values["losses"][done],
            rtol=LOSSES_RELATIVE,
        )
        assert losses.mean_error == pytest.approx(losses.G_L1 / golden.settings.lambda_L1)

    without_effect = (
        biases_without_effect(generator) if golden.settings.norm == "instance" else set()
    )
    expected = golden.state("G4/")
    beyond = total = 0
    for key, value in generator.state_dict().items():
        difference = (value.double() - expected[key].double()).abs()
        # Four steps at full rate in opposite directions is the most that noise can make.
        bound = 2 * STEPS * rate if key in without_effect else max(2 * rate, WEIGHTS)
        assert difference.max().item() <= bound, f"{key} is off by {difference.max().item()}"
        if key not in without_effect:
            beyond += int((difference > WEIGHTS).sum())
            total += difference.numel()
    assert beyond <= WEIGHTS_BEYOND * total, f"{beyond} of {total} weights are off"


@pytest.mark.parametrize(
    ("mode", "key"), [("train", "fake_train_mode"), ("running", "fake_eval_mode")]
)
def test_predictions_after_training(golden: Golden, mode: Any, key: str) -> None:
    load_weights(golden.nets.generator, golden.state("G4/"), golden.name)
    prediction = predict(golden.nets.generator, golden.batch.source, mode)
    np.testing.assert_allclose(
        prediction[0].numpy(), golden.values[key].astype(np.float32), rtol=0, atol=HALF_PRECISION
    )

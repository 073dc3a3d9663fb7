"""A photograph unlike those of the pairs: another camera, light or subject.

Rows X1 and X2 of docs/reliability.md.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest
import short_runs
import torch
from numpy.typing import NDArray
from scipy import ndimage

from unretouch.model.load import load_model
from unretouch.networks import Generator
from unretouch.networks.prediction import predict_picture
from unretouch.pixels.pairs import Pair
from unretouch.runs import checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import load_weights, save_weights
from unretouch.settings.train import AimName, TrainSettings
from unretouch.training import session
from unretouch.training.fast_fit import FastFit
from unretouch.training.trainer import save_state

HERE = torch.device("cpu")
STEPS = 60
SETTINGS = TrainSettings(dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0, seed=1)
Levels = NDArray[np.float32]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    from unretouch.networks import detail
    from unretouch.training import fast_fit

    monkeypatch.setitem(detail.WIDTHS, "s", (16, 16, 16))  # type: ignore[arg-type]
    # What is tried here must hold without the bound of skin, too: these pictures are all skin.
    monkeypatch.setattr(fast_fit, "lies_on_skin", lambda skins, maps: False)


def skin(seed: int, colour: tuple[int, int, int], pores: float = 1.2, side: int = 256) -> Levels:
    """A made picture of skin: light that falls off, pores of a size, a sensor's noise."""
    random = np.random.default_rng(seed)
    light = np.linspace(0.8, 1.15, side)[:, None, None] * np.array(colour, np.float32)
    texture = ndimage.gaussian_filter(random.standard_normal((side, side)), pores) * 5 * pores
    noise = random.standard_normal((side, side, 3)) * 0.5
    return (light + 2 * texture[..., None] + noise).astype(np.float32)


def pair(name: str, before: Levels, where: slice = slice(64, 192), amount: float = 1.0) -> Pair:
    """The retouch of a made studio: this amount of the texture out, a little darker."""
    after, smooth = before.copy(), ndimage.gaussian_filter(before, (2, 2, 0))
    after[where] += amount * (smooth - before)[where] - 1
    source, target = (np.rint(np.clip(x, 0, 255)).astype(np.uint8) for x in (after, before))
    return Pair(name, source, target, ())


gentle = functools.partial(pair, where=slice(0, 256), amount=0.6)
"""All of the picture, and not all of the texture: what is left of it tells what was there."""


def trained(aim: AimName, given: Pair, steps: int = STEPS) -> FastFit:
    fit = FastFit(dataclasses.replace(SETTINGS, aim=aim), [given], HERE)
    for step in range(steps):
        fit.update(step, 1, 0, step / steps)
    return fit


GIVEN = pair("given", skin(0, (170, 130, 110)))


@functools.cache
def trained_on_given(aim: AimName) -> FastFit:
    return trained(aim, GIVEN)


def left(generator: Generator, unseen: Pair) -> float:
    """The error that a generator leaves of that of doing nothing."""
    error, nothing = (
        float(np.abs(levels - unseen.target).mean())
        for levels in (predict_picture(generator, unseen.source), unseen.source.astype(np.float32))
    )
    return error / nothing


ELSEWHERE = {
    "darker": skin(1, (90, 70, 60)),
    "warmer, finer": skin(2, (200, 130, 90), 0.7),
    "cooler, coarser": skin(3, (140, 140, 160), 2.0),
    "no portrait": skin(4, (60, 120, 60), 0.4),
}


@pytest.mark.parametrize("aim", ["restore", "texture"])
def test_X1_a_photo_from_elsewhere_is_not_made_worse(aim: AimName) -> None:
    """Whatever was learnt: here it would do harm."""
    fit = trained_on_given(aim)
    unseen = [pair(name, before) for name, before in ELSEWHERE.items()]
    assert max(left(fit._stage.average, each) for each in unseen) > 1.01
    assert max(left(fit.generator, each) for each in unseen) <= 1.02


@pytest.mark.parametrize("aim", ["restore", "texture"])
def test_X1_what_was_learnt_and_kept_gains_on_photos_from_elsewhere(aim: AimName) -> None:
    fit = trained(aim, gentle("given", skin(0, (170, 130, 110))))
    assert not fit.generator.does_nothing()
    for name, before in ELSEWHERE.items():
        assert left(fit.generator, gentle(name, before)) < 0.97, name


def peak(picture: Levels, period: int) -> float:
    """The energy at a period over that of its neighbours, across and down."""
    side = len(picture)
    window = np.hanning(side)
    energy = np.abs(np.fft.fft2((picture - picture.mean()) * window[:, None] * window)) ** 2
    at = side // period
    lines = energy[at - 8 : at + 9, :9].sum(1), energy[:9, at - 8 : at + 9].sum(0)
    return max(
        float(line[7:10].mean() / np.median(np.delete(line, [6, 7, 8, 9, 10]))) for line in lines
    )


def test_X2_no_grid_is_drawn() -> None:
    """In what was learnt last, whether or not it is kept."""
    generator = trained_on_given("restore")._stage.average
    for name, before in ELSEWHERE.items():
        predicted = predict_picture(generator, pair(name, before).source).mean(2)
        assert max(peak(predicted, period) for period in (2, 4, 8)) < 2, name


def noise() -> Pair:
    """Two unlike sides: nothing can be learnt of them that holds elsewhere."""
    sides = np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    return Pair("noise", sides[0], sides[1], ())


def test_X1_people_are_told_where_nothing_is_kept() -> None:
    fit = trained("restore", noise(), steps=20)
    assert fit.generator.does_nothing()
    assert "leaves every picture as it is" in str(fit.outcome(STEPS))


def test_the_weights_after_the_last_step_are_judged_and_it_is_said_where_older_ones_stay() -> None:
    fit = trained("restore", gentle("given", skin(0, (170, 130, 110))), steps=12)
    choice = fit._stage.choice
    assert choice is not None
    assert choice.judged == 10
    choice.net.head.bias.data.fill_(1.0)  # type: ignore[operator, union-attr]
    choice.step, choice.score = 10, 0.0
    assert fit.outcome(10) is None
    assert "What came after step 10 was not looked at yet" in str(fit.outcome(12))
    fit.look_at_the_last(12)
    assert choice.judged == 12
    assert "The model is that of step 10: what came after" in str(fit.outcome(12))
    choice.step = None  # as where a run goes on from better weights
    assert "The model is what it was before" in str(fit.outcome(12))
    choice.score, choice.judged = 2.0, 10
    fit.look_at_the_last(12)
    fit.generator.head.bias.data.fill_(1.0)  # type: ignore[operator, union-attr]
    assert fit.outcome(12) is None


def test_X1_weights_that_do_harm_are_not_kept_by_a_run_that_goes_on() -> None:
    """Neither those that it begins from, nor those of a state that an earlier version left."""
    fit = trained("restore", noise(), steps=0)
    harmful = {key: value.clone() for key, value in fit.weights()["G"].items()}
    harmful["head.bias"] += 0.5
    fit.load_weights({"G": harmful}, "net.pth")
    assert fit.generator.does_nothing()
    fit.update(0, 1, 0, 0.99)
    state = fit.state()
    choice = state["stages"][0]["choice"]
    assert choice["weights"]["head.bias"].any()  # training goes on from them all the same
    again = trained("restore", noise(), steps=0)
    again.restore(state, "state")
    for one in (fit, again):
        assert one.generator.does_nothing()
        assert "leaves every picture as it is" in str(one.outcome(1))


@pytest.mark.parametrize("aim", ["fit", "restore"])
def test_X1_another_recipe_than_that_of_the_state_is_told(aim: AimName, tmp_path: Path) -> None:
    """A state of 0.1.0 names none."""
    run = RunDir(tmp_path, "one")
    run.prepare()
    settings = dataclasses.replace(SETTINGS, aim=aim)
    opened = session.start(settings, [noise()], HERE)
    save_state(run, settings, opened)
    path = run.states()[0]
    saved = checkpoint.load(path)
    for recipe in (saved.about["recipe"], ""):
        checkpoint.save(run, dataclasses.replace(saved, about={**saved.about, "recipe": recipe}))
        going_on = session.Continuation(continue_train=True)
        lines = session.open_run(run, settings, going_on, [], [noise()], HERE).lines
        told = any(f"another recipe for --aim {aim}" in line for line in lines)
        assert told == (not recipe)


def slow_change_of(folder: Path) -> tuple[float | None, float]:
    """What a run tells of itself, and how far a network that makes all lighter moves a picture."""
    model = load_model(folder / "latest_net_G.pth", device="cpu")
    grey = np.full((64, 64, 3), 120, np.uint8)
    return model.info.slower, float(np.abs(model.predict(grey) - grey).mean())


@pytest.mark.parametrize("aim", ["fit", "restore"])
def test_X1_a_run_tells_what_slow_change_is_taken_out_of_its_predictions(
    tmp_path: Path, aim: AimName
) -> None:
    """Runs of 0.1.0 do not, and predict as they did."""
    short_runs.write_pairs(tmp_path / "pairs")
    short_runs.train(
        tmp_path, "run", netG="detail", size="s", recipe="fast", lambda_GAN=0.0, norm="batch",
        aim=aim,
    )  # fmt: skip
    folder = tmp_path / "checkpoints" / "run"
    lighter = load_weights(folder / "latest_net_G.pth")
    lighter["head.bias"] += 0.3
    save_weights(folder / "latest_net_G.pth", lighter)
    slower, moved = slow_change_of(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config["slower"]
    (folder / "config.json").write_text(json.dumps(config))
    before, moved_before = slow_change_of(folder)
    assert (before, moved_before > 1) == (None, True)
    if aim == "fit":
        assert (slower, moved) == (None, moved_before)
    else:
        assert slower == 96
        assert moved < 0.01

"""The public calls: the examples of their docstrings are run, and importing them costs nothing."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from short_runs import write_pairs
from skimage.data import astronaut

import unretouch
from unretouch.base.errors import CheckpointError, DataError, UsageError
from unretouch.settings.commands import ApplySettings
from unretouch.settings.fields import fields_of
from unretouch.settings.parser import parse
from unretouch.settings.train import TrainOptions
from unretouch.settings.verify import VerifySettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("api")
    write_pairs(root / "portrait_retouch")
    Image.fromarray(astronaut()[60:140, 150:250]).save(root / "photo.jpg")
    return root


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("UNRETOUCH_TEST_STEPS", "1")


def test_the_examples_in_the_docstrings_run(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the file: the run that `train` makes serves the others."""
    api = importlib.import_module("unretouch.api")
    examples = doctest.DocTestFinder().find(api, globs={})
    examples = sorted((e for e in examples if e.examples), key=lambda example: example.lineno or 0)
    assert [e.name.rpartition(".")[2] for e in examples] == ["train", "apply", "verify"]
    runner = doctest.DocTestRunner()
    for example in examples:
        failed = runner.run(example, out=sys.stderr.write).failed
        assert failed == 0, capsys.readouterr().err


def test_every_public_name_is_documented_and_typed() -> None:
    for name in unretouch.__all__:
        if name == "__version__":
            continue
        thing = getattr(unretouch, name)
        assert inspect.getdoc(thing)
        if inspect.isfunction(thing):
            assert "return" in thing.__annotations__
    assert (Path(unretouch.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    ("call", "schema"),
    [
        (unretouch.train, TrainOptions),
        (unretouch.apply, ApplySettings),
        (unretouch.verify, VerifySettings),
    ],
)
def test_every_setting_of_the_command_is_an_argument(call: Any, schema: type) -> None:
    shown = inspect.signature(call).parameters
    assert shown.keys() - {"show"} == fields_of(schema).keys()
    for name, flag in fields_of(schema).items():
        if name not in ("dataroot", "photos", "run"):
            assert shown[name].default == flag.default
            assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY


class Asked(Exception):
    """Ends a call that has come so far."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which the settings of each call are added, which then does nothing."""
    from unretouch.tasks.apply import command as apply_command
    from unretouch.tasks.verify import command as verify_command

    given: list[Any] = []

    def take(settings: Any, *_: Any) -> None:
        given.append(settings)
        raise Asked

    monkeypatch.setattr(apply_command, "prepare", take)
    monkeypatch.setattr(verify_command, "verify", take)
    monkeypatch.setattr(unretouch.api, "_console", lambda show: None)
    return given


def called(call: Any, *words: Any, **settings: Any) -> None:
    with pytest.raises(Asked):
        call(*words, **settings)


def test_a_call_asks_for_what_the_command_asks_for(asked: list[Any]) -> None:
    called(unretouch.apply, ["a.jpg", Path("b.jpg")], "first", scale="full", runtime="onnx", jobs=2)
    called(unretouch.verify, "first", phase="test", memorised_G_L1=0.5, self_test="me.png")
    words = ["first", "a.jpg", "b.jpg", "--scale", "full", "--runtime", "onnx", "--jobs", "2"]
    assert asked[0] == parse(ApplySettings, words, "apply")
    words = ["first", "--phase", "test", "--memorised_G_L1", "0.5", "--self_test", "me.png"]
    assert asked[1] == parse(VerifySettings, words, "verify")


def test_what_calls_were_given_before_they_took_all_settings_still_means_the_same(
    asked: list[Any],
) -> None:
    called(unretouch.apply, "a.jpg", weights="w.pth", full_scale=True, format=None)
    assert (asked[0].scale, asked[0].format, asked[0].weights) == ("full", "keep", Path("w.pth"))
    called(unretouch.verify, "first", probe=False, cross_minutes=2.0)
    assert (asked[1].no_probe, asked[1].cross, asked[1].cross_minutes) == (True, True, 2.0)
    called(unretouch.verify, images="made", dataroot="pairs", cross_minutes=None, probe=True)
    assert (asked[2].pairs, asked[2].dataroot, asked[2].cross) == (Path("pairs"), None, False)


def test_settings_that_are_unknown_or_impossible_are_refused() -> None:
    with pytest.raises(UsageError, match=r"lambda_l1: unknown setting\. Did you mean 'lambda_L1'"):
        unretouch.train("portrait_retouch", lambda_l1=3)
    with pytest.raises(UsageError, match="--lr"):
        unretouch.train("portrait_retouch", lr=-1.0)
    with pytest.raises(unretouch.UnretouchError, match="no such folder"):
        unretouch.train("nowhere")
    with pytest.raises(UsageError, match="one of both"):
        unretouch.apply("photo.jpg")
    with pytest.raises(UsageError, match="one of these"):
        unretouch.verify()
    with pytest.raises(CheckpointError, match="no such run"):
        unretouch.verify("nobody")


def test_a_photograph_that_fails_does_not_keep_the_others(folder: Path) -> None:
    (folder / "bad.jpg").write_bytes(b"no picture")
    unretouch.train("portrait_retouch", name="third", size="s", n_epochs=1)
    with pytest.raises(DataError, match=r"bad\.jpg"):
        unretouch.apply(["bad.jpg", Path("photo.jpg")], "third", out="both")
    assert (folder / "both/photo.jpg").exists()


def test_an_attribute_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = unretouch.trian


def test_importing_is_light() -> None:
    call = "from unretouch import train, apply, verify; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"torch", "numpy", "PIL", "rich", "scipy"}

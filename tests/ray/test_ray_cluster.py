"""Sweeps and bulk work through a Ray that is there already: the same ends, early stopping."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fault_harness as harness
import pytest
import sweeping
from fault_harness import Place, Warm

Environment = dict[str, str]

START = """
import json, os, sys
from unretouch.jobs import ray_engine
ray = ray_engine._begin()
environment = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
address = ray.get_runtime_context().gcs_address
print(json.dumps({**environment, "RAY_ADDRESS": address}), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Environment]:
    """What the commands are told of a Ray that serves all of them."""
    with subprocess.Popen(
        [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        environment = json.loads(process.stdout.readline())
        # Nobody else on the computer or beyond it can give work to what we start.
        assert environment["RAY_AUTH_MODE"] == "token"
        assert len(environment["RAY_AUTH_TOKEN"]) == 64
        assert environment["RAY_ADDRESS"].startswith("127.0.0.1:")
        yield environment


def test_hopeless_runs_are_given_up_and_the_others_are_not(
    cluster: Environment, forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    """A rate that learns well and one that learns nothing, beside one that learns little, which is
    known from its records alone: the last two are done, the other is stopped after 30 %."""
    little, good, poor = (f"exp/lr_{lr}" for lr in ("0.0001", "0.002", "0.000000001"))
    flags = (*sweeping.TINY, *sweeping.SLOW, "--lr", "1e-4")
    assert forker.run(Place(dataroot, tmp_path, flags, little).words()).code == 0
    argv = sweeping.words(dataroot, tmp_path, "--lr", "1e-4", "2e-3", "1e-9", *sweeping.SLOW)
    argv += ["--engine", "ray", "--jobs", "1"]
    code, printed = sweeping.finish(forker, argv, environment=cluster)
    assert code == 0, printed
    assert f"{little}: finished before" in printed
    assert f"{good}: done" in printed
    assert f"{poor}: given up as hopeless beside the others, at 3" in printed
    assert "page: " in printed
    assert harness.step(tmp_path / good) == sweeping.SLOW_STEPS
    assert harness.events(tmp_path / poor, "stop")[-1]["reason"] == "terminated"
    assert 0.3 * sweeping.SLOW_STEPS <= harness.step(tmp_path / poor) < sweeping.SLOW_STEPS
    code, printed = sweeping.finish(forker, argv, environment=cluster)
    assert code == 0, printed
    assert f"{poor}: given up before, at 3" in printed
    assert f"{good}: finished before" in printed


def test_photographs_and_verify_go_through_ray(
    cluster: Environment, forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    flags = (*harness.FAST, "--n_epochs", "1", "--n_epochs_decay", "0")
    place = Place(dataroot, tmp_path / "checkpoints", flags)
    assert forker.run(place.words()).code == 0
    run = [place.name, "--checkpoints_dir", str(place.checkpoints)]
    reports = {}
    for engine in ("local", "ray"):
        words = [*run, "--engine", engine, "--out", str(tmp_path / engine)]
        code, printed = sweeping.finish(
            forker, ["apply", *words, str(dataroot / "train")], environment=cluster
        )
        assert code == 0, printed
        assert "3 restored" in printed
        report = tmp_path / f"verify_{engine}"
        words = [*run, "--engine", engine, "--out", str(report), "--no_probe"]
        code, printed = sweeping.finish(forker, ["verify", *words], environment=cluster)
        assert code == 0, printed
        reports[engine] = json.loads((report / "report.json").read_text("utf-8"))
    for made in sorted((tmp_path / "local").glob("*.png")):
        assert made.read_bytes() == (tmp_path / "ray" / made.name).read_bytes()
    assert len(list((tmp_path / "ray").glob("*.png"))) == 3
    assert len(reports["local"]["training"]["pairs"]) == 3
    for part in ("training", "verdicts"):
        assert reports["ray"][part] == reports["local"][part]

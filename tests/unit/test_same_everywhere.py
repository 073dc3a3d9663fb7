"""The list of runs, its page, the terminal, verify and compare say the same of the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import short_runs
from PIL import Image

from unretouch.cli import dispatch
from unretouch.report.console import percent
from unretouch.runs.folder import RunDir
from unretouch.runs.status import FIGURES
from unretouch.serve.runs import Runs

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of which a part was retouched, and pairs whose sides differ everywhere."""
    root = tmp_path_factory.mktemp("same")
    short_runs.write_pairs(root / "everywhere")
    for path in short_runs.write_pairs(root / "in a part").rglob("*.png"):
        whole = np.array(Image.open(path))
        source, target = np.split(whole, 2, axis=1)
        source[:, :20], source[:, 40:] = target[:, :20], target[:, 40:]
        Image.fromarray(np.concatenate([source, target], axis=1)).save(path)
    return root


def figures_of(
    root: Path, pairs: str, name: str, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, Any]:
    """Train the run `name` on `pairs`; return what each place says of it."""
    common = ["--checkpoints_dir", str(root / "checkpoints")]
    train = ["train", "--dataroot", str(root / pairs), "--name", name, "--size", "s"]
    assert dispatch([*train, *common, *words, "--n_epochs_decay", "0"]) == 0
    terminal = capsys.readouterr().out
    assert dispatch(["verify", name, *common, "--no_probe"]) == 0
    assert dispatch(["compare", name, *common, "--out", str(root / f"compare_{name}")]) == 0
    report = json.loads((root / "checkpoints" / name / "verify" / "report.json").read_text("utf-8"))
    compared = json.loads((root / f"compare_{name}" / "comparison.json").read_text("utf-8"))
    run = RunDir(root / "checkpoints", name)
    runs = Runs(root / "checkpoints")
    status, listed = runs.status(run), runs.describe(run)
    assert status is not None
    return {
        "terminal": terminal,
        "listed": listed,
        "page": status["previews"][-1]["pairs"],
        "verify": report,
        "compare": compared,
    }


@pytest.mark.parametrize("pairs", ["in a part", "everywhere"])
def test_a_run_that_learnt_something(
    folder: Path, pairs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = figures_of(folder, pairs, pairs.split()[-1], capsys, "--n_epochs", "40")
    of_page = {pair["name"]: pair["recovered_share"] for pair in told["page"]}
    (run,) = told["compare"]["runs"]
    of_compare = {pair["name"]: pair["recovered_share"] for pair in run["pairs"]}
    assert min(of_page.values()) > 0.05
    assert of_compare == pytest.approx(of_page, abs=1e-3)
    assert told["listed"]["gain"] == "some"
    assert told["listed"]["recovered"] == pytest.approx(run["recovered_share"], abs=1e-3)
    for share in of_page.values():
        assert percent(share) in told["terminal"]
    for pair in told["verify"]["training"]["pairs"]:
        judged = pair["prediction"][pair["judged_by"]]["recovered_share"]
        assert judged == pytest.approx(of_page[pair["name"]], abs=0.005)


def test_a_run_that_did_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = figures_of(folder, "in a part", "nothing", capsys, "--n_epochs", "1", "--aim", "restore")
    (run,) = told["compare"]["runs"]
    assert told["listed"]["gain"] == "nothing"
    assert {pair["recovered_share"] for pair in told["page"]} == {0.0}
    assert told["verify"]["verdicts"]["memorised"]["word"] == "did nothing"
    assert told["verify"]["verdicts"]["texture"]["word"] == "nothing"
    assert [one["key"] for one in run["advice"][0]["because"]] == ["compare_nothing"]
    assert told["compare"]["take"]["key"] == "compare_take_none"
    assert "-0.0" not in told["terminal"]
    assert "DID NOTHING" in told["terminal"]


def test_a_run_on_two_files_compressed_apart(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compression is no error of the network: no place counts it, and each says the same."""
    short_runs.write_compressed_pairs(folder / "compressed")
    told = figures_of(folder, "compressed", "apart", capsys, "--n_epochs", "8")
    (run,) = told["compare"]["runs"]
    verified = {pair["name"]: pair for pair in told["verify"]["training"]["pairs"]}
    compared = {pair["name"]: pair for pair in run["pairs"]}
    for pair in told["page"]:
        known = {name: pytest.approx(pair[name], abs=2e-3) for name in FIGURES}
        of_verify, of_compare = verified[pair["name"]]["plain"], compared[pair["name"]]
        assert {name: of_verify[name] for name in FIGURES} == known
        assert {name: of_compare[name] for name in FIGURES} == known
        assert of_verify["left_out"] > pair["identity_error"] / 10
        lines = told["terminal"].splitlines()
        row = next(line for line in lines if line.startswith(f"{pair['name']} "))
        assert f"{pair['level_error']:.3f}" in row
        assert f"{pair['identity_error']:.3f}" in row
    assert told["listed"]["recovered"] == pytest.approx(run["recovered_share"], abs=2e-3)

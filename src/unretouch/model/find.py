"""Which weights file is meant: one of a run, or one that is named. Without torch."""

from __future__ import annotations

from pathlib import Path

from unretouch.base.errors import CheckpointError
from unretouch.runs.folder import RunDir, run_of
from unretouch.runs.history import read_best


def weights_file(
    run: str | None,
    weights: Path | None,
    *,
    epoch: str = "latest",
    checkpoints_dir: str = "./checkpoints",
    exported: bool = False,
) -> Path:
    """Return the file `weights`, else that of `run`, which is its name or its folder.

    It may have to be one that `unretouch export` made as ONNX. Raises CheckpointError.
    """
    if weights is None:
        return weights_of(run_of(run or "", checkpoints_dir), epoch, exported=exported)
    if not weights.is_file():
        raise CheckpointError("no such weights file", weights)
    if exported and weights.suffix.lower() != ".onnx":
        raise CheckpointError("is no ONNX file", weights, "Leave out --runtime onnx")
    return weights


def weights_of(
    run: RunDir, epoch: str = "latest", *, suffix: str = "", exported: bool = False
) -> Path:
    """Return the weights file of a run: `latest`, `best`, the number of an epoch, or `iter_N`.

    `suffix` stands before its ending, as the classic --model_suffix says. Raises CheckpointError
    naming the files there are.
    """
    if epoch == "best":
        best = read_best(run)
        if best is None:
            raise CheckpointError("has no best weights yet", run.root, "Take latest")
        epoch = str(best.epoch)
    path = run.weights(epoch, suffix=suffix)
    if exported:
        path = path.with_suffix(".onnx")
        if not path.exists():
            hint = f"Make it: unretouch export {run.name}"
            raise CheckpointError("was not exported", path, hint)
    if not path.exists():
        there = sorted(p.name for p in run.root.glob("*_net_G*.pth"))
        hint = f"There are: {', '.join(there)}" if there else "Train the run first"
        raise CheckpointError("no such weights file", path, hint)
    return path

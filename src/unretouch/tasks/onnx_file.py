"""A generator as an ONNX file: RGB in 0..1, any size, in and out; compared with torch."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from unretouch.base.errors import UsageError, VerificationError, install_hint
from unretouch.model.interface import RECORD
from unretouch.networks.classic import EPSILON, InstanceNorm
from unretouch.networks.detail import in_channels
from unretouch.networks.generator import Generator
from unretouch.networks.prediction import SMALLEST

SIZES = ((67, 101), (128, 96), (37, 211), (255, 64))
"""Height and width of the pictures on which both are compared: odd ones, and an even one."""

TOLERANCE = 0.01
"""Grey levels by which onnxruntime may differ from torch."""


class Exported(nn.Module):
    """float32 (1, 3, H, W) RGB in 0..1 to the same, H and W free, clamped.

    Contains what `spaces.to_network`, `networks.predict` in mode "evaluate" and `spaces.to_levels`
    do: the range, padding to the network's multiple by reflection, statistics of the picture.
    """

    def __init__(self, net: Generator) -> None:
        super().__init__()
        self.net = net.eval()
        self.multiple = net.size_multiple
        self.input_nc, self.output_nc = net.input_nc, net.output_nc
        _normalise_by_picture(self.net)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[-2:]
        source = in_channels(picture * 2 - 1, self.input_nc)
        extended = _extended(_extended(source, 2, self.multiple), 3, self.multiple)
        prediction = self.net(extended)[:, :, :height, :width]
        if (self.input_nc, self.output_nc) == (3, 3):
            result: torch.Tensor = (prediction + 1) / 2
        else:  # a grey network changes the light and leaves the colours
            result = picture + (prediction - source) / 2
        return result.clamp(0, 1)


def onnx_bytes(network: Exported, record: dict[str, Any]) -> bytes:
    """Return the network as an ONNX file with `record` in it. Raises UsageError."""
    _require()
    # Odd and unequal, so that nothing is taken for fixed or for equal.
    example = torch.rand(1, 3, 2 * network.multiple + 1, 3 * network.multiple + 5)
    free = {2: torch.export.Dim("height", min=1), 3: torch.export.Dim("width", min=1)}
    with _quiet():
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            input_names=["picture"],
            output_names=["restored"],
            dynamic_shapes={"picture": free},
            verbose=False,
        )
    if program is None:
        raise UsageError("this torch cannot export by dynamo", "--to onnx")
    program.model.metadata_props[RECORD] = json.dumps(record, ensure_ascii=False)
    data: bytes = program.model_proto.SerializeToString()
    return data


def difference(network: Exported, data: bytes) -> float:
    """Return the largest difference in grey levels between torch and onnxruntime over SIZES.

    Raises VerificationError above TOLERANCE.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = 0.0
    for height, width in SIZES:
        picture = random.random((1, 3, height, width), np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture)).numpy()
        (found,) = session.run(None, {"picture": picture})
        if found.shape != expected.shape:
            raise VerificationError(f"onnxruntime returns {found.shape} for {expected.shape}")
        largest = max(largest, float(np.abs(found - expected).max()) * 255)
    if not largest <= TOLERANCE:  # NaN as well
        raise VerificationError(
            f"onnxruntime differs from torch by {largest:.3g} grey levels, "
            f"more than {TOLERANCE}: nothing was written"
        )
    return largest


def _require() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"needs {error.name}", "--to onnx", install_hint("export")) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks about its own steps and about packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _extended(x: torch.Tensor, dimension: int, multiple: int) -> torch.Tensor:
    """As networks.prediction.padded, in operations whose sizes stay free."""
    size = x.shape[dimension]
    least = torch.sym_max(size, SMALLEST)  # type: ignore[no-untyped-call]
    wanted = (least + multiple - 1) // multiple * multiple
    # A tensor, as the exporter knows no remainder by a free size.
    period = torch.sym_max(2 * (size - 1), 1)  # type: ignore[no-untyped-call]
    period = torch.full((1,), period, dtype=torch.int64)
    index = torch.arange(wanted) % period
    index = torch.minimum(index, period - index)
    # For one pixel: period 1 leaves 0 and 1 - 0.
    return x.index_select(dimension, index.clamp(max=size - 1))


class _PictureNorm(nn.Module):
    """Batch normalisation by the statistics of one picture, as instance normalisation."""

    def __init__(self, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = (
            None if weight is None else nn.Parameter(weight.detach().clone()),
            None if bias is None else nn.Parameter(bias.detach().clone()),
            eps,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def _normalise_by_picture(net: nn.Module) -> None:
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _PictureNorm(child.weight, child.bias, child.eps))
            elif isinstance(child, InstanceNorm):
                setattr(module, name, _PictureNorm(None, None, EPSILON))

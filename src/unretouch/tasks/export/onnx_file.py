"""Write a generator as ONNX, and compare what onnxruntime makes of it with torch."""

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

from unretouch.base.errors import UsageError, VerificationError, install_hint
from unretouch.tasks.apply.onnx_model import RECORD
from unretouch.tasks.export.exported_network import Exported

SIZES = ((67, 101), (128, 96), (37, 211), (255, 64))
"""Height and width of the pictures on which both are compared: odd ones, and an even one."""

TOLERANCE = 0.01
"""Grey levels by which onnxruntime may differ from torch."""


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

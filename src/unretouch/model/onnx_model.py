"""An exported generator run by onnxruntime, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from unretouch.base.errors import CheckpointError, DataError, install_hint
from unretouch.model.interface import RECORD, TILE, Floats, ModelInfo, Part, Window, info_of_record

_TILE = 1_000_000
"""Pixels: onnxruntime keeps more memory a pixel than torch. What normalises by the whole picture
cannot be cut, so that takes the usual ones."""


class OnnxModel:
    """See interface.Model. The file takes and gives float32 (1, 3, H, W) in 0..1."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Open `path`. Raises CheckpointError for a file that is not ours or damaged."""
        try:
            import onnxruntime
        except ImportError:
            raise CheckpointError(
                "onnxruntime is not installed", path, install_hint("export")
            ) from None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"cannot be read: {error.strerror}", path) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or len(_processors())
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
            record = json.loads(self._session.get_modelmeta().custom_metadata_map[RECORD])
            self.info: ModelInfo = info_of_record(record, str(path))
            self.tile = TILE if self.info.per_picture else _TILE
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(
                "is no model that unretouch exported", path, "Make one: unretouch export RUN"
            ) from None
        except Exception as error:  # onnxruntime has its own classes, not all of them public
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CheckpointError(f"is damaged: {reason[:160]}", path) from None

    def look_at(self, height: int, rows: Callable[[slice], Floats]) -> None:
        """Nothing to do: what is exported looks at every tile with all its margin."""

    def change(
        self, picture: Floats, top: int = 0, left: int = 0, wanted: Part | None = None
    ) -> Floats:
        """Return prediction - source, float32 (H, W, 3), for float32 (H, W, 3) in 0..1."""
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1))[None]
        (prediction,) = self._session.run(None, {self._session.get_inputs()[0].name: planes})
        change: Floats = prediction[0].transpose(1, 2, 0) - picture
        return change

    def draw(self, strength: float, seed: int) -> None:
        """Nothing to do: what is exported draws nothing."""

    def spread(self, picture: Floats, top: int, left: int, wanted: Part) -> Floats:
        """Return no deviation: what is exported guesses nothing."""
        return np.zeros((*picture.shape[:2], 1), np.float32)

    def fix_statistics(self, windows: Callable[[], Iterator[Window]]) -> None:
        """Raise DataError: what was exported takes the statistics of each picture."""
        raise DataError(
            "is too large for this exported model, which normalises by the whole picture",
            "",
            "Use --runtime torch",
        )

    def free_statistics(self) -> None:
        """Nothing to do: it always takes the statistics of each picture."""


def _processors() -> list[int]:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return list(affinity(0)) if affinity else list(range(os.cpu_count() or 1))

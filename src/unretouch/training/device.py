"""Where to compute, and how to make it repeatable."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from unretouch.base.errors import UsageError
from unretouch.settings.train import DeviceName, PrecisionName


def choose(name: DeviceName) -> torch.device:
    """Return the device; auto takes CUDA, then MPS, then the processor.

    Raises UsageError for a device that this machine or this build of torch does not have.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    elif not there.get(name, True):
        raise UsageError(f"{name} is not available here", "--device", "Choose auto or cpu")
    return torch.device(name)


def precision(name: PrecisionName, device: torch.device) -> PrecisionName:
    """Return the precision that `name` means on `device`: auto is bf16-mixed where that is fast.

    Raises UsageError for bf16-mixed on a GPU that does not have it.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        if name == "bf16-mixed" and not fast:
            raise UsageError("this GPU has no bf16", "--precision", "Choose 32-true")
    else:
        fast = device.type == "cpu" and _processor_has_bf16()
    if name == "auto":
        return "bf16-mixed" if fast else "32-true"
    return name


def _processor_has_bf16() -> bool:
    can = _capabilities()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def _capabilities() -> dict[str, object]:
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def prepare(device: torch.device, kept: int = 1 << 30) -> None:
    """Make torch repeatable and quick on `device`. Call once, before training or predicting.

    Memory of tensors up to `kept` bytes stays with this process for the next step. That of larger
    ones goes back to the system, as does what was freed before this call.
    """
    # cuBLAS is repeatable only with a fixed workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as use_deterministic_algorithms, without its import of the compiler (2 seconds).
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
    # Fresh memory would be filled with NaN, a twentieth of a step's time; nothing here reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if device.type == "cpu":
        _keep_memory(kept)
        if _multiplies_faster_by_onednn():
            torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]


def _multiplies_faster_by_onednn() -> bool:
    """Return whether oneDNN multiplies float32 matrices faster than MKL, and just as exactly.

    MKL uses half of the vector units of processors that are not Intel's. torch hands float32
    matrices to oneDNN only where that may compute in bf16, which it does by AMX alone, and on ARM:
    with AVX-512 and without AMX the products are those of float32.
    """
    can = _capabilities()
    return bool(can.get("avx512_bw") and can.get("avx512_vl") and not can.get("amx_bf16"))


def _keep_memory(largest: int) -> None:
    """Make glibc keep freed memory, which makes convolutions up to three times faster.

    By default it gives every large tensor back to the system and fetches zeroed pages again at the
    next step. Does nothing with other C libraries.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        ctypes.CDLL(None).malloc_trim(0)
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_mmap_threshold, largest)
        mallopt(m_trim_threshold, 2**31 - 1)

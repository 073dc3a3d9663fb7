"""The processor or GPU, its number formats, cores and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

from unretouch.base import memory
from unretouch.base.durable import megabytes
from unretouch.tasks.doctor.finding import Finding

LITTLE_MEMORY = 3 * 10**9
"""Bytes below which the guide's presets may not fit: unet_256 at 512 pixels takes 2.3 GB."""


def examine() -> Iterator[Finding]:
    """Yield the device, bf16, the cores and the memory."""
    try:
        yield from _device()
    except ImportError as error:  # said already, or a damaged installation
        yield Finding("device", f"not known: {error}", "note", "Install torch first")
    yield _cores()
    yield _memory()


def _device() -> Iterator[Finding]:
    import torch

    from unretouch.training import device

    chosen = device.choose("auto")
    if chosen.type == "cuda":
        card = torch.cuda.get_device_properties(chosen)
        yield Finding("device", f"CUDA: {card.name}, {megabytes(card.total_memory)}")
    elif chosen.type == "mps":
        yield Finding("device", "MPS: the GPU of this Mac")
    else:
        yield Finding("device", "the processor; no CUDA or MPS was found")
    if device.precision("auto", chosen) == "bf16-mixed":
        yield Finding("bf16", "fast here, and used by itself")
    else:
        yield Finding("bf16", "not fast here; float32 is used by itself")


def _cores() -> Finding:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    value = f"{allowed or 'unknown'} to use"
    try:
        import torch
    except ImportError:
        return Finding("cores", value)
    threads = torch.get_num_threads()
    value += f", {threads} {'thread' if threads == 1 else 'threads'} of torch"
    if allowed and threads < allowed // 2:
        advice = "OMP_NUM_THREADS is set? Unset, torch takes every core"
        return Finding("cores", value, "note", advice)
    return Finding("cores", value)


def _memory() -> Finding:
    total, free = memory.total_bytes(), memory.free_bytes()
    if total is None:
        return Finding("memory", "unknown")
    value = megabytes(total) + (f", {megabytes(free)} free" if free is not None else "")
    if (total if free is None else free) < LITTLE_MEMORY:
        advice = "Close other programs, or train with --preset fast --size s, which needs 1 GB"
        return Finding("memory", value, "note", advice)
    return Finding("memory", value)

"""What stands in for classic flags that have no work here, said in one line each when given."""

from __future__ import annotations

from unretouch.base.errors import UsageError
from unretouch.settings.parser import Reading

VISDOM = ("display_id", "display_ncols", "display_server", "display_env", "display_port")

BOTH = {
    ("use_wandb", "wandb_project_name"): (
        "nothing is sent to wandb; see web/index.html and metrics.jsonl in the run's folder"
    ),
    ("display_winsize",): "the page fits pictures to its window",
    ("verbose",): "the networks and all settings are in config.json in the run's folder",
}

TRAIN = BOTH | {
    VISDOM: "no visdom is needed; open web/index.html in the run's folder",
    ("num_threads",): "pairs are kept in memory, or decoded ahead by two threads (see --cache_gb)",
    ("save_by_iter",): (
        "states are saved under their step in state/, numbered weights by --save_epoch_freq"
    ),
    ("update_html_freq",): "the page is renewed with its pictures, see --display_freq",
}

TEST = BOTH | {
    ("num_threads", "batch_size", "serial_batches", "no_flip"): (
        "a test takes the pictures one by one, in order, never mirrored"
    ),
    ("ndf", "netD", "n_layers_D", "init_type", "init_gain"): (
        "a test loads the generator; it needs no discriminator and no initialisation"
    ),
}
"""Classic flags of one kind, and the line that says what stands in for them."""

_ELSEWHERE = {
    ("model", "cycle_gan"): "CycleGAN learns without pairs; unretouch trains pix2pix on pairs",
    ("model", "colorization"): "unretouch trains pix2pix on pairs of colour pictures",
    ("dataset_mode", "unaligned"): "unretouch learns from pairs, --dataset_mode aligned",
    ("dataset_mode", "colorization"): "unretouch learns from pairs, --dataset_mode aligned",
}


def stand_in(reading: Reading, table: dict[tuple[str, ...], str]) -> tuple[Reading, list[str]]:
    """Return `reading` in our own terms, and a line for each kind of flag that does nothing here.

    Raises UsageError for what the classic program does and unretouch does not.
    """
    for (name, value), line in _ELSEWHERE.items():
        if reading.value(name) == value:
            raise UsageError(f"{value!r} is not offered", f"--{name}", line)
    notes = []
    if reading.value("norm") == "syncbatch":
        reading = reading.replace(norm="batch")
        notes.append("--norm syncbatch: on one device this is --norm batch, which is used")
    gpu_ids = reading.value("gpu_ids")
    if gpu_ids is not None:
        reading, note = _device(reading, gpu_ids)
        notes.append(note)
    for names, line in table.items():
        given = [f"--{name}" for name in names if name in reading.flags]
        if given:
            notes.append(f"{', '.join(given)}: {line}")
    return reading, notes


def _device(reading: Reading, gpu_ids: str) -> tuple[Reading, str]:
    chosen = reading.value("device")
    if chosen is not None:
        return reading, f"--gpu_ids {gpu_ids}: --device {chosen} decides"
    if gpu_ids.startswith("-"):
        return reading.replace(device="cpu"), f"--gpu_ids {gpu_ids}: computing on the processor"
    return reading, (
        f"--gpu_ids {gpu_ids}: one device is used, found by itself (CUDA, MPS, else the "
        "processor); --device chooses"
    )

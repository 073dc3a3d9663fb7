"""What the live page costs a run: `python benchmarks/live_page.py [--minutes 10] [--size 512]`.

Trains on three pairs of the astronaut's portrait, by the own command or, with --classic, by the
guide's strong command for so many epochs, and adds up the time spent on the page: pictures of every
pair (`previews`, from the prediction to the written file) and the files of the page itself
(`files`). Prints their shares of the training time, and how large the page has become.
"""

from __future__ import annotations

import argparse
import functools
import io
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from skimage.data import astronaut

from unretouch.pixels.images import resize, write_png
from unretouch.pixels.retouch import retouch
from unretouch.report import run_display
from unretouch.settings.train import TrainSettings
from unretouch.tasks import train as training_run
from unretouch.training.previews import Previews

OWN = {
    "netG": "detail", "size": "m", "preprocess": "none", "no_flip": True, "no_dropout": True,
    "recipe": "fast", "lambda_GAN": 0.0,
}  # fmt: skip
STRONG = {"lambda_L1": 500.0, "lr": 0.0001}
spent: dict[str, list[float]] = defaultdict(list)


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, its seconds noted under `name`."""

    @functools.wraps(function)
    def wrapped(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **named)
        finally:
            spent[name].append(time.perf_counter() - began)

    return wrapped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--classic", type=int, metavar="EPOCHS")
    options = parser.parse_args()
    Previews.take = timed("previews", Previews.take)  # type: ignore[method-assign]
    run_display.write_status = timed("files", run_display.write_status)
    training_run.train = timed("training", training_run.train)
    with tempfile.TemporaryDirectory(prefix="unretouch-live-page-") as temporary:
        place = Path(temporary)
        write_pairs(place / "pairs" / "train", options.size)
        how: dict[str, Any] = {**OWN, "minutes": options.minutes}
        if options.classic is not None:
            size = {"load_size": options.size, "crop_size": options.size}
            how = {**STRONG, **size, "n_epochs": options.classic, "n_epochs_decay": 0}
        folders = {"dataroot": str(place / "pairs"), "checkpoints_dir": str(place)}
        settings = TrainSettings(**folders, name="run", **how)
        console = Console(file=io.StringIO())
        training_run.train_run(settings, training_run.Continuation(), console, report=False)
        tell(place / "run" / "web")
    return 0


def write_pairs(folder: Path, size: int) -> None:
    """Write three pairs of size x size, A left and B right."""
    folder.mkdir(parents=True)
    for number, (top, left) in enumerate(((0, 96), (256, 96), (128, 0))):
        before = resize(astronaut()[top : top + 256, left : left + 256], size, size)
        after = retouch(before, seed=number, all_surfaces=True)
        write_png(folder / f"pair_{number}.png", np.concatenate([after, before], axis=1))


def tell(web: Path) -> None:
    (whole,) = spent["training"]
    for name in ("previews", "files"):
        seconds = sum(spent[name])
        times = len(spent[name])
        print(f"{name}: {times} times, {seconds:.2f} s, {seconds / whole:.2%} of {whole:.1f} s")
    share = (sum(spent["previews"]) + sum(spent["files"])) / whole
    sizes = [(path, path.stat().st_size) for path in web.rglob("*") if path.is_file()]
    pictures = sum(size for path, size in sizes if path.suffix == ".png")
    page = sum(size for path, size in sizes) - pictures
    print(f"together {share:.2%}; the page is {page / 1e3:.0f} kB beside {pictures / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())

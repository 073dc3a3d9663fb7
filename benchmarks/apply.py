"""How fast photographs are restored, decoding and encoding counted, and in how much memory.

    python benchmarks/apply.py                    all cases, half an hour and more
    python benchmarks/apply.py --only fast,12     the cases whose name contains both
    python benchmarks/apply.py --only command     what people wait for: 24 megapixels, ten minutes

Every case runs in a process of its own: the largest memory it ever held is its peak. The baseline
is the forward pass of the classic unet_256 alone: eager, float32, contiguous, whole picture,
without decoding and encoding and without this project's settings of the allocator.

Figures are gathered in docs/apply.json; a case that is measured again replaces its older figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "apply.json"
ROUNDS = 3
"""The quickest counts: what slows a round down is other work on the machine."""

SIZES = {1: (1000, 1000), 12: (4000, 3000), 24: (6000, 4000), 60: (9504, 6336)}
"""Width and height by megapixels; the largest are those of cameras."""

COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG to JPEG": ("jpeg", {}),
    "layers, PSD": ("jpeg", {"layers": True}),
    "layers, TIFF of 16 bits": ("tiff", {"layers": True}),
    "mask skin": ("jpeg", {"mask": "skin"}),
    "strength again, kept changes": ("jpeg", {"strength": 0.5}),
    "TIFF of 16 bits": ("tiff", {}),
}
"""By name: the format of the photograph, and the settings of `unretouch apply`."""


@dataclass(frozen=True)
class Case:
    """One row: which network, how, on how many megapixels."""

    name: str
    kind: str
    """classic, torch, onnx, or command: all that `unretouch apply` does but loading the model"""
    generator: str
    megapixels: int
    precision: str = "auto"
    tiled: bool = True
    format: str = "jpeg"
    size: str = "m"
    """of a `detail`"""


def cases() -> list[Case]:
    """Return all cases, the baseline first."""
    rows = [Case(f"classic unet_256 forward, {m} MP", "classic", "unet_256", m) for m in (1, 4)]
    for m in (1, 12, 60):
        rows.append(Case(f"fast, tiled, {m} MP", "torch", "detail", m))
    rows += [
        Case("fast, deep, tiled, 12 MP", "torch", "detail", 12, size="deep"),
        Case("fast, whole, 1 MP", "torch", "detail", 1, tiled=False),
        Case("fast, whole, 12 MP", "torch", "detail", 12, tiled=False),
        Case("fast, float32, tiled, 12 MP", "torch", "detail", 12, "32-true"),
        Case("fast, 16-bit TIFF, tiled, 12 MP", "torch", "detail", 12, format="tiff"),
    ]
    rows += [Case(f"fast, onnxruntime, tiled, {m} MP", "onnx", "detail", m) for m in (1, 12, 60)]
    rows += [
        Case("unet_256, whole, 1 MP", "torch", "unet_256", 1, tiled=False),
        Case("unet_256, onnxruntime, whole, 1 MP", "onnx", "unet_256", 1, tiled=False),
        Case("unet_256, whole, 12 MP", "torch", "unet_256", 12, tiled=False),
        Case("unet_256, fixed statistics, tiled, 12 MP", "torch", "unet_256", 12),
        Case("unet_256, fixed statistics, tiled, 60 MP", "torch", "unet_256", 60),
    ]
    rows += [
        Case(f"command, {name}, 24 MP", "command", "detail", 24, format=given[0])
        for name, given in COMMANDS.items()
    ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="parts of names, divided by commas")
    parser.add_argument("--json", type=Path, default=FIGURES)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(Case(**json.loads(options.case)))))
        return
    wanted = [c for c in cases() if all(part in c.name for part in options.only.split(","))]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    known = json.loads(options.json.read_text("utf-8")) if options.json.exists() else []
    figures_of = {row["name"]: row for row in known}
    for case in wanted:
        row = in_child(case)
        figures_of[case.name] = {**asdict(case), **row}
        print(
            f"{case.name:42s} {row['megapixels_per_second']:6.2f} MP/s {row['seconds']:7.1f} s "
            f"{row['peak_megabytes']:6.0f} MB  {row.get('note', '')}",
            flush=True,
        )
        ordered = [figures_of[c.name] for c in cases() if c.name in figures_of]
        options.json.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")


def in_child(case: Case) -> dict[str, Any]:
    """Return what `measure` returns, measured in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--case", json.dumps(asdict(case))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{case.name}: {done.stderr[-2000:]}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(case: Case) -> dict[str, Any]:
    """Return megapixels a second, seconds and peak memory of one case, run here."""
    width, height = SIZES.get(case.megapixels) or (2000, 2000)
    if case.kind == "classic":
        return classic(width, height)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_photo(root, width, height, case.format)
        weights = make_weights(root, case)
        if case.kind == "command":
            return commanded(case, root, weights, width * height / 1e6)
        return restored(case, root, weights, width * height / 1e6)


def classic(width: int, height: int) -> dict[str, Any]:
    """The baseline: sides rounded to multiples of 256, as the classic network needs them."""
    import torch

    from unretouch import networks
    from unretouch.settings.train import TrainSettings

    net = networks.build_generator(TrainSettings(dataroot="", no_dropout=True)).eval()
    sides = [max(256, round(side / 256) * 256) for side in (height, width)]
    picture = torch.rand(1, 3, *sides) * 2 - 1
    with torch.inference_mode():
        net(picture)  # not timed: kernels are chosen
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            net(picture)
            times.append(time.perf_counter() - begun)
    return figures(sides[0] * sides[1] / 1e6, min(times))


def make_photo(root: Path, width: int, height: int, kind: str) -> None:
    """Write a portrait with the grain of a camera, in a process of its own for its memory."""
    script = (
        "import numpy, sys\nfrom PIL import Image\nfrom pathlib import Path\n"
        "from skimage import data\nfrom unretouch.pixels.photos import Photo\n"
        "from unretouch.pixels.photos import write_photo\n"
        f"p = Image.fromarray(data.astronaut()).resize(({width}, {height}), 3)\n"
        "a = numpy.asarray(p).copy()\nr = numpy.random.default_rng(0)\n"
        "for y in range(0, len(a), 256):\n"
        "    s = a[y:y+256]\n"
        "    a[y:y+256] = numpy.clip(s + r.normal(0, 3, s.shape), 0, 255)\n"
        f"deep = {kind == 'tiff'}\n"
        "a = a.astype(numpy.uint16) * 257 if deep else a\n"
        "e = '.tif' if deep else '.jpg'\n"
        "write_photo(Path(sys.argv[1]) / ('a' + e), Photo(a, 'tiff' if deep else 'jpeg', e))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=True)


def make_weights(root: Path, case: Case) -> Path:
    """Write weights of the generator, random but for their usual size; ONNX in its own process."""
    script = (
        "import torch, sys\nfrom pathlib import Path\nfrom unretouch import networks\n"
        "from unretouch.settings.train import TrainSettings\n"
        "from unretouch.runs.weights import save_weights\n"
        "from unretouch.tasks.export import export\ntorch.manual_seed(0)\n"
        f"n = networks.build_generator(TrainSettings(dataroot='', netG='{case.generator}', "
        f"size='{case.size}'))\n"
        "if hasattr(n, 'head'): torch.nn.init.normal_(n.head.weight, std=0.02)\n"
        "p = Path(sys.argv[1]) / 'w.pth'\nsave_weights(p, n.state_dict())\n"
        f"if {case.kind == 'onnx'}: export(p, 'onnx')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=True)
    return root / ("w.onnx" if case.kind == "onnx" else "w.pth")


def restored(case: Case, root: Path, weights: Path, megapixels: float) -> dict[str, Any]:
    """Read, restore and write as `unretouch apply` does."""
    from unretouch.model.load import load_any
    from unretouch.pixels.photos import read_photo, write_photo
    from unretouch.tasks.apply.restore import Restorer

    model = load_any(weights, precision=case.precision)  # type: ignore[arg-type]
    restorer = Restorer(model, full_scale=True, tile=None if case.tiled else 10**12)
    (path,) = root.glob("a.*")
    model.change(read_photo(path).pixels[:1000, :1000].astype("float32") / 65535)  # not timed
    best: tuple[float, str] = (float("inf"), "")
    for _ in range(1 if case.megapixels > 12 or case.generator != "detail" else ROUNDS):
        begun = time.perf_counter()
        photo = read_photo(path)
        read = time.perf_counter()
        result = restorer.restore(photo)
        computed = time.perf_counter()
        write_photo(root / f"out{path.suffix}", result.photo)
        done = time.perf_counter()
        note = (
            f"read {read - begun:.1f} s, computed {computed - read:.1f} s, "
            f"written {done - computed:.1f} s"
        )
        best = min(best, (done - begun, note))
    return {**figures(megapixels, best[0]), "note": best[1]}


def commanded(case: Case, root: Path, weights: Path, megapixels: float) -> dict[str, Any]:
    """Do what `unretouch apply` does, from reading to writing, the model being loaded."""
    from unretouch.settings.commands import ApplySettings
    from unretouch.tasks.apply.command import Done, prepare

    (path,) = (str(found) for found in root.glob("a.*"))
    settings = COMMANDS[case.name.removeprefix("command, ").removesuffix(", 24 MP")][1]
    if "strength" in settings:
        settings = {**settings, "keep_changes": root / "kept"}

    def run(number: int, **more: Any) -> float:
        given = {"weights": weights, "photos": (path,), "out": root / str(number), **settings}
        batch = prepare(ApplySettings(**{**given, **more}))
        begun = time.perf_counter()
        for outcome in batch.run():
            if not isinstance(outcome, Done):
                raise outcome
        return time.perf_counter() - begun

    if "strength" in settings:
        run(0, strength=1.0)
    return figures(megapixels, min(run(1), run(2)))


def figures(megapixels: float, seconds: float) -> dict[str, Any]:
    return {
        "megapixels_per_second": megapixels / seconds,
        "seconds": seconds,
        "peak_megabytes": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """Return the largest resident memory of this process so far; 0 where that is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    main()

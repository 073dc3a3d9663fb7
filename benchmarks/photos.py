"""Full-size photographs: sets made of portraits, and what `unretouch` makes of them.

    python benchmarks/photos.py make FOLDER [--small | --many N | --sixty] [--dense]
                                [--quality 92 | --lossless] [--camera 95] [--portraits FOLDER]
    python benchmarks/photos.py PART ... [--work FOLDER] [--portraits FOLDER] [--json FILE]

`make` writes pairs to FOLDER/trainA (retouched) and FOLDER/trainB (before), and where each was
retouched to FOLDER/masks. See photo_sets.py for how they are made; all parts use such sets, which
are kept in --work, sparse and JPEG 92 on both sides. PART is one of

    sets                           what the sets are like: how much is retouch, how much compression
    area                           the retouched area that is found, beside the true one
    train:MINUTES[:SIZE[:AIM]]     `unretouch train` on the three large pairs, then what its weights
                                   make of them where they were retouched, and elsewhere
    memory:SET                     peak, first update; SET is three, ten (of 24 megapixels) or sixty
    crops[:AIM]                    the share of training crops that hold no retouch
    verify                         `unretouch verify --no_probe` on one pair of 24 megapixels
    window:STEPS[:SIZE[:AIM]]      so many updates on the small set, looked at every 200

Each part runs in a process of its own, and its figures are added to FILE when it ends; a part that
is measured again replaces its older figures. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import photo_sets
from photo_sets import Made, Mask, Photo, Rgb

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "photos.json"
SETS: dict[str, tuple[Photo, ...]] = {
    "sheets": photo_sets.SHEETS,
    "small": photo_sets.SMALL,
    "one": photo_sets.SHEETS[:1],
    "three": photo_sets.many(10)[:3],
    "ten": photo_sets.many(10),
    "sixty": photo_sets.LARGEST,
}
UPDATES = 5
"""Of the runs whose memory is measured."""
DRAWS = 2000
"""Crops of which the share without retouch is told."""
HOLDS = 0.01
"""Share of its pixels from which on a crop holds retouch."""
LOOK_EVERY = 200
STRIP = 256
"""Rows that are compared at once."""


# --- the set of a part -----------------------------------------------------------------------


def set_of(part: str) -> str:
    """Return the name of the set that a part is measured on."""
    kind, *words = part.split(":")
    known = {"area": "sheets", "sets": "sheets", "train": "sheets", "crops": "sheets",
             "verify": "one", "window": "small"}  # fmt: skip
    found = words[0] if kind == "memory" and words else known.get(kind, "")
    if found not in SETS:
        raise SystemExit(f"{part}: no such part; see {Path(__file__).name} --help")
    return found


def made_in(folder: Path, photos: Sequence[Photo]) -> list[Made]:
    """Return the pairs of a set that was made before."""
    return photo_sets.make(folder, photos, portraits=())


# --- commands, and what they take ------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    seconds: float
    peak_bytes: float
    first_update_s: float | None
    """until the first record of metrics.jsonl"""


def command(words: Sequence[str], metrics: Path | None = None, steps: int | None = None) -> Ended:
    """Run `unretouch` with these words. Raises RuntimeError when it fails.

    The largest memory of a process that was begun from here is never told as less than what this
    one has: so call it before anything large is read.
    """
    environment = dict(os.environ)
    environment.pop("UNRETOUCH_TEST_STEPS", None)
    if steps is not None:
        environment["UNRETOUCH_TEST_STEPS"] = str(steps)
    began, first = time.monotonic(), None
    process = subprocess.Popen(
        [sys.executable, "-m", "unretouch", *words], env=environment, stdout=sys.stderr
    )
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if first is None and metrics is not None and metrics.exists() and metrics.stat().st_size:
            first = round(time.monotonic() - began, 2)
        if ended:
            break
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"unretouch {words[0]}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Ended(round(time.monotonic() - began, 2), float(usage.ru_maxrss * unit), first)


def trained(
    data: Path, runs: Path, name: str, *flags: str, steps: int | None = None
) -> tuple[Path, Ended]:
    """Train a run of this name below `runs`; return its folder, and what it took."""
    shutil.rmtree(runs / name, ignore_errors=True)
    words = ["train", "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name]
    ended = command([*words, *flags], runs / name / "metrics.jsonl", steps)
    return runs / name, ended


# --- figures of a prediction -----------------------------------------------------------------


def prediction(model: Any, source: Rgb) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return what `unretouch apply` makes of a picture, in steps of 1/257 of a level: 65535 is
    white."""
    from unretouch.pixels.photos import Photo as Photograph

    pixels = source.astype(np.uint16)
    pixels *= 257
    restored = model.restore(Photograph(pixels, format="tiff", ending=".tif"))
    found: np.ndarray[Any, np.dtype[np.uint16]] = restored.photo.pixels
    return found


def restorer(run: Path) -> Any:
    """Return the saved weights of a run, as `unretouch apply` uses them."""
    from unretouch.model.load import load_any, weights_file
    from unretouch.tasks.apply.restore import Restorer

    return Restorer(load_any(weights_file(str(run), None)))


def rows_of(height: int) -> Iterator[slice]:
    return (slice(top, min(height, top + STRIP)) for top in range(0, height, STRIP))


def figures(
    predicted: np.ndarray[Any, Any], source: Rgb, target: Rgb, mask: Mask
) -> dict[str, float]:
    """Return how near a prediction (levels, or 16 bits) is to `target` inside and outside `mask`.

    Errors are in grey levels. `recovered` is the share of the error inside that is gone, `added`
    the error outside beyond that of doing nothing, `moved` the change there; `_8bit` tells the same
    of the prediction rounded to 8 bits, and `identical` the pixels outside that it leaves as they
    are.
    """
    sums: dict[str, float] = dict.fromkeys(
        ("inside", "outside", "inside_8bit", "outside_8bit", "nothing_inside", "nothing_outside",
         "moved", "moved_8bit", "identical"), 0.0
    )  # fmt: skip

    def add(name: str, differences: np.ndarray[Any, Any], where: Mask) -> None:
        sums[name] += float(differences[where].sum(dtype=np.float64))

    for rows in rows_of(len(source)):
        s, t = (side[rows].astype(np.float32) for side in (source, target))
        p = predicted[rows].astype(np.float32)
        if predicted.dtype == np.uint16:
            p /= 257
        rounded = np.rint(p)
        inside = mask[rows]
        for name, x, y in (
            ("", p, t), ("_8bit", rounded, t), ("nothing", s, t), ("moved", p, s),
            ("moved_8bit", rounded, s),
        ):  # fmt: skip
            differences = np.abs(x - y).mean(2)
            if name.startswith("moved"):
                add(name, differences, ~inside)
            elif name == "nothing":
                add("nothing_inside", differences, inside)
                add("nothing_outside", differences, ~inside)
            else:
                add(f"inside{name}", differences, inside)
                add(f"outside{name}", differences, ~inside)
        add("identical", (rounded == s).all(2), ~inside)
    within = float(mask.sum())
    without = float(mask.size - within)
    mean = {name: total / (within if "inside" in name else without) for name, total in sums.items()}
    found = {name: mean[name] for name in ("moved", "moved_8bit", "identical")}
    for kind in ("", "_8bit"):
        found[f"recovered{kind}"] = 1 - mean[f"inside{kind}"] / mean["nothing_inside"]
        found[f"added{kind}"] = mean[f"outside{kind}"] - mean["nothing_outside"]
        whole = sums[f"inside{kind}"] + sums[f"outside{kind}"]
        found[f"error{kind}"] = whole / mask.size
    found["nothing"] = (sums["nothing_inside"] + sums["nothing_outside"]) / mask.size
    found["nothing_inside"], found["nothing_outside"] = (
        mean[name] for name in ("nothing_inside", "nothing_outside")
    )
    return {name: round(value, 5) for name, value in found.items()}


def with_mean(pairs: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the figures of pairs, and their means over the pairs."""
    first = next(iter(pairs.values()))
    mean = {key: round(statistics.mean(pair[key] for pair in pairs.values()), 5) for key in first}
    return {"mean": mean, "pairs": pairs}


# --- parts -----------------------------------------------------------------------------------


def measure_sets(made: Sequence[Made]) -> dict[str, Any]:
    """Return what doing nothing costs, by retouch and by compression, and how large the work is."""
    from scipy import ndimage

    found = {}
    for one in made:
        source, target = (photo_sets.read(path) for path in (one.source, one.target))
        mask = photo_sets.read_mask(one.mask)
        row = figures(source, source, target, mask)
        change = np.empty(mask.shape, np.float32)
        for rows in rows_of(len(source)):
            change[rows] = (target[rows].astype(np.float32) - source[rows]).mean(2) * mask[rows]
        slow = ndimage.gaussian_filter(change, 8)
        found[one.photo.name] = {
            "megapixels": mask.size / 1e6,
            "retouched": round(one.changed, 4),
            "nothing": row["nothing"],
            "of_it_retouch": round(one.changed * row["nothing_inside"], 5),
            "of_it_compression": round((1 - one.changed) * row["nothing_outside"], 5),
            "nothing_inside": row["nothing_inside"],
            "nothing_outside": row["nothing_outside"],
            "energy_above_8_px": round(float(np.vdot(slow, slow) / np.vdot(change, change)), 4),
        }
    return found


def found_area(source: Rgb, target: Rgb) -> Mask:
    """Return the retouched area as `unretouch` finds it."""
    from unretouch.metrics.likeness import noise_and_area

    return noise_and_area(source, target)[1]


def measure_area(made: Sequence[Made], portraits: Path) -> dict[str, Any]:
    """Return how well the retouched area is found: intersection over union, what was missed or
    invented, and how much of the change (sum of absolute differences) lies in what was found."""
    cases: Iterator[tuple[str, Rgb, Rgb, Mask]] = (
        (made_one.photo.name, photo_sets.read(made_one.source), photo_sets.read(made_one.target),
         photo_sets.read_mask(made_one.mask))
        for made_one in made
    )  # fmt: skip
    found: dict[str, dict[str, float]] = {}
    small = photo_sets.mask_cases(photo_sets.portraits_in(portraits))
    for group in (small, cases):
        for name, source, target, true in group:
            began = time.monotonic()
            area = found_area(source, target)
            seconds = time.monotonic() - began
            change = np.zeros(true.shape, np.float32)
            for rows in rows_of(len(true)):
                difference = target[rows].astype(np.float32) - source[rows]
                change[rows] = np.abs(difference).mean(2) * true[rows]
            both = float((area & true).sum())
            found[name] = {
                "iou": both / float((area | true).sum()),
                "found": both / float(true.sum()),
                "true_of_found": both / max(1.0, float(area.sum())),
                "change_found": float(change[area].sum() / change.sum()),
                "called_retouched": float(area.mean()),
                "retouched": float(true.mean()),
                "seconds": seconds,
            }
            found[name] = {key: round(value, 4) for key, value in found[name].items()}
            print(f"{name:28} IoU {found[name]['iou']:.3f}", file=sys.stderr, flush=True)
    return {"lowest_iou": min(row["iou"] for row in found.values()), "cases": found}


def measure_train(data: Path, made: Sequence[Made], runs: Path, words: list[str]) -> dict[str, Any]:
    """Train for so many minutes, then compare predictions with the truth."""
    minutes, size, aim = (*words, *("10", "auto", "fit")[len(words) :])
    flags = ["--minutes", minutes, "--size", size, "--aim", aim]
    run, ended = trained(data, runs, "_".join(["train", minutes, size, aim]), *flags)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = records[-1]["step"]
    still = next((r["step"] for r in records if r["step"] > 1 and r["lr"] == 0), steps)
    found = {
        **dataclasses.asdict(ended),
        "budget_s": float(minutes) * 60,
        "steps": steps,
        "rate_zero_from": round(still / steps, 3),
    }
    model = restorer(run)
    pairs = {}
    for one in made:
        source, target = (photo_sets.read(path) for path in (one.source, one.target))
        mask = photo_sets.read_mask(one.mask)
        pairs[one.photo.name] = figures(prediction(model, source), source, target, mask)
        print(f"{one.photo.name}: {pairs[one.photo.name]}", file=sys.stderr, flush=True)
    return {**found, **with_mean(pairs)}


def measure_memory(data: Path, runs: Path, name: str) -> dict[str, Any]:
    """Make a few updates on a set; return peak and time to the first of them."""
    _, ended = trained(data, runs, f"memory_{name}", "--minutes", "10", steps=UPDATES)
    return {**dataclasses.asdict(ended), "updates": UPDATES}


def drawn_crops(data: Path, aim: str, count: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield the pair's name, top, left and side of the first crops that a fit trains on."""
    import torch

    from unretouch.pixels.pairs import load_pairs
    from unretouch.settings.train import TrainSettings
    from unretouch.training import crops
    from unretouch.training.fast_fit import FastFit

    settings = TrainSettings(
        dataroot=str(data), netG="detail", size="s", recipe="fast", aim=aim,  # type: ignore[arg-type]
        lambda_GAN=0, preprocess="none",
    )  # fmt: skip
    pairs = load_pairs(data, "train").pairs
    fit = FastFit(settings, pairs, torch.device("cpu"))
    stage = fit._stages[-1]  # the very places that its updates draw from
    table, batch = stage.table, stage.crops_a_step
    for number in range(count):
        place = crops.drawn_places(table, settings.seed, number // batch, batch)[number % batch]
        index, top, left = (int(x) for x in place)
        yield pairs[index].name, top, left, table.crop


def measure_crops(data: Path, made: Sequence[Made], aim: str) -> dict[str, Any]:
    """Return the share of training crops that hold no retouch, and where crops lie."""
    masks = {one.photo.name: photo_sets.read_mask(one.mask) for one in made}
    without, per_pair, side = 0, dict.fromkeys(masks, 0), 0
    for name, top, left, side in drawn_crops(data, aim, DRAWS):
        share = float(masks[name][top : top + side, left : left + side].mean())
        without += share < HOLDS
        per_pair[name] += 1
    return {"without_retouch": without / DRAWS, "crop": side, "crops_of": per_pair}


def measure_verify(data: Path, runs: Path) -> dict[str, Any]:
    """Return what `verify --no_probe` takes on a run of one pair of 24 megapixels."""
    run, _ = trained(data, runs, "verify", "--minutes", "10", steps=UPDATES)
    return dataclasses.asdict(command(["verify", str(run), "--no_probe"]))


def measure_window(data: Path, made: Sequence[Made], words: list[str]) -> dict[str, Any]:
    """Fit the small set for so many updates; return the figures on the way."""
    import torch

    from unretouch.networks import predict_picture
    from unretouch.pixels.pairs import load_pairs
    from unretouch.settings.train import TrainSettings
    from unretouch.training import device
    from unretouch.training.fast_fit import FastFit

    steps, size, aim = (*words, *("600", "m", "fit")[len(words) :])
    where = torch.device("cpu")
    device.prepare(where)
    settings = TrainSettings(
        dataroot=str(data), netG="detail", recipe="fast", size=size, aim=aim,  # type: ignore[arg-type]
        lambda_GAN=0, lambda_L1=500.0, preprocess="none", no_flip=True, no_dropout=True,
        precision=device.precision("auto", where),
    )  # fmt: skip
    pairs = load_pairs(data, "train").pairs
    masks = {one.photo.name: photo_sets.read_mask(one.mask) for one in made}
    fit = FastFit(settings, pairs, where)
    curve, seconds = [], 0.0
    for step in range(int(steps)):
        began = time.perf_counter()
        fit.update(step, step // len(pairs) + 1, step % len(pairs), step / int(steps))
        seconds += time.perf_counter() - began
        if (step + 1) % LOOK_EVERY and step + 1 < int(steps):
            continue
        found = {
            pair.name: figures(
                predict_picture(fit.generator, pair.source),
                pair.source,
                pair.target,
                masks[pair.name],
            )
            for pair in pairs
        }
        curve.append({"step": step + 1, "seconds": round(seconds, 1), **with_mean(found)})
        mean = curve[-1]["mean"]
        print(f"step {step + 1:6d} {seconds:6.0f} s  recovered {mean['recovered']:6.1%}  "
              f"added outside {mean['added']:+.4f}", file=sys.stderr, flush=True)  # fmt: skip
    return {"seconds_a_step": seconds / int(steps), "curve": curve}


def measure(part: str, work: Path, portraits: Path) -> dict[str, Any]:
    """Measure one part in this process, on sets that are there already."""
    kind, *words = part.split(":")
    name = set_of(part)
    data, runs = work / name, work / "runs"
    made = made_in(data, SETS[name])
    if kind == "sets":
        return measure_sets(made)
    if kind == "area":
        return measure_area(made, portraits)
    if kind == "train":
        return measure_train(data, made, runs, words)
    if kind == "memory":
        return measure_memory(data, runs, name)
    if kind == "crops":
        return measure_crops(data, made, words[0] if words else "fit")
    if kind == "verify":
        return measure_verify(data, runs)
    return measure_window(data, made, words)


# --- the command line ------------------------------------------------------------------------


def make(words: Sequence[str]) -> None:
    """Make the set that the command line asks for."""
    parser = argparse.ArgumentParser(prog="photos.py make", description="Make a set of pairs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--portraits", type=Path, default=photo_sets.PORTRAITS)
    parser.add_argument("--small", action="store_true", help="three pairs of 1280 x 1280")
    parser.add_argument("--many", type=int, help="so many pairs of 24 megapixels")
    parser.add_argument("--sixty", action="store_true", help="one pair of 60 megapixels")
    parser.add_argument("--dense", action="store_true", help="retouch the whole skin")
    parser.add_argument("--quality", type=int, default=92, help="of the JPEG of each side")
    parser.add_argument("--lossless", action="store_true", help="PNG instead")
    parser.add_argument("--camera", type=int, help="quality of a first JPEG, before the retouch")
    parser.add_argument("--set", choices=SETS, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    name = options.set or ("small" if options.small else "sixty" if options.sixty else "sheets")
    photos = photo_sets.many(options.many) if options.many else SETS[name]
    photos = tuple(dataclasses.replace(photo, dense=options.dense) for photo in photos)
    quality = None if options.lossless else options.quality
    portraits = photo_sets.portraits_in(options.portraits)
    photo_sets.make(
        options.folder, photos, portraits, quality, options.camera,
        lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip


def measure_parts(options: argparse.Namespace, work: Path) -> None:
    """Measure every part in a process of its own, and add the figures to the file."""
    record: dict[str, Any] = {}
    if options.json.exists():
        record = json.loads(options.json.read_text("utf-8"))
    record["machine"] = {"cores": os.cpu_count()}
    words = [sys.executable, __file__]
    common = ["--portraits", str(options.portraits)]
    for part in options.parts:
        # Apart, too: what is made here would count as memory of the commands that are measured.
        name = set_of(part)
        subprocess.run([*words, "make", str(work / name), "--set", name, *common], check=True)
        done = subprocess.run(
            [*words, "--measure", part, "--work", str(work), *common],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found = record.setdefault("parts", {})[part] = json.loads(done.stdout)
        options.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        print(f"{part}: {json.dumps(shown(found))}", flush=True)


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a part without those of every pair, and the last of a curve."""
    brief = {key: value for key, value in found.items() if key not in ("pairs", "curve", "cases")}
    if "curve" in found:
        brief["last"] = shown(found["curve"][-1])
    if "cases" in found:
        brief["iou"] = {name: row["iou"] for name, row in found["cases"].items()}
    return brief


def main() -> None:
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--work", type=Path, help="keeps the sets; unset, a temporary folder")
    parser.add_argument("--portraits", type=Path, default=photo_sets.PORTRAITS)
    parser.add_argument("--json", type=Path, default=FIGURES)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.work, options.portraits)))
        return
    with tempfile.TemporaryDirectory() as place:
        measure_parts(options, (options.work or Path(place)).resolve())


if __name__ == "__main__":
    main()

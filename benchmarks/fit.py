"""How fast and how far the generator `detail` fits, beside classic pix2pix: error by wall time.

    python benchmarks/fit.py [PART ...] [--retouch KIND] [--pairs FOLDER] [--json FILE]
    python benchmarks/fit.py --seeds 10 [--retouch KIND]
    python benchmarks/fit.py --spent 1

PART is AIM:MINUTES, and after it any of :SIZE, :BITS and :HEAD; AIM is fit, restore, texture, or
classic (unet_256 under the guide's strong command). Size and head are those of auto unless they are
given. With BITS, 16 or 8, the retouched sides are made anew in float, by smoothing as of the shared
pairs, and kept at 16 bits or rounded to 8; the network is also shown the held-out pairs of the
other depth. Each part is a run of its own in a process of its own, on all threads, the schedule
spread over its minutes, or over the updates of --updates. Evaluation is on whole pictures in
evaluation mode, in float, and its time is not counted. Figures are gathered in FILE, from which the
curves are drawn; a part that is measured again replaces its older figures. Run it on a quiet
machine.

With --retouch the retouched sides are made anew from the sides before, by the simulated retoucher
of that kind. --look FOLDER keeps a picture of a face that no part has seen, at 200 %: retouched,
restored (what is guessed drawn, too), true. --seeds counts the seeds that leave the identity.
--spent tells what a whole run of `unretouch train`, of so many minutes, spends beside its updates.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from unretouch.base.threads import wait_briefly

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("classic:3", "fit:1", "fit:10", "restore:4", "texture:10")
LOOKS = 24
"""Evaluations of the training pairs in a part, closer together at its start."""
STRONG: dict[str, Any] = {
    "netG": "unet_256", "load_size": 512, "crop_size": 512, "lambda_L1": 500.0, "lr": 0.0001,
    "n_epochs": 1000, "n_epochs_decay": 1000,
}  # fmt: skip
"""The guide's recommended command."""
RETOUCHES: dict[str, dict[str, Any]] = {
    "half": {"detail_left": 0.5}, "15%": {"detail_left": 0.15}, "nothing": {"detail_left": 0.0},
    "sparse": {"sparse": True},
}  # fmt: skip
"""Kinds of retouch: by the share of fine texture that it leaves, or only where it is needed."""
SMOOTHED = 0.86
"""Share of the skin's fine texture that a retouch takes away."""
SMOOTHING, EDGES, REACH = 4.0, 35.0, 6
"""Of the bilateral filter: sigma in pixels, sigma in grey levels of all three colours together, and
pixels it looks around. With SMOOTHED found by fitting two passes to the shared pairs: in the skin
that tells nine tenths of their change, and as much as there is of each size of texture."""
FACE = (slice(72, 200), slice(162, 290))
"""Rows and columns of the face of skimage's astronaut (NASA, public domain)."""
LEFT = 0.05
"""Share of the retouch undone with which a fit has left the identity."""
PATIENCE = 150
"""Updates after which a fit has to have left it."""
LEVEL_ERRORS = (1.0, 0.5, 0.255)
"""Grey levels whose time is told; the last is G_L1 = 1 at lambda 500."""


def retouched_anew(pairs_folder: Path, kind: str, out: Path) -> None:
    """Write pairs to `out`: the sides before of `pairs_folder`, and their retouch of this kind."""
    from unretouch.pixels import images
    from unretouch.pixels.pairs import load_pairs
    from unretouch.tasks.pair import simulate_pairs

    for phase in ("train", "heldout"):
        before = out / "before" / phase
        before.mkdir(parents=True)
        for pair in load_pairs(pairs_folder, phase).pairs:
            images.write_png(before / f"{pair.name}.png", pair.target)
        simulate_pairs([before], out / phase, **RETOUCHES[kind])


def smoothed(picture: Any) -> Any:
    """Return a picture, (H, W, 3) grey levels, by a bilateral filter (Tomasi and Manduchi 1998)."""
    import numpy as np

    height, width = picture.shape[:2]
    around = np.pad(picture, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="reflect")
    total, weights = np.zeros_like(picture), np.zeros((height, width, 1), picture.dtype)
    for down, right in itertools.product(range(-REACH, REACH + 1), repeat=2):
        if (far := down**2 + right**2) > REACH**2:
            continue
        top, left = REACH + down, REACH + right
        there = around[top : top + height, left : left + width]
        apart = np.abs(there - picture).sum(2, keepdims=True)
        weight = np.exp(-far / (2 * SMOOTHING**2) - apart**2 / (2 * EDGES**2))
        total += weight * there
        weights += weight
    return total / weights


def kept_at(pairs: Sequence[Any], bits: Any) -> list[Any]:
    """Return pairs with the retouched sides made anew in float from those before, as those of the
    shared pairs were made, and kept at so many bits: the skin smoothed with edges kept, twice, and
    SMOOTHED of what that takes away taken away. Spots are not healed.
    """
    from unretouch.pixels.pairs import Pair
    from unretouch.pixels.retouch import skin_mask
    from unretouch.pixels.spaces import in_depth, in_levels, levels_to_file

    kept = []
    for pair in pairs:
        before, skin = in_levels(pair.target), skin_mask(pair.target)[..., None]
        smooth = smoothed(smoothed(before))
        source = levels_to_file(before + SMOOTHED * skin * (smooth - before), bits)
        kept.append(Pair(pair.name, source, in_depth(pair.target, bits), pair.files))
    return kept


def face_restored(generator: Any, bits: Any, out: Path) -> None:
    """Write to `out` what a generator makes of an unseen face kept at so many bits, at 200 %:
    retouched, restored, true."""
    import numpy as np
    from skimage.data import astronaut

    from unretouch.networks import predict_picture
    from unretouch.networks.generator import Draw
    from unretouch.pixels import images
    from unretouch.pixels.pairs import Pair
    from unretouch.pixels.spaces import eight, levels_to_file

    photo = astronaut()
    (pair,) = kept_at([Pair("astronaut", photo, photo, ())], bits)
    generator.set_draw(Draw(1.0))
    restored = levels_to_file(predict_picture(generator, pair.source))
    shown = [eight(side)[FACE] for side in (pair.source, restored, pair.target)]
    large = [side.repeat(2, 0).repeat(2, 1) for side in shown]
    gap = np.full((len(large[0]), 8, 3), 255, np.uint8)
    images.write_png(out, np.concatenate([large[0], gap, large[1], gap, large[2]], 1))


def measure(
    part: str,
    pairs_folder: Path,
    heldout_folder: Path,
    updates: int | None = None,
    look_at: Path | None = None,
) -> dict[str, Any]:
    """Run one part in this process and return its figures."""
    import torch

    from unretouch.networks.pyramid import settled
    from unretouch.pixels.pairs import load_pairs
    from unretouch.settings.train import HeadName, TrainSettings
    from unretouch.training import device
    from unretouch.training.classic_fit import ClassicFit
    from unretouch.training.fast_fit import FastFit
    from unretouch.training.pair_error import evaluated
    from unretouch.training.training_pairs import prepared_pairs

    aim, minutes, *more = part.split(":")
    bits = next((int(word) for word in more if word.isdigit()), None)
    head = next((word for word in more if word in get_args(HeadName)), "auto")
    size = next((word for word in more if not word.isdigit() and word != head), "auto")
    where = torch.device("cpu")
    device.prepare(where)
    common: dict[str, Any] = {"dataroot": str(pairs_folder), "minutes": float(minutes)}
    if aim == "classic":
        settings = TrainSettings(**common, **STRONG)
    else:
        settings = TrainSettings(
            **common, netG="detail", recipe="fast", aim=aim, size=size, lambda_GAN=0,
            lambda_L1=500.0, preprocess="none", no_flip=True, no_dropout=True, head=head,
            precision=device.precision("auto", where),
        )  # fmt: skip
    given, unknown = (
        load_pairs(folder, phase).pairs
        for folder, phase in ((pairs_folder, "train"), (heldout_folder, "heldout"))
    )
    other: list[Any] = []
    if bits is not None:
        other = prepared_pairs(settings, kept_at(unknown, 24 - bits))
        given, unknown = kept_at(given, bits), kept_at(unknown, bits)
    if aim != "classic":
        settings = settled(settings, 0, max(pair.bits for pair in given))
    pairs, heldout = prepared_pairs(settings, given), prepared_pairs(settings, unknown)
    fit = (ClassicFit if aim == "classic" else FastFit)(settings, pairs, where)

    def look(seconds: float, step: int) -> dict[str, Any]:
        errors = [evaluated(fit.generator, pair)[1] for pair in pairs]
        found = {
            "seconds": round(seconds, 2), "step": step,
            "error": statistics.mean(e.level_error for e in errors),
            "worst": max(e.level_error for e in errors),
            "exact": statistics.mean(e.exact_pixels for e in errors),
            "share": statistics.mean(e.recovered_share or 0.0 for e in errors),
        }  # fmt: skip
        print(f"{part} {seconds:6.0f} s  step {step:6d}  {found['error']:.4f} levels",
              file=sys.stderr, flush=True)  # fmt: skip
        return found

    budget = settings.minutes * 60 if settings.minutes else 0.0
    looks = [budget * ((n + 1) / LOOKS) ** 1.5 for n in range(LOOKS)]
    curve, seconds, step = [look(0.0, 0)], 0.0, 0
    steps_per_epoch = len(pairs)
    while seconds < budget if updates is None else step < updates:
        began, progress = (
            time.perf_counter(),
            seconds / budget if updates is None else step / updates,
        )
        fit.update(step, step // steps_per_epoch + 1, step % steps_per_epoch, progress)
        seconds += time.perf_counter() - began
        step += 1
        if looks and seconds >= looks[0]:
            looks = [at for at in looks if at > seconds]
            curve.append(look(seconds, step))
    if curve[-1]["step"] < step:
        curve.append(look(seconds, step))
    found = {
        "part": part,
        "parameters": sum(p.numel() for p in fit.generator.parameters()),
        "precision": settings.precision,
        "seconds_a_step": seconds / step,
        "peak_bytes": peak_memory(),
        "curve": curve,
    }
    if updates is not None:
        found["updates"] = updates
    if other:
        found["heldout_of_other_depth"] = unseen(fit.generator, other)
    found["heldout"] = unseen(fit.generator, heldout)
    if look_at is not None:
        look_at.mkdir(parents=True, exist_ok=True)
        face_restored(fit.generator, bits or 8, look_at / f"{part.replace(':', '-')}.png")
    return found


def leaving(pairs_folder: Path, seeds: int) -> list[int | None]:
    """Return, for each seed, the updates after which the crops of the last ten had LEFT of their
    retouch undone; None where that did not happen while the fit had patience."""
    import torch

    from unretouch.pixels.pairs import load_pairs
    from unretouch.settings.train import TrainSettings
    from unretouch.training import device
    from unretouch.training.fast_fit import FastFit

    where = torch.device("cpu")
    device.prepare(where)
    pairs = load_pairs(pairs_folder, "train").pairs
    found: list[int | None] = []
    for seed in range(seeds):
        settings = TrainSettings(
            dataroot=str(pairs_folder), netG="detail", recipe="fast", lambda_GAN=0, seed=seed,
            size="auto", preprocess="none", precision=device.precision("auto", where),
        )  # fmt: skip
        fit = FastFit(settings, pairs, where)
        errors: list[tuple[float, float]] = []
        left = None
        while left is None and len(errors) < PATIENCE:
            step = len(errors)
            update = fit.update(step, 1, step, step / 1000)
            errors.append((update.mean_error, update.identity))
            error, identity = (sum(column) for column in zip(*errors[-10:], strict=True))
            if step >= 9 and error < (1 - LEFT) * identity:
                left = step + 1
        found.append(left)
        print(f"seed {seed}: {f'left after {left} updates' if left else 'stayed'}", flush=True)
    return found


def train_timed(pairs_folder: Path, minutes: float, began: float, out: Path) -> None:
    """Run `unretouch train` in this process, which was started at `began`, and write to `out` the
    seconds until its first update, those in all updates, and how many these were."""
    from unretouch import cli
    from unretouch.training import fast_fit

    updates: list[tuple[float, float]] = []

    class Timed(fast_fit.FastFit):
        def update(self, step: int, epoch: int, place: int, progress: float) -> Any:
            at = time.time()
            found = super().update(step, epoch, place, progress)
            updates.append((at, time.time()))
            return found

    fast_fit.FastFit = Timed  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as runs:
        words = ["train", "--dataroot", str(pairs_folder), "--name", "timed"]
        words += ["--checkpoints_dir", runs, "--minutes", str(minutes)]
        if code := cli.run(cli.dispatch, words):
            sys.exit(code)
    found = {
        "until_the_first_update_s": updates[0][0] - began,
        "after_the_last_update_s": time.time() - updates[-1][1],
        "in_updates_s": sum(end - start for start, end in updates),
        "between_updates_s": sum(
            start - end for (_, end), (start, _) in itertools.pairwise(updates)
        ),
        "updates": len(updates),
    }
    out.write_text(json.dumps(found), "utf-8")


def measure_spent(options: argparse.Namespace) -> None:
    """Measure what a run spends beside its updates, and add the figures to the file."""
    with tempfile.TemporaryDirectory() as place:
        out, began = Path(place) / "found.json", time.time()
        words = ["--pairs", str(options.pairs), "--spent", str(options.spent)]
        words += ["--began", str(began), "--json", str(out)]
        subprocess.run([sys.executable, __file__, *words], check=True)
        whole = time.time() - began
        found = json.loads(out.read_text("utf-8"))
    found["whole_s"] = whole
    found["beside_updates"] = 1 - found["in_updates_s"] / whole
    record = known_figures(options.json)
    record.setdefault("spent", {})[f"{options.spent:g} min"] = found
    write_figures(options.json, record)
    print(
        f"{found['updates']} updates take {found['in_updates_s']:.1f} s of {whole:.1f}: "
        f"{found['beside_updates']:.1%} goes elsewhere, "
        f"{found['until_the_first_update_s']:.1f} s before the first, "
        f"{found['between_updates_s']:.1f} s between two, "
        f"{found['after_the_last_update_s']:.1f} s after the last"
    )


def unseen(generator: Any, heldout: Sequence[Any]) -> dict[str, Any]:
    """Return the figures of held-out pairs, means over the pairs, beside those of doing nothing."""
    from unretouch.metrics import level_error
    from unretouch.metrics.likeness import noise_and_area
    from unretouch.metrics.table import METRICS
    from unretouch.networks import predict_picture
    from unretouch.pixels.retouch import skin_mask
    from unretouch.pixels.spaces import in_levels

    def figures(name: str, picture: Any, target: Any, area: Any = None) -> tuple[float | None, ...]:
        return METRICS[name].over(picture, target, target, area)

    rows: list[dict[str, float]] = []
    for pair in heldout:
        source, target = (in_levels(p) for p in (pair.source, pair.target))
        prediction = predict_picture(generator, pair.source)
        area = noise_and_area(pair.source, pair.target)[1]
        skin = area & (skin_mask(pair.target) > 0.5)
        psnr, psnr_before = (figures("psnr", p, target)[0] or 0 for p in (prediction, source))
        row = {
            "error": level_error(prediction, target), "identity": level_error(source, target),
            "psnr_gain": psnr - psnr_before,
            "outside": level_error(prediction, target, ~area),
            "inside": level_error(prediction, target, area),
            "inside_identity": level_error(source, target, area),
            "spectrum": figures("spectrum_distance", prediction, target, skin)[0],
            "spectrum_identity": figures("spectrum_distance", source, target, skin)[0],
        }  # fmt: skip
        bands = zip(
            ("2_4", "4_8", "8_16"), figures("band_energy", prediction, target, skin),
            figures("band_energy", source, target, skin), strict=False,
        )  # fmt: skip
        for name, ours, before in bands:
            row |= {f"band_{name}": ours or 0.0, f"band_{name}_identity": before or 0.0}
        rows.append({key: float(value or 0.0) for key, value in row.items()})
    return {
        "mean": {key: statistics.mean(row[key] for row in rows) for key in rows[0]},
        "pairs": {pair.name: row for pair, row in zip(heldout, rows, strict=True)},
    }


def peak_memory() -> float:
    """Return the largest resident size of this process in bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def time_of(curve: Sequence[dict[str, Any]], key: str, error: float) -> float | None:
    """Return the seconds after which `key` was at most `error`, by the looks taken."""
    return next((look["seconds"] for look in curve if look[key] <= error), None)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the figures as Markdown tables."""
    classic = [run for name, run in results.items() if name.startswith("classic")]
    step = classic[-1]["seconds_a_step"] if classic else math.nan
    wanted = " | ".join(f"error {e}" for e in LEVEL_ERRORS)
    fits = [
        f"| run | {wanted} | worst pair {LEVEL_ERRORS[-1]} | at the end: error | worst "
        "| exact pixels | peak memory |",
        "|---|" + "---|" * 8,
    ]
    held = [
        "| run | error (doing nothing) | less by | in the retouched area "
        "| bands 2-4, 4-8, 8-16 px (doing nothing) | spectrum, dB (doing nothing) | PSNR "
        "| outside |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, run in results.items():
        curve, last = run["curve"], run["curve"][-1]
        times = [time_of(curve, "error", e) for e in LEVEL_ERRORS]
        times.append(time_of(curve, "worst", LEVEL_ERRORS[-1]))
        shown = ["-" if t is None else f"{t:.0f} s = {t / step:.0f} steps" for t in times]
        fits.append(
            f"| {name} | {' | '.join(shown)} | {last['error']:.3f} | {last['worst']:.3f} "
            f"| {last['exact']:.1%} | {run['peak_bytes'] / 1e9:.2f} GB |"
        )
        m = run["heldout"]["mean"]
        bands = ", ".join(f"{m[f'band_{b}']:.2f}" for b in ("2_4", "4_8", "8_16"))
        before = ", ".join(f"{m[f'band_{b}_identity']:.2f}" for b in ("2_4", "4_8", "8_16"))
        less = f"{1 - m['error'] / m['identity']:.0%}"
        if other := run.get("heldout_of_other_depth"):
            mean = other["mean"]
            less += f" ({1 - mean['error'] / mean['identity']:.0%} of the other depth)"
        held.append(
            f"| {name} | {m['error']:.3f} ({m['identity']:.3f}) | {less} "
            f"| {m['inside']:.2f} ({m['inside_identity']:.2f}) | {bands} ({before}) "
            f"| {m['spectrum']:.2f} ({m['spectrum_identity']:.2f}) "
            f"| {m['psnr_gain']:+.1f} dB | {m['outside']:.2f} |"
        )
    head = f"One classic step takes {step:.2f} s here; times are also told in such steps.\n"
    return "\n".join([head, *fits, "", *held])


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Write the curves of the training pairs as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.6), dpi=110)
    # Before its first update `detail` does nothing.
    identity = next(run for name, run in results.items() if name.startswith("fit"))["curve"][0]
    for name, run in results.items():
        if name.startswith(("fit", "classic")):
            curve = run["curve"][1:] if name.startswith("classic") else run["curve"]
            axes.plot([max(c["seconds"], 1) for c in curve], [c["error"] for c in curve],
                      marker=".", label=name)  # fmt: skip
    axes.axhline(identity["error"], color="grey", ls="--", label="doing nothing")
    axes.axhline(LEVEL_ERRORS[-1], color="grey", ls=":", label="G_L1 = 1 at lambda 500")
    axes.set(xscale="log", yscale="log", xlabel="seconds of training, two processor cores",
             ylabel="mean error on the training pairs, grey levels")  # fmt: skip
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    shared = ROOT.parent / "shared" / "pairs"
    parser.add_argument("--pairs", type=Path, default=shared, help="holds train/")
    parser.add_argument("--heldout", type=Path, help="holds heldout/; unset, that of --pairs")
    parser.add_argument("--retouch", choices=RETOUCHES, help="kind of the retouch to be undone")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "performance.json")
    parser.add_argument("--png", type=Path, default=ROOT / "docs" / "images" / "fit-curve.png")
    parser.add_argument("--updates", type=int, help="end each part after so many updates")
    parser.add_argument("--seeds", type=int, help="only: do so many seeds leave the identity?")
    parser.add_argument("--spent", type=float, metavar="MINUTES",
                        help="only: what does a run spend beside its updates?")  # fmt: skip
    parser.add_argument("--look", type=Path, help="folder for pictures of an unseen face")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    wait_briefly()  # as the command does
    if options.measure:
        heldout = options.heldout or options.pairs
        found = measure(options.measure, options.pairs, heldout, options.updates, options.look)
        print(json.dumps(found))
        return
    if options.began:
        train_timed(options.pairs, options.spent, options.began, options.json)
        return
    with tempfile.TemporaryDirectory() as place:
        if options.retouch:
            made = Path(place) / "pairs"
            retouched_anew(options.pairs, options.retouch, made)
            options.pairs = options.heldout = made
        if options.seeds:
            count_seeds(options)
        elif options.spent:
            measure_spent(options)
        else:
            measure_parts(options)


def count_seeds(options: argparse.Namespace) -> None:
    """Count the seeds that leave the identity, and add the figures to the file."""
    found = leaving(options.pairs, options.seeds)
    record = known_figures(options.json)
    record.setdefault("updates_until_left", {})[options.retouch or "as they are"] = found
    write_figures(options.json, record)
    print(f"{sum(left is not None for left in found)} of {len(found)} left the identity")


def measure_parts(options: argparse.Namespace) -> None:
    """Measure every part in a process of its own, and add the figures to the file."""
    record = known_figures(options.json)
    results: dict[str, dict[str, Any]] = record.setdefault("parts", {})
    run: Callable[..., Any] = subprocess.run
    for part in options.parts:
        words = ["--measure", part, "--pairs", str(options.pairs)]
        words += ["--heldout", str(options.heldout or options.pairs)]
        words += ["--updates", str(options.updates)] if options.updates else []
        words += ["--look", str(options.look)] if options.look else []
        done = run(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        name = f"{options.retouch} {part}" if options.retouch else part
        results[name] = json.loads(done.stdout)
        write_figures(options.json, record)
    if any(name.startswith("fit") for name in results):
        draw(results, options.png)
    print(table(results))


def known_figures(path: Path) -> dict[str, Any]:
    """Return what was measured before."""
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return known


def write_figures(path: Path, record: dict[str, Any]) -> None:
    """Replace the file by `record`, and the machine's cores."""
    record = {"machine": {"cores": os.cpu_count()}, **record}
    path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

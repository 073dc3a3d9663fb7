"""Measure what docs/reliability.md promises, and write its table of figures.

    python benchmarks/faults.py            everything, about 15 minutes on one core
    python benchmarks/faults.py kills      one of: kills, crashes, signals, flips, hostile, cost

Each figure is a count of attempts, in which the run had to end with the same digest of its state
and the same records as a run that nothing happened to. Figures go to docs/reliability.json, from
there into the table in docs/reliability.md. Needs fork(): Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tests" / "fault")]

import fault_harness as harness  # noqa: E402
from fault_harness import CLASSIC, Place, Warm  # noqa: E402
from fault_hostile import corpus  # noqa: E402

FIGURES = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
KILLS = 200
EVERY_STEP = ("--save_latest_freq", "1")
SAVING_EVERY_STEP = (*CLASSIC, "--n_epochs", "8", "--n_epochs_decay", "2", *EVERY_STEP)
"""30 steps, a state after each."""


class Bench:
    """A folder, a warm process, and the run that nothing happened to."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self.folder, self.warm = folder, warm
        self.dataroot = harness.make_pairs(folder / "pairs")
        self.place = Place(self.dataroot, folder / "runs", SAVING_EVERY_STEP)
        whole = Place(self.dataroot, folder / "whole", SAVING_EVERY_STEP)
        began = time.monotonic()
        assert warm.run(whole.words()).code == 0
        self.seconds = time.monotonic() - began
        self.whole = whole.root
        self.expected = harness.outcome(whole.root)

    def afresh(self) -> None:
        """Remove the run of the attempt before."""
        shutil.rmtree(self.place.root, ignore_errors=True)

    def equal_after_resume(self) -> bool:
        """Resume; whether the end is that of the run that nothing happened to."""
        done = self.warm.run(self.place.words("--continue_train"))
        root = self.place.root
        if done.code != 0 or harness.outcome(root) != self.expected:
            print(done.out)
            return False
        return harness.latest_matches_state(root) and not list(root.rglob("*.partial"))


def kills(bench: Bench) -> dict[str, object]:
    """SIGKILL at a random instant of a run that saves every step."""
    equal = most_lost = reached = 0
    for seed in range(KILLS):
        bench.afresh()
        child = bench.warm.start(bench.place.words("--continue_train"))
        time.sleep(random.Random(seed).uniform(0, bench.seconds))
        child.kill()
        child.wait()
        root = bench.place.root
        saved = harness.step(root) if harness.states(root) else 0
        log = root / "metrics.jsonl"
        logged = len(log.read_bytes().split(b"\n")) - 1 if log.exists() else 0
        most_lost, reached = max(most_lost, logged - saved), reached + (0 < saved < 30)
        equal += bench.equal_after_resume()
        progress("kills", seed + 1, KILLS, equal)
    return {
        "label": "`kill -9` at a random instant of a run that saves every step, resumed: equal",
        "reached": equal, "of": KILLS,
        "note": f"{reached} of them between the first and the last save; steps lost at most: "
        f"{most_lost}",
    }  # fmt: skip


def crashes(bench: Bench) -> dict[str, object]:
    """Death before every single disk operation of a start and its first three saves."""
    equal = operation = 0
    bench.afresh()
    while True:
        bench.afresh()
        words = bench.place.words("--continue_train")
        done = bench.warm.run(words, crash_at=operation + 1, steps=3)
        if done.code != 137:
            break
        operation += 1
        equal += bench.equal_after_resume()
        progress("crashes", operation, operation, equal)
    return {
        "label": "crash before each disk operation of a start and its first three saves: equal",
        "reached": equal, "of": operation, "note": "write, flush, rename, flush folder, append, "
        "remove",
    }  # fmt: skip


def signals(bench: Bench) -> dict[str, object]:
    """Every step of 30 as the place of a stop, by three signals."""
    equal = count = 0
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    for number, code in codes.items():
        for step in range(30):
            bench.afresh()
            done = bench.warm.run(bench.place.words(), signal_in_step=[step, int(number), 1])
            equal += done.code == code and bench.equal_after_resume()
            count += 1
            progress("signals", count, 90, equal)
    return {
        "label": "stop in each of 30 steps by SIGINT, SIGTERM and SIGKILL, resumed: equal",
        "reached": equal, "of": count, "note": "",
    }  # fmt: skip


def flips(bench: Bench) -> dict[str, object]:
    """One bit of a state flipped, at 64 places."""
    import io

    import torch

    from unretouch.base.errors import CheckpointError
    from unretouch.runs import checkpoint

    data = harness.states(bench.whole)[0].read_bytes()
    path = bench.folder / "000000030.ckpt"
    noticed = by_torch = 0
    for seed in range(64):
        place = random.Random(seed).randrange(200 if seed < 16 else len(data))
        bad = data[:place] + bytes([data[place] ^ 1 << seed % 8]) + data[place + 1 :]
        path.write_bytes(bad)
        try:
            checkpoint.load(path)
        except CheckpointError:
            noticed += 1
        payload = bad[data.index(b"\n") + 1 :]
        if seed >= 16:
            try:
                torch.load(io.BytesIO(payload), weights_only=True)
            except Exception:
                by_torch += 1
    return {
        "label": "single flipped bits in a state that are noticed",
        "reached": noticed, "of": 64, "note": f"torch.load alone: {by_torch} of the 48 that lie "
        "in its part of the file",
    }  # fmt: skip


def hostile(bench: Bench) -> dict[str, object]:
    """Hostile files as latest_net_G.pth."""
    canary, refused, slowest, largest = bench.folder / "canary", 0, 0.0, 0.0
    files = corpus(canary)
    shutil.copytree(bench.whole, bench.place.root, dirs_exist_ok=True)
    for data in files.values():
        (bench.place.root / "latest_net_G.pth").write_bytes(data)
        done = bench.warm.run(
            [
                "--dataroot", str(bench.dataroot / "train"), "--name", "run", "--model", "test",
                "--checkpoints_dir", str(bench.place.checkpoints),
                "--results_dir", str(bench.folder / "results"),
            ],
            "test",
        )  # fmt: skip
        refused += done.code == 4 and not canary.exists() and len(done.out.splitlines()) == 1
        slowest, largest = max(slowest, done.seconds), max(largest, done.megabytes)
    return {
        "label": "hostile weights files refused in one line, exit 4, no code run",
        "reached": refused, "of": len(files),
        "note": f"slowest {slowest:.1f} s of processor time, at most {largest:.0f} MB resident",
    }  # fmt: skip


def cost(bench: Bench) -> dict[str, object]:
    """Share of the training time that saving takes at its default rhythm, with real networks."""
    import torch

    from unretouch.pixels.pairs import load_pairs
    from unretouch.runs.folder import RunDir
    from unretouch.settings.train import TrainSettings
    from unretouch.training import rhythm
    from unretouch.training.progress import Epochs, Progress
    from unretouch.training.session import Session, build_fit
    from unretouch.training.trainer import save_state

    pairs = load_pairs(harness.make_pairs(bench.folder / "large", 1, 512), "train").pairs
    found = []
    for label, settings in {
        "unet_256 at 512 px": TrainSettings(
            dataroot="", preprocess="none", load_size=512, crop_size=512, precision="32-true"
        ),
        "detail (m)": TrainSettings(
            dataroot="", netG="detail", recipe="fast", lambda_GAN=0, precision="32-true"
        ),
    }.items():
        fit = build_fit(settings, pairs, torch.device("cpu"))
        fit.update(0, 1, 0, 0.0)
        progress_ = Progress(epochs=Epochs(1), total_epochs=200, batch_size=1)
        run = RunDir(bench.folder / "cost", settings.netG)
        run.prepare()
        seconds = []
        for step in (1, 2, 3):
            progress_.step = step
            began = time.monotonic()
            save_state(run, settings, Session(fit, progress_, []))
            seconds.append(time.monotonic() - began)
        size = sum(p.stat().st_size for p in run.root.rglob("*") if step_file(p, progress_.step))
        worst = max(seconds)
        found.append(
            f"{label}: {size / 1e6:.0f} MB in {worst:.1f} s = "
            f"{worst / (rhythm.SAVE_EVERY_S + worst):.1%}"
        )
        shutil.rmtree(run.root)
    worst_share = max(float(text.rsplit(" ", 1)[1].rstrip("%")) for text in found)
    return {
        "label": "share of the time that saving takes at the default rhythm",
        "reached": f"{worst_share:.1f} %", "of": "3 % allowed", "note": "; ".join(found),
    }  # fmt: skip


def step_file(path: Path, step: int) -> bool:
    """Whether `path` is written by one save: the state of `step` or the latest weights."""
    return path.name == f"{step:09d}.ckpt" or path.name.startswith("latest_net_")


PARTS: dict[str, Callable[[Bench], dict[str, object]]] = {
    part.__name__: part for part in (kills, crashes, signals, flips, hostile, cost)
}


def progress(part: str, done: int, of: int, equal: int) -> None:
    print(f"\r{part}: {equal} equal of {done}/{of}  ", end="", file=sys.stderr, flush=True)


def table(figures: dict[str, dict[str, object]]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| what | reached | of | |", "|---|---:|---:|---|"]
    for name in PARTS:
        if name in figures:
            f = figures[name]
            rows.append(f"| {f['label']} | **{f['reached']}** | {f['of']} | {f['note']} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when left out")
    parts = parser.parse_args().parts or list(PARTS)
    figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    with tempfile.TemporaryDirectory() as folder, harness.warm(Path(folder) / "out") as warm:
        bench = Bench(Path(folder), warm)
        for part in parts:
            figures[part] = PARTS[part](bench)
            print(f"\r{part}: {figures[part]['reached']} of {figures[part]['of']}"
                  f"   {figures[part]['note']}")  # fmt: skip
            FIGURES.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if PAGE.exists():
        text = PAGE.read_text("utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n{table(figures)}\n{END}{tail}", "utf-8")
    return 0 if all(f["reached"] == f["of"] for n, f in figures.items() if n != "cost") else 1


if __name__ == "__main__":
    sys.exit(main())

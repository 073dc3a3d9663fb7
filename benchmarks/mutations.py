"""Show that the tests of the fault matrix can fail: break the program on purpose, see them red.

    python benchmarks/mutations.py           every break, about an hour on one core
    python benchmarks/mutations.py C1 R2     those of some rows
    python benchmarks/mutations.py --json    print the figures as JSON instead of a table

The breaks are in mutations.toml: `row`, what is `broken`, the `file` below src/unretouch, the text
taken out there (`old`, there once) and put in (`new`), more such edits (`also`), and beginnings of
the names of `tests` that must notice, unset those of the row. Each is made in a fresh copy. Tests
count as red when they fail themselves, not by a fixture, a collection or a time limit; unbroken,
they must be green. Figures go to docs/mutations.json, from there to docs/reliability.md. Exit code
0 when every break was seen. POSIX only, as the tests are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
BREAKS = Path(__file__).with_suffix(".toml")
FIGURES = ROOT / "docs" / "mutations.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- breaks -->", "<!-- end of breaks -->"
COPIED = ("src", "tests", "docs", "benchmarks", "pyproject.toml", "train.py", "test.py")
LONGEST_S = 400  # for one run of tests: what waits in vain fails before

CHILD = "import unretouch; print(unretouch.__file__)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-P', '-c', {CHILD!r}])"
"""Says what a process started by a process imports."""
Figure = dict[str, str]


@dataclass(frozen=True)
class Break:
    """A defect to be made; `edits` are (file below src/unretouch, old text, new text)."""

    row: str
    broken: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


def read_breaks() -> list[Break]:
    """Return what mutations.toml holds, in its order."""
    found = []
    for entry in tomllib.loads(BREAKS.read_text("utf-8"))["break"]:
        edits = tuple((e["file"], e["old"], e["new"]) for e in (entry, *entry.get("also", ())))
        tests = tuple(entry.get("tests", [f"test_{entry['row']}_"]))
        found.append(Break(entry["row"], entry["broken"], edits, tests))
    return found


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A copy to be broken, beside it the test data that lie beside the checkout."""
    with tempfile.TemporaryDirectory(prefix="unretouch-broken-") as folder:
        os.chmod(folder, 0o755)  # some tests give up root's rights and still read it
        copy = Path(folder) / "tree"
        copy.mkdir()
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / name)
        if (ROOT.parent / "shared").is_dir():
            (Path(folder) / "shared").symlink_to((ROOT.parent / "shared").resolve())
        yield copy


def make(defect: Break, copy: Path) -> str:
    """Break the copy; return what is wrong with the entry, mostly nothing."""
    for file, old, new in defect.edits:
        path = copy / "src" / "unretouch" / file
        text = path.read_text("utf-8")
        if (count := text.count(old)) != 1:
            return f"the text is in {file} {count} times: {old.strip().splitlines()[0]}"
        text = text.replace(old, new)
        try:
            compile(text, file, "exec")
        except SyntaxError as error:
            return f"{file} is no Python any more: {error}"
        path.write_text(text, "utf-8")
    return ""


def run_tests(copy: Path, names: Sequence[str], first_only: bool) -> tuple[str, str]:
    """Return ("red", the failed test), ("green", ""), or what else happened and to which test."""
    defined = [f"def {name}" for name in names]
    texts = {path: path.read_text("utf-8") for path in sorted((copy / "tests").rglob("test_*.py"))}
    files = [path for path, text in texts.items() if any(line in text for line in defined)]
    report = copy.parent / "report.xml"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(copy.parent / "hypothesis")
    where = subprocess.run(
        [sys.executable, "-c", PARENT], env=environment, cwd=copy, capture_output=True, text=True
    )
    if not where.stdout.startswith(str(copy)):
        return f"not the copy is imported but {where.stdout.strip() or where.stderr}", ""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider",
            "--basetemp", str(copy.parent / "tmp"), f"--junitxml={report}",
            *(["--maxfail=1"] if first_only else []),
            "-k", " or ".join(names), *map(str, files),
        ],
        cwd=copy, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "took too long", ""
    if not report.exists():
        return f"no report: {printed[-300:]}", ""
    ended = {"failure": "", "error": "", "skipped": "", None: ""}
    for case in ElementTree.parse(report).iter("testcase"):
        kind = next((k for k in ("failure", "error", "skipped") if case.find(k) is not None), None)
        ended[kind] = ended[kind] or case.attrib["name"].partition("[")[0]
    if process.returncode == 1 and ended["failure"]:
        return "red", ended["failure"]
    if process.returncode == 0:
        return ("green", "") if ended[None] else ("skipped", ended["skipped"])
    return f"ended by {process.returncode}", ended["error"]


def of_row(row: str, breaks: Sequence[Break]) -> list[Figure]:
    """Return what came of the breaks of a row."""
    with copy_of_the_tree() as copy:
        names = sorted({name for defect in breaks for name in defect.tests})
        unbroken = run_tests(copy, names, first_only=False)
    if unbroken[0] != "green":
        told = f"unbroken: {unbroken[0]}"
        return [{"broken": d.broken, "seen": told, "by": unbroken[1]} for d in breaks]
    figures = []
    for number, defect in enumerate(breaks, 1):
        with copy_of_the_tree() as copy:
            problem = make(defect, copy)
            seen, by = (problem, "") if problem else run_tests(copy, defect.tests, first_only=True)
        print(f"{row} {number}/{len(breaks)}: {seen} {by}  {defect.broken}", file=sys.stderr)
        figures.append({"broken": defect.broken, "seen": seen, "by": by})
    return figures


def table(figures: dict[str, list[Figure]], breaks: Sequence[Break]) -> str:
    """Return the figures as Markdown, and which of the breaks have none yet."""
    tried = {(row, figure["broken"]) for row, found in figures.items() for figure in found}
    red = sum(figure["seen"] == "red" for found in figures.values() for figure in found)
    lines = [f"**{red}** of {len(tried)} breaks in {len(figures)} rows were seen."]
    if left := [f"{b.row} ({b.broken})" for b in breaks if (b.row, b.broken) not in tried]:
        lines.append(f"Not tried yet: {', '.join(left)}.")
    lines += ["", "| row | broken on purpose | red |", "|---|---|---:|"]
    for row, found in figures.items():
        broken = "; ".join(figure["broken"] for figure in found)
        lines.append(f"| {row} | {broken} | {sum(f['seen'] == 'red' for f in found)} |")
    return "\n".join(lines)


def write(figures: dict[str, list[Figure]], breaks: Sequence[Break]) -> None:
    FIGURES.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(figures, breaks)}\n{END}{tail}", "utf-8")


def main() -> int:
    breaks = read_breaks()
    rows = dict.fromkeys(defect.row for defect in breaks)
    by_row = {row: [defect for defect in breaks if defect.row == row] for row in rows}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("rows", nargs="*", choices=[*by_row, []], help="all when left out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    done: dict[str, list[Figure]] = {}
    for row in asked.rows or by_row:
        done[row] = of_row(row, by_row[row])
        before = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
        known = {**before, **done}
        write({name: known[name] for name in by_row if name in known}, breaks)
    chosen = [defect for defect in breaks if defect.row in done]
    print(json.dumps(done, indent=2, ensure_ascii=False) if asked.json else table(done, chosen))
    return 0 if all(f["seen"] == "red" for found in done.values() for f in found) else 1


if __name__ == "__main__":
    sys.exit(main())

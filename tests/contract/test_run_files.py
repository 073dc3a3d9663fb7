"""What a person's own scripts read in a run folder keeps the classic form."""

from __future__ import annotations

import re
from pathlib import Path

from unretouch.runs import history
from unretouch.runs.folder import RunDir

LINE = re.compile(
    r"^\(epoch: (\d+), iters: (\d+), time: ([\d.]+), data: ([\d.]+)\) "
    r"G_GAN: (-?[\d.]+) G_L1: (-?[\d.]+) D_real: (-?[\d.]+) D_fake: (-?[\d.]+) "
)
HEADER = re.compile(r"^=+ Training Loss \(\w{3} .+ \d{4}\) =+$")


def make_run(root: Path) -> RunDir:
    run = RunDir(root, "run")
    run.prepare()
    return run


def test_a_loss_line_reads_as_the_classic_one_with_plain_figures_behind(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    history.append_loss_header(run)
    values = {"G_GAN": 0.712, "G_L1": 12.3456, "D_real": 0.5, "D_fake": 0.6}
    history.append_loss_line(
        run, 34, 1, 0.1234, 0.0021, values | {"levels": 3.148, "recovered": -0.73}
    )
    header, line = run.loss_log.read_text("utf-8").splitlines()
    assert HEADER.match(header)
    classic = "(epoch: 34, iters: 1, time: 0.123, data: 0.002) "
    classic += "G_GAN: 0.712 G_L1: 12.346 D_real: 0.500 D_fake: 0.600 "
    assert line.startswith(classic)
    assert LINE.match(line)
    assert line.removeprefix(classic) == "levels: 3.148 recovered: -0.730 "


def test_the_paths_are_the_classic_ones(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "name")
    names = [
        run.loss_log, run.train_options, run.test_options, run.weights("latest"),
        run.weights("latest", "D"), run.weights(35), run.weights("iter_400"), run.web,
    ]  # fmt: skip
    assert [str(path.relative_to(tmp_path / "name")) for path in names] == [
        "loss_log.txt", "train_opt.txt", "test_opt.txt", "latest_net_G.pth", "latest_net_D.pth",
        "35_net_G.pth", "iter_400_net_G.pth", "web",
    ]  # fmt: skip

"""The user's guide, line by line: its commands exactly as printed, on real 512 pairs, each test
with the run that the one before it left.

Only the number of updates is cut, by an environment variable that exists for this test.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unretouch.pixels import images, spaces
from unretouch.pixels.retouch import retouch
from unretouch.runs.checkpoint import load

PROJECT = Path(__file__).parents[2]

BALANCED = (
    "python train.py --dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --batch_size 1 --load_size 512 --crop_size 512 --n_epochs 800 "
    "--n_epochs_decay 800 --lambda_L1 300.0 --lr 0.0001 --continue_train"
)
STRONG = (
    "python train.py --dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --batch_size 1 --load_size 512 --crop_size 512 --n_epochs 1000 "
    "--n_epochs_decay 1000 --lambda_L1 500.0 --lr 0.0001 --continue_train"
)
EXTREME = (
    "python train.py --dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --batch_size 1 --load_size 512 --crop_size 512 --n_epochs 2000 "
    "--n_epochs_decay 2000 --lambda_L1 1000.0 --lr 0.00005 --continue_train"
)
TEST_ON_TRAINING = (
    "python test.py --dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --epoch latest --netG unet_256 --norm batch"
)
TEST_ON_NEW = (
    "python test.py --dataroot ./test_images/test --name portrait_retouch_reverse --model test "
    "--direction AtoB --dataset_mode single --epoch latest --netG unet_256 --norm batch"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """A folder as the guide has it: the two scripts, two 512 pairs, new pictures."""
    root = tmp_path_factory.mktemp("guide")
    for script in ("train.py", "test.py"):
        (root / script).write_bytes((PROJECT / script).read_bytes())
    face = spaces.resize(portrait[0:256, 96:352], 512, 512)
    sides = {"one": portrait, "둘": np.ascontiguousarray(portrait[:, ::-1])}
    (root / "portrait_retouch/train").mkdir(parents=True)
    for name, before in sides.items():
        combined = np.concatenate([retouch(before, seed=1), before], axis=1)
        images.write_png(root / f"portrait_retouch/train/{name}.png", combined)
    (root / "test_images/test").mkdir(parents=True)
    Image.fromarray(portrait[:300, :220]).save(root / "test_images/test/tall.jpg")
    Image.fromarray(face).save(root / "test_images/test/face.webp")
    return root


def start(command: str, root: Path, **extra: str) -> subprocess.Popen[str]:
    program, *words = shlex.split(command)
    assert program == "python"
    return subprocess.Popen(
        [sys.executable, *words], cwd=root, text=True, env=os.environ | extra,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def ran(command: str, root: Path, steps: int = 1) -> str:
    process = start(command, root, UNRETOUCH_TEST_STEPS=str(steps))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def test_the_guide_from_its_first_command(project: Path) -> None:
    run = project / "checkpoints/portrait_retouch_reverse"

    first = ran(BALANCED, project, steps=2)
    assert "starting afresh" in first
    assert (run / "latest_net_G.pth").stat().st_size > 217_695_348
    index = (run / "web/index.html").read_text("utf-8")
    assert "real_A" in index
    assert "fake_B" in index
    seen = {json.loads(line)["step"] for line in (run / "metrics.jsonl").open()}
    assert 1 in seen
    shown = json.loads((run / "previews.jsonl").read_text("utf-8").splitlines()[0])
    assert shown["step"] == 0
    assert {pair["name"] for pair in shown["pairs"]} == {"one", "둘"}


def test_ctrl_c_finishes_the_step_saves_and_says_where(project: Path) -> None:
    run = project / "checkpoints/portrait_retouch_reverse"
    log = run / "loss_log.txt"
    lines = log.read_text("utf-8").count("\n")
    process = start(STRONG, project)
    try:
        deadline = time.monotonic() + 300
        while log.read_text("utf-8").count("\n") < lines + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, output
    assert "going on at epoch 2, step 3" in output
    assert "--lambda_L1 is 500.0 from here on (was 300.0)" in output
    assert "saved in checkpoints/portrait_retouch_reverse" in output
    assert newest_step(run) > 2


def newest_step(run: Path) -> int:
    return load(max((run / "state").glob("*.ckpt"))).step


def test_the_guide_to_its_last_command(project: Path) -> None:
    run = project / "checkpoints/portrait_retouch_reverse"
    before = newest_step(run)
    third = ran(EXTREME, project)
    assert f", step {before + 1}" in third
    assert newest_step(run) == before + 1
    assert '"lr":5e-05,' in (run / "web/status.js").read_text("utf-8")

    memorised = ran(TEST_ON_TRAINING, project)
    assert "testing on the training pairs in train/" in memorised
    results = project / "results/portrait_retouch_reverse"
    for label in ("real_A", "fake_B", "real_B"):
        picture = Image.open(results / f"train_latest/images/둘_{label}.png")
        assert picture.size == (512, 512)
    target = images.read_rgb(project / "portrait_retouch/train/둘.png")[:, 512:]
    answer = images.read_rgb(results / "train_latest/images/둘_real_B.png")
    assert np.array_equal(target, answer), "real_B must be the picture itself, not one level darker"

    unseen = ran(TEST_ON_NEW, project)
    assert "2 pictures treated" in unseen
    assert (results / "test_latest/images/tall_fake.png").exists()
    assert (results / "test_latest/images/face_fake.png").exists()

    whole = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    assert whole < 2e9


def test_works_from_another_folder_through_the_installed_command(project: Path) -> None:
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    command = TEST_ON_TRAINING.removeprefix("python test.py").replace("./", "../")
    words = [*shlex.split(command), "--checkpoints_dir", "../checkpoints"]
    done = subprocess.run(
        [sys.executable, "-m", "unretouch", "test", *words],
        cwd=elsewhere, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = "results/portrait_retouch_reverse/train_latest"
    assert (elsewhere / made / "index.html").exists()
    # And the same input gives the same picture twice.
    for name in ("one", "둘"):
        twice = (root / made / f"images/{name}_fake_B.png" for root in (project, elsewhere))
        assert len({picture.read_bytes() for picture in twice}) == 1

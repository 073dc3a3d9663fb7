"""Pictures of any size come back in their own size.

Row I6 of docs/reliability.md, through `test.py --model test`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fault_harness import CLASSIC, FAST, Place, Warm
from PIL import Image

SIZES = ((1, 1), (1, 7), (2, 2), (3, 50), (31, 33), (127, 65), (301, 1))

NETWORKS = {
    "detail": FAST,
    "resnet": CLASSIC,
    "unet": (*CLASSIC, "--netG", "unet_128", "--crop_size", "128", "--preprocess", "none"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def trained(
    request: pytest.FixtureRequest,
    forker: Warm,
    dataroot: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    place = Place(dataroot, tmp_path_factory.mktemp("trained"), NETWORKS[request.param])
    assert forker.run(place.words(), steps=1, tiny_detail=True).code == 0
    return place


def sizes_after_test(
    forker: Warm, place: Place, folder: Path, results: Path, *more: str
) -> tuple[dict[str, tuple[int, int]], float]:
    """Test the pictures in `folder`. Returns the sizes of the results by name, and the memory."""
    done = forker.run(
        [
            "--dataroot", str(folder), "--name", place.name, "--model", "test",
            "--checkpoints_dir", str(place.checkpoints), "--results_dir", str(results),
            "--preprocess", "none", *more,
        ],
        "test",
        tiny_detail=True,
    )  # fmt: skip
    assert done.code == 0, done.out
    found = {}
    for path in results.rglob("*_fake.png"):
        with Image.open(path) as image:
            found[path.name.removesuffix("_fake.png")] = image.size
    return found, done.megabytes


def test_I6_every_size_comes_back(forker: Warm, trained: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    expected = {}
    for width, height in SIZES:
        name = f"{width}x{height}"
        expected[name] = (width, height)
        pixels = np.arange(width * height * 3, dtype=np.uint64).reshape(height, width, 3) % 256
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    assert sizes_after_test(forker, trained, folder, tmp_path / "results")[0] == expected

"""Finished pictures, whoever made them, judged by the same ruler."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from unretouch.base import names
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.metrics import Picture
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair, load_pairs
from unretouch.settings.train import Direction

CLASSIC_ENDING = "_fake_B"
"""Of the predictions in a classic results folder, beside _real_A and _real_B."""


def finished_pictures(
    predictions: Path, pairs: Path, phase: str = "", direction: Direction = "AtoB"
) -> Iterator[tuple[Pair, Picture]]:
    """Yield the pairs in `pairs`, each with the picture in `predictions` that belongs to it, in
    file space.

    A picture belongs to the pair of its name, whatever the ending; where any is called
    `NAME_fake_B`, as in a classic results folder, only such count. An empty `phase` takes the
    folder `pairs` itself. Before the first one everything is looked at: raises ManyDataErrors
    naming each pair without a picture, DataError where the folders cannot be read; later DataError
    for a picture of another size than its pair.
    """
    loaded = load_pairs(pairs, phase, direction).pairs
    files = match(predictions, loaded)
    return ((pair, _of_its_size(files[pair.name], pair)) for pair in loaded)


def match(predictions: Path, pairs: list[Pair]) -> dict[str, Path]:
    """Return the picture of each pair by the pair's name. Raises as finished_pictures does."""
    by_name, by_stem = _index(predictions)
    stems = Counter(stem for pair in pairs for stem in _stems(pair))
    matched: dict[str, Path] = {}
    problems = []
    for pair in pairs:
        # By the bare name of a file only where no other pair and no other picture is called so.
        sure = [stem for stem in _stems(pair) if stems[stem] == 1 and stem in by_stem]
        file = by_name.get(_key(pair.name)) or (by_stem[sure[0]] if sure else None)
        if file is None:
            hint = f"Expected {pair.name}.png or {pair.name}{CLASSIC_ENDING}.png"
            what = f"has no picture for the pair {pair.name}"
            problems.append(DataError(what, predictions, hint))
        else:
            matched[pair.name] = file
    if problems:
        raise ManyDataErrors(problems)
    return matched


def _index(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the pictures of a folder by the names pairs would have, and by unrepeated stems."""
    found = images.list_images(folder)
    chosen = [path for path in found if path.stem.endswith(CLASSIC_ENDING)] or found
    relative = [
        path.relative_to(folder).with_stem(path.stem.removesuffix(CLASSIC_ENDING) or path.stem)
        for path in chosen
    ]
    labels = [_key(name) for name in names.unique_stems(relative)]
    stems = [_key(path.stem) for path in relative]
    repeated = Counter(stems)
    by_stem = {stem: p for stem, p in zip(stems, chosen, strict=True) if repeated[stem] == 1}
    return dict(zip(labels, chosen, strict=True)), by_stem


def _stems(pair: Pair) -> list[str]:
    """Return the different stems of a pair's files."""
    return list(dict.fromkeys(_key(file.stem) for file in pair.files))


def _of_its_size(file: Path, pair: Pair) -> Picture:
    prediction = images.read_rgb(file)
    if prediction.shape != pair.target.shape:
        height, width = pair.target.shape[:2]
        raise DataError(
            f"is {prediction.shape[1]} x {prediction.shape[0]} pixels, its pair {width} x {height}",
            file,
            "Compare pictures of one size: resizing would itself change the texture",
        )
    return prediction


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()

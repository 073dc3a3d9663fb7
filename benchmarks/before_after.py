"""Make docs/images/before-after.png of a finished demo: `python benchmarks/before_after.py FOLDER`.

FOLDER is what `unretouch demo` wrote (./unretouch_demo). The same cut-out of one pair, enlarged
without smoothing: retouched, restored, as it was. Nothing is sharpened or chosen but the place.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
PANELS = {"real_A": "retouched", "fake_B": "restored by unretouch", "real_B": "as it was"}
PAIR, LEFT, TOP = "crop_2", 156, 74
"""Where the face is in the demo's own photograph."""

SIDE, SCALE, GAP, HEAD = 100, 4, 12, 40


def main() -> None:
    """Cut, enlarge, put side by side, save."""
    folder = Path(sys.argv[1]) / "results/demo/train_latest/images"
    width = SIDE * SCALE
    sheet = Image.new("RGB", (3 * width + 2 * GAP, HEAD + width), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(22)
    for place, (label, words) in enumerate(PANELS.items()):
        picture = Image.open(folder / f"{PAIR}_{label}.png")
        part = picture.crop((LEFT, TOP, LEFT + SIDE, TOP + SIDE))
        x = place * (width + GAP)
        sheet.paste(part.resize((width, width), Image.Resampling.NEAREST), (x, HEAD))
        draw.text((x + width / 2, HEAD / 2), words, "black", font, anchor="mm")
    sheet.save(ROOT / "docs/images/before-after.png", optimize=True)


if __name__ == "__main__":
    main()

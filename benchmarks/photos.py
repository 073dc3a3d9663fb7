"""Full-size photographs: sets made of portraits, and what `unretouch` makes of them.

    python benchmarks/photos.py make FOLDER [--small | --many N | --sixty] [--dense]
                                [--quality 92 | --lossless] [--camera 95] [--portraits FOLDER]

`make` writes pairs to FOLDER/trainA (retouched) and FOLDER/trainB (before), and where each was
retouched to FOLDER/masks. See photo_sets.py for how they are made.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import photo_sets


def make(options: argparse.Namespace) -> None:
    """Make the set that the command line asks for."""
    photos = photo_sets.SHEETS
    if options.small:
        photos = photo_sets.SMALL
    elif options.many:
        photos = photo_sets.many(options.many)
    elif options.sixty:
        photos = photo_sets.LARGEST
    photos = tuple(dataclasses.replace(photo, dense=options.dense) for photo in photos)
    quality = None if options.lossless else options.quality
    portraits = photo_sets.portraits_in(options.portraits)
    photo_sets.make(options.folder, photos, portraits, quality, options.camera, print)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make", help="make a set of pairs")
    command.add_argument("folder", type=Path)
    command.add_argument("--portraits", type=Path, default=photo_sets.PORTRAITS)
    command.add_argument("--small", action="store_true", help="three pairs of 1280 x 1280")
    command.add_argument("--many", type=int, help="so many pairs of 24 megapixels")
    command.add_argument("--sixty", action="store_true", help="one pair of 60 megapixels")
    command.add_argument("--dense", action="store_true", help="retouch the whole skin")
    command.add_argument("--quality", type=int, default=92, help="of the JPEG of each side")
    command.add_argument("--lossless", action="store_true", help="PNG instead")
    command.add_argument("--camera", type=int, help="quality of a first JPEG, before the retouch")
    command.set_defaults(run=make)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

"""Pairs: two aligned pictures of one subject. Find them, check them, load them."""

from unretouch.pixels.pairs.find import PairFiles, find_pairs, match_folders, phase_exists
from unretouch.pixels.pairs.lazy import PictureCache
from unretouch.pixels.pairs.load import LoadedPairs, Reading, load_pairs
from unretouch.pixels.pairs.pair import Pair

__all__ = [
    "LoadedPairs",
    "Pair",
    "PairFiles",
    "PictureCache",
    "Reading",
    "find_pairs",
    "load_pairs",
    "match_folders",
    "phase_exists",
]

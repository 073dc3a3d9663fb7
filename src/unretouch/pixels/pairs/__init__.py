"""Pairs: two aligned pictures of one subject. Find them, check them, load them."""

from unretouch.pixels.pairs.find import PairFiles, find_pairs, match_folders, phase_exists
from unretouch.pixels.pairs.load import LoadedPairs, Pair, load_pairs

__all__ = [
    "LoadedPairs",
    "Pair",
    "PairFiles",
    "find_pairs",
    "load_pairs",
    "match_folders",
    "phase_exists",
]

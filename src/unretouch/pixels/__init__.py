"""Floor 1: pictures and pairs in file space; no torch."""

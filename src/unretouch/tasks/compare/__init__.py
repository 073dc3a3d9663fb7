"""Compare runs: which is best, what differs, and what to do next."""

"""Compare runs: which is best, what differs, and what to do next."""

from unretouch.tasks.compare.comparison import Compared, Comparison, LeftOut, compare
from unretouch.tasks.compare.output import SCHEMA, report, write_comparison

__all__ = [
    "SCHEMA",
    "Compared",
    "Comparison",
    "LeftOut",
    "compare",
    "report",
    "write_comparison",
]

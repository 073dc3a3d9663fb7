"""How what is missing is installed: from the folder of unretouch, which is on no package index."""

from __future__ import annotations


def install_hint(extra: str = "") -> str:
    """Return what to do where a package of `extra`, or of the core, is missing."""
    what = f"'.[{extra}]'" if extra else "."
    return f"In the folder of unretouch, run: pip install {what}"

"""Run the command `unretouch` on behalf of a process that may die: `python -m …kept train …`.

Whoever starts it holds its stdin. When that is closed, or its holder is killed, the command hears
what SIGTERM says: finish the step, save, end. No run goes on with nobody to account for it, and no
signal has to be sent, which Windows could not.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module("unretouch", run_name="__main__", alter_sys=True)

"""A process that works for the app and does not outlive it.

    python -m unretouch.serve.child FOLDER unretouch WORDS...   the command line, word for word
    python -m unretouch.serve.child FOLDER pair PLACE           look at a pair, print JSON

Its stdin is a pipe from the app. When that closes, the app is gone: FOLDER, the app's private
folder, is removed and the process ends at once, wherever it is.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path


def main(argv: list[str]) -> int:
    """Do what the words say. Returns the exit code."""
    folder, kind, *words = argv
    threading.Thread(target=_end_with_the_app, args=(folder,), daemon=True).start()
    if kind == "unretouch":
        from unretouch import cli

        return cli.run(cli.dispatch, words)
    from unretouch.serve.pair_check import report

    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(report(Path(words[0])))
    return 0


def _end_with_the_app(folder: str) -> None:
    # Unbuffered: a buffer's lock, held here, would be waited for when Python ends.
    while os.read(0, 1024):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Processes of our own: the one place that starts them, asks them to stop and reads how they ended.

    python -P -m unretouch.jobs.child WITHOUT_PARENT FOLDER MODULE WORDS...

runs MODULE as `python -m MODULE WORDS...` would, for a parent that holds its stdin. When that is
closed, or the parent is killed, the child does what WITHOUT_PARENT says: no signal has to be sent,
which a killed parent could not, and Windows neither.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from unretouch.base.errors import ExitCode, UnretouchError

WithoutParent = Literal["lives_on", "saves", "ends"]
"""What becomes of a child when its parent has died, or lets go of it.

lives_on: nothing, it does not notice, nor that the terminal is closed.
saves: it hears what SIGTERM says: finish the step, save, end. The terminal's Ctrl+C is kept from
    it, so that it is asked to stop once, by its parent.
ends: it ends at once, wherever it is. The terminal's signals reach it as they reach its parent.
"""

NO_FAILURE = (ExitCode.OK, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""Exit codes of a command that did what it was asked, or stopped when it was asked to."""
_THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LAST_LINES = 3


def command(
    module: str, words: Sequence[str], without_parent: WithoutParent, remove: Path | None = None
) -> list[str]:
    """Return what starts `module` with `words` as a child.

    One that ends without its parent removes the folder `remove`, which only the two of them need.
    """
    # -P: no file in the working folder is taken for a module of ours.
    python = [sys.executable, "-P", "-m"]
    if without_parent == "lives_on":
        return [*python, module, *words]
    return [*python, __name__, without_parent, str(remove or ""), module, *words]


def environment(threads: int | None = None, **more: str) -> dict[str, str]:
    """Return the environment of a child: ours, text as UTF-8 and line by line, and `more`.

    `threads` are the processor threads it may compute on; None: as we may.
    """
    limits = {} if threads is None else dict.fromkeys(_THREAD_LIMITS, str(threads))
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **limits, **more}


def start(
    module: str,
    words: Sequence[str],
    without_parent: WithoutParent,
    output: IO[bytes],
    *,
    folder: Path | None = None,
    environ: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `module` with `words` in `folder`; what it prints goes to the file `output`.

    The child lives without its parent as `without_parent` says. Raises OSError.
    """
    return subprocess.Popen(
        command(module, words, without_parent),
        stdin=subprocess.DEVNULL if without_parent == "lives_on" else subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=folder,
        env=environment() if environ is None else environ,
        **_group(without_parent),
    )


def _group(without_parent: WithoutParent) -> dict[str, Any]:
    if without_parent == "ends":
        return {}
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True} if without_parent == "lives_on" else {"process_group": 0}


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Let go of a child: it does what it would do if we had died."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def interrupt(pid: int) -> None:
    """Ask a process for what Ctrl+C asks: finish the step, save, end. Raises OSError."""
    # Windows has no SIGINT for another process; a training catches this one likewise.
    wanted = signal.SIGINT if os.name != "nt" else signal.CTRL_BREAK_EVENT  # type: ignore[attr-defined]
    os.kill(pid, wanted)


def was_killed(code: int) -> bool:
    """Return whether a process that ended with `code` was killed by a signal."""
    # As Popen tells it, and as a shell or a container does. Windows tells none apart.
    return code < 0 or code == 137


def error_in(printed: str) -> str:
    """Return in one line what a command last printed as an error, or else last printed."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    marked = [line.removeprefix("unretouch: ") for line in lines if line.startswith("unretouch: ")]
    return " ".join((marked or lines)[-_LAST_LINES:])


def threads_asked() -> int | None:
    """Return the threads that the person asked for by OMP_NUM_THREADS, which wins over a share."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else None


def tell_error(error: UnretouchError) -> None:
    """Print an error as a line of JSON, its place and its message, for a parent that says it in the
    reader's language: a terminal says it in English."""
    told = {"where": error.where, **error.message.record()}
    print(json.dumps(told), file=sys.stderr, flush=True)


# --- in the child -----------------------------------------------------------------------------


def _watch_parent(without_parent: str, remove: str) -> None:
    # Unbuffered: a buffer's lock, held here, would be waited for when Python ends.
    while os.read(0, 1024):
        pass
    if without_parent == "saves":
        if hasattr(signal, "pthread_kill"):  # it wakes the main thread from whatever that waits for
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            signal.raise_signal(signal.SIGTERM)
    else:
        if remove:
            shutil.rmtree(remove, ignore_errors=True)
        os._exit(ExitCode.PROCESS_LOST)


if __name__ == "__main__":
    threading.Thread(target=_watch_parent, args=sys.argv[1:3], daemon=True).start()
    sys.argv[:] = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

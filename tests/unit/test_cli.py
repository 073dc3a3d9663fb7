"""The entry of every surface: exit codes, one line for an error, quiet ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unretouch import __version__
from unretouch.base.errors import CheckpointError, DataError, ExitCode, ManyDataErrors, UsageError
from unretouch.cli import COMMANDS, dispatch, run

ROOT = Path(__file__).parents[2]


def raiser(error: BaseException):  # type: ignore[no-untyped-def]
    def command(argv: list[str]) -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("is odd", "--lr", "Halve it"), 2, "unretouch: --lr: is odd. Halve it\n"),
        (DataError("is empty", "나/train"), 3, "unretouch: 나/train: is empty\n"),
        (CheckpointError("is torn", "x.ckpt"), 4, "unretouch: x.ckpt: is torn\n"),
        (
            ManyDataErrors([DataError("one", "a"), DataError("two", "b")]),
            3,
            "unretouch: a: one\nunretouch: b: two\n",
        ),
        (KeyboardInterrupt(), 130, "unretouch: stopped by Ctrl+C\n"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "unretouch: torch is not installed. Run: pip install .\n",
        ),
        (
            PermissionError(13, "Permission denied", "x/photo.jpg"),
            3,
            "unretouch: x/photo.jpg: cannot be opened: permission denied\n",
        ),
    ],
)
def test_an_error_is_lines_on_stderr_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raiser(error), []) == code
    assert capsys.readouterr() == ("", said)


def test_debug_anywhere_adds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raiser(UsageError("is odd")), ["--a", "--debug", "b"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("unretouch: is odd\n")


def test_debug_is_not_handed_on() -> None:
    seen: list[list[str]] = []
    assert run(seen.append, ["--debug", "a"]) == 0
    assert seen == [["a"]]


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raiser(ZeroDivisionError()), [])


@pytest.mark.parametrize(
    ("asked", "said"),
    [({}, "5000 None False"), ({"OMP_WAIT_POLICY": "active"}, "None active False")],
)
def test_threads_sleep_soon_unless_asked_otherwise(asked: dict[str, str], said: str) -> None:
    """It is said before torch is there, which would not listen later."""
    program = (
        "import os, sys; from unretouch.cli import run; "
        "names = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'); "
        "run(lambda _: print(*map(os.environ.get, names), 'torch' in sys.modules), [])"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=kept | asked, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == said


def test_exit_codes_pass_through() -> None:
    assert run(lambda argv: ExitCode.TERMINATED, []) == 143
    assert run(lambda argv: None, []) == 0
    assert run(raiser(SystemExit(0)), []) == 0


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--version"]) == 0
    assert capsys.readouterr().out == f"unretouch {__version__}\n"


def test_an_unknown_command_names_its_neighbour() -> None:
    with pytest.raises(UsageError, match=r"tran: unknown command.* 'train'"):
        dispatch(["tran"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_of_the_table_is_there(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    name = COMMANDS[COMMANDS.index(command)].name  # type: ignore[arg-type]
    assert run(dispatch, [name, "--help"]) == 0
    assert f"usage: unretouch {name}" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE to imitate")
@pytest.mark.parametrize("length", [1, 10**7])
def test_a_reader_that_goes_away_is_no_error(length: int) -> None:
    """Whether the text is still in the buffer at the end or not."""
    child = start(f"sys.stdin.read() or print('x' * {length})")
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    child.stdin.close()
    assert child.wait(timeout=60) == 141
    assert child.stderr.read() == b""
    child.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="on Windows os.kill ends the process at once")
def test_a_second_ctrl_c_at_the_end_prints_nothing() -> None:
    late = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); "
    call = "import sys, unretouch.cli as c; sys.exit(c.run_program(lambda argv: 130))"
    done = subprocess.run([sys.executable, "-c", late + call], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, b"")


def test_what_a_code_page_lacks_is_printed_as_question_marks() -> None:
    shown, _ = start("print('초상화')", PYTHONIOENCODING="ascii").communicate(timeout=60)
    assert shown.strip() == b"???"


def start(expression: str, **environment: str) -> subprocess.Popen[bytes]:
    script = f"import sys, unretouch.cli as c; sys.exit(c.run(lambda argv: {expression}))"
    return subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("script", ["train", "test"])
def test_a_script_without_the_package_says_what_to_install(script: str, tmp_path: Path) -> None:
    # -S leaves out the folder where the package may be installed.
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(ROOT / f"{script}.py"), "--dataroot", "d"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"{script}.py: unretouch is not installed; in the folder of this file, run: pip install .\n"
    )

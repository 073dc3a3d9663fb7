"""The classic train command: all of it is in the package."""

import sys

try:
    from unretouch.cli import run_program
    from unretouch.tasks.classic_commands import classic_train
except ModuleNotFoundError as missing:
    hint = "in the folder of this file, run: pip install ."
    sys.exit(print(f"train.py: {missing.name} is not installed; {hint}", file=sys.stderr) or 2)

if __name__ == "__main__":
    sys.exit(run_program(classic_train))

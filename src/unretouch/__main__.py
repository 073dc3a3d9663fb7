"""`python -m unretouch` is the command `unretouch`."""

import sys

from unretouch.cli import main

if __name__ == "__main__":
    sys.exit(main())

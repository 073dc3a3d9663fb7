"""What lies in the folder of a photograph of the Restore page, and what it is called there."""

from __future__ import annotations

from pathlib import Path

from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.tasks.apply.kept_changes import ENDING

PHOTO = "photo"
"""The photograph as it was sent, before the ending."""
CARD = "card.json"
"""What is known of it; see restoring.Card."""
MADE, LAYERED, CHANGES = "restored", "layers", "changes"
"""Folders: the restored file and the layered one, as `unretouch apply` writes them, and what the
network said."""
SHOWN = "shown.npy"
"""The photograph in 8 bits of sRGB, whose parts the page shows at full size."""
LOOK = "look.json"
"""How the page shows it; see photo_looks."""
LEFT_AS_IT_IS = ""
"""In place of the name of the change, where the network was not asked for one."""
WHOLE, THUMBNAIL = "whole.png", "thumbnail.png"
OF_THE_PAGE = (CHANGES, SHOWN, LOOK)
"""What can be made again, and is large."""


def photo_in(folder: Path) -> Path:
    """Return the photograph. Raises DataError."""
    for path in folder.glob(f"{PHOTO}.*"):
        if path.is_file() and not path.is_symlink():
            return path
    raise DataError(_("the photograph is not there any more"))


def change_in(folder: Path) -> Path | None:
    """Return the file with what the network said last; None where none is kept."""
    kept = (folder / CHANGES).glob(f"*{ENDING}")
    return max(kept, key=lambda path: path.stat().st_mtime_ns, default=None)


def mask_file(folder: Path, name: str) -> Path:
    """Return where a mask is kept for the page: `skin`, or `learnt`."""
    return folder / f"mask_{name}.png"


def painted_file(folder: Path, painted: str) -> Path:
    """Return where a mask that somebody painted is kept."""
    return folder / f"painted_{painted}.png"

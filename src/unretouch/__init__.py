"""unretouch: learn the way back from a retouched portrait to real skin, from a handful of pairs.

For programs: `from unretouch import train, apply, verify`. They are loaded when they are asked
for, so that `import unretouch` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unretouch.api import TrainedRun, apply, train, verify
    from unretouch.base.errors import UnretouchError

__version__ = "0.1.0"

__all__ = ["TrainedRun", "UnretouchError", "__version__", "apply", "train", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'unretouch' has no attribute {name!r}")
    from importlib import import_module

    home = "base.errors" if name == "UnretouchError" else "api"
    return getattr(import_module(f"unretouch.{home}"), name)

"""What train_opt.txt and test_opt.txt hold: all options of a call, in the classic format.

A training writes the one, a test the other, whatever its --phase.
"""

from __future__ import annotations

import dataclasses

HEADER = "----------------- Options ---------------"
FOOTER = "----------------- End -------------------"


def option_text(options: object) -> str:
    """Return the options of the dataclass instance `options` as classic lines, sorted by name.

    A value that is not the default has the default behind it.
    """
    lines = [_line(field, getattr(options, field.name)) for field in _sorted_fields(options)]
    return "\n".join([HEADER, *lines, FOOTER]) + "\n"


def _sorted_fields(options: object) -> list[dataclasses.Field[object]]:
    assert dataclasses.is_dataclass(options)
    return sorted(dataclasses.fields(options), key=lambda field: field.name)


def _line(field: dataclasses.Field[object], value: object) -> str:
    default = None if field.default is dataclasses.MISSING else field.default
    changed = f"\t[default: {default}]" if value != default else ""
    shown = str(value).replace("\n", "\\n")  # a line for each option, whatever a folder is called
    return f"{field.name:>25}: {shown:<30}{changed}"

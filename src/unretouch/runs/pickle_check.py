"""A look through a weights file's pickle before torch sees it: only what state dicts are made of.

torch's own guard (`weights_only`) was broken twice (CVE-2025-32434, CVE-2026-24747). This is a
second one that shares nothing with it: it reads opcodes and executes none.
"""

from __future__ import annotations

import pickletools

MOST_OPCODES = 200_000
"""A U-Net with discriminator and both optimisers needs about 16,000."""

MOST_IN_A_TUPLE = 1000
"""Items in a tuple, those of its tuples counted. Tuples of one another grow without bound in a few
bytes, and so does the time to hash them."""

_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(
        f"torch {kind}Storage"
        for kind in (
            "Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
        )
    ),
}  # fmt: skip

_TAKEN = {
    "PROTO": 0, "STOP": 0, "APPEND": 1, "BUILD": 1, "SETITEM": 2, "TUPLE1": 1, "TUPLE2": 2,
    "TUPLE3": 3, "REDUCE": 2, "BINPERSID": 1, "GLOBAL": 0, "EMPTY_DICT": 0, "EMPTY_LIST": 0,
    "EMPTY_TUPLE": 0, "BINUNICODE": 0, "BININT": 0, "BININT1": 0, "BININT2": 0, "LONG1": 0,
    "BINFLOAT": 0, "NONE": 0, "NEWTRUE": 0, "NEWFALSE": 0,
}  # fmt: skip
"""Opcodes there may be, with the number of items they take from the stack."""

_TO_MARK = {"TUPLE", "SETITEMS", "APPENDS"}
_MEMO = {"BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
_GIVE_NOTHING = {"PROTO", "STOP", "APPEND", "BUILD", "SETITEM", "SETITEMS", "APPENDS"}


def problem_of(pickle: bytes) -> str:
    """Return what is wrong with `pickle` as the index of a weights file; empty if nothing is."""
    try:
        return _problem_of(pickle)
    except (ValueError, IndexError, KeyError):  # opcodes that do not fit one another
        return "its index is damaged"


def _problem_of(pickle: bytes) -> str:
    stack: list[int] = []  # how many items each object on the stack counts
    marks: list[int] = []
    memo: dict[int, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
        name = opcode.name
        if count > MOST_OPCODES:
            return "its index is too large"
        if name == "GLOBAL" and argument not in _GLOBALS:
            return f"it asks to run code ({str(argument).replace(' ', '.')[:60]})"
        if name == "MARK":
            marks.append(len(stack))
            continue
        if name in _MEMO:
            if name.endswith("PUT"):
                memo[int(argument or 0)] = stack[-1]
            else:
                stack.append(memo[int(argument or 0)])
            continue
        if name not in _TAKEN and name not in _TO_MARK:
            return f"it asks for what no weights need ({name})"
        start = marks.pop() if name in _TO_MARK else len(stack) - _TAKEN[name]
        if start < 0:
            return "its index is damaged"
        items = 1 + sum(stack[start:]) if name.startswith("TUPLE") else 1
        if items > MOST_IN_A_TUPLE:
            return "its index nests too much"
        del stack[start:]
        if name not in _GIVE_NOTHING:
            stack.append(items)
    return ""

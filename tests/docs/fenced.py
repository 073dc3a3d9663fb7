"""The fenced blocks of the project's Markdown files, and the commands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

FIRST = ("README.md", "docs/getting-started.md", "docs/guide.md")
"""Read in this order, before all others: later ones use the runs that these make."""

LANGUAGES = frozenset({"bash", "json", "python", "text", "toml"})
"""What a block may be: `bash` holds commands, one a line; `text` what is only looked at."""


def documents() -> list[str]:
    """Return every Markdown file that people read, in reading order."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [*FIRST, *sorted(set(names) - set(FIRST))]


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> list[Block]:
    """Return the fenced blocks of a document, also those in lists."""
    text = (ROOT / document).read_text("utf-8")
    found = []
    for match in re.finditer(r"^( *)```([^\n`]*)\n(.*?)^\1```$", text, re.M | re.S):
        indent, language, body = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        body = re.sub(rf"^{indent}", "", body, flags=re.M)
        found.append(Block(document, line, language.strip(), body))
    return found


def commands(document: str) -> list[str]:
    """Return the commands of a document: the lines of its bash blocks, comments left out."""
    found = []
    for block in blocks(document):
        if block.language == "bash":
            lines = block.text.replace("\\\n", " ").splitlines()
            stripped = (re.sub(r"\s+#\s.*$", "", line).strip() for line in lines)
            found += [line for line in stripped if line and not line.startswith("#")]
    return found

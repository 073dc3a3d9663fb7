"""Links, anchors and pictures of the documents lead somewhere; nothing is left out of the index."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from fenced import ROOT, documents

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def prose(document: str) -> str:
    """Return the text without fenced blocks and code spans, in which brackets are no links."""
    text = (ROOT / document).read_text("utf-8")
    text = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^( *)```.*?^\1```$", "", path.read_text("utf-8"), flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?) *$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = (c for c in plain if c in " -_" or unicodedata.category(c)[0] in "LNM")
        slug = base = "".join(kept).replace(" ", "-")
        number = 0
        while slug in found:
            number += 1
            slug = f"{base}-{number}"
        found.add(slug)
    return found


@pytest.mark.parametrize("document", documents())
def test_links_lead_somewhere(document: str) -> None:
    here = ROOT / document
    for target in LINK.findall(prose(document)):
        if re.match(r"https://[\w.-]+(/|$)", target):
            continue
        file, _, anchor = target.partition("#")
        assert ":" not in file, f"{document}: {target}"
        path = (here.parent / file).resolve() if file else here
        assert path.exists(), f"{document}: {target}"
        assert path.is_relative_to(ROOT), f"{document}: {target} is outside of the project"
        if anchor:
            assert anchor in anchors(path), f"{document}: {target}"


@pytest.mark.parametrize("document", documents())
def test_every_picture_has_words_for_those_who_do_not_see_it(document: str) -> None:
    assert not re.findall(r"!\[\s*\]\(", prose(document))


def test_every_document_is_in_the_index() -> None:
    listed = set(LINK.findall(prose("docs/README.md")))
    for document in documents():
        if document.startswith("docs/") and document != "docs/README.md":
            assert document.removeprefix("docs/") in listed, document

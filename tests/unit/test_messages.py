"""What people read, in both languages: nothing is missing, stale or filled in wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages import frontend
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.pofile import read_po

from unretouch.base.messages import Message, _, korean

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "unretouch"
LOCALE = SOURCE / "locale"
MEND = "see CONTRIBUTING.md: extract, update, translate, compile"

Key = tuple[str | None, str | tuple[str, ...]]


def read(path: Path) -> Catalog:
    with path.open("rb") as opened:
        return read_po(opened, locale="ko")


def entries(catalogue: Catalog) -> dict[Key, Entry]:
    found = {}
    for entry in catalogue:
        if entry.id:
            singular = entry.id if isinstance(entry.id, str) else tuple(entry.id)
            found[entry.context, singular] = entry
    return found


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Entry]:
    """Every message that is marked in the program now."""
    out = tmp_path_factory.mktemp("messages") / "unretouch.pot"
    words = ["pybabel", "-q", "extract", "-F", str(ROOT / "babel.cfg"), "-o", str(out), str(ROOT)]
    frontend.CommandLineInterface().run(words)
    return entries(read(out))


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    return read(LOCALE / "ko" / "LC_MESSAGES" / "unretouch.po")


def test_the_template_and_the_catalogue_hold_what_is_said_and_nothing_else(
    extracted: dict[Key, Entry], catalogue: Catalog
) -> None:
    assert entries(read(LOCALE / "unretouch.pot")).keys() == extracted.keys(), MEND
    assert entries(catalogue).keys() == extracted.keys(), MEND
    assert not catalogue.obsolete, MEND


def test_every_message_is_translated_and_no_translation_is_a_guess(catalogue: Catalog) -> None:
    for key, entry in entries(catalogue).items():
        texts = [entry.string] if isinstance(entry.string, str) else entry.string
        assert all(texts), key
        assert not entry.fuzzy, key


def test_a_translation_has_the_values_of_its_message(catalogue: Catalog) -> None:
    for entry in entries(catalogue).values():
        english = [entry.id] if isinstance(entry.id, str) else entry.id
        texts = [entry.string] if isinstance(entry.string, str) else entry.string
        for text in [*english, *texts]:
            assert values(text) == values(english[0]), text


RETIRED = re.compile("실험|시험|네트워크|에폭|질감|실행(?!하|한|할|해)|습니다|습니까|십시오")
EITHER = re.compile(r"\((?:을|를|은|는|이|가|과|와|으)\)")
"""A particle for two kinds of words: no person speaks so."""


def test_korean_has_one_word_for_one_idea_and_one_way_to_end_a_sentence(
    catalogue: Catalog,
) -> None:
    """CONTRIBUTING.md has the words."""
    texts = [path.read_text("utf-8") for path in (ROOT / "docs" / "ko").glob("*.md")]
    texts.append((ROOT / "README.ko.md").read_text("utf-8"))
    for entry in entries(catalogue).values():
        texts += [entry.string] if isinstance(entry.string, str) else entry.string
    for text in texts:
        found = RETIRED.search(text) or EITHER.search(text)
        assert found is None, text[max(0, found.start() - 40) : found.end() + 40]


def values(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


def test_what_is_shipped_is_compiled_from_the_catalogue(catalogue: Catalog) -> None:
    compiled = {}
    for (context, singular), entry in entries(catalogue).items():
        english = singular if isinstance(singular, str) else singular[0]
        text = entry.string if isinstance(entry.string, str) else entry.string[0]
        compiled[english if context is None else f"{context}\x04{english}"] = text
    assert korean() == compiled, MEND


MARK = re.compile(r"""(?<![\w.])(?:(?:_|N_|ngettext)\(|pgettext\("\w+",)\s*"((?:[^"\\]|\\.)*)\"""")


def test_nothing_that_is_marked_escapes_the_extraction(extracted: dict[Key, Entry]) -> None:
    """A mark within the values of another is passed over by Babel, in a script at least."""
    english: set[str] = set()
    for _context, ids in extracted:
        english |= {ids} if isinstance(ids, str) else set(ids)
    files = [*SOURCE.rglob("*.js"), *SOURCE.rglob("*.html"), *SOURCE.rglob("*.py")]
    marked = 0
    for file in files:
        if "vendor" in file.parts:
            continue
        for begins in MARK.findall(file.read_text("utf-8")):
            marked += 1
            assert any(text.startswith(begins) for text in english), (file.name, begins)
    assert marked > 300


def test_a_message_is_said_in_either_language_with_its_values() -> None:
    inner = _("{value} grey levels", value="1.5")
    said = Message("doing nothing costs {value}", {"value": inner})
    assert str(said) == "doing nothing costs 1.5 grey levels"
    assert said.in_korean() == "그대로 두면 1.5단계"
    assert said.record() == {
        "message": "doing nothing costs {value}",
        "values": {"value": {"message": "{value} grey levels", "values": {"value": "1.5"}}},
    }


def test_what_is_said_in_english_only_is_said_so_in_any_language() -> None:
    assert Message("{text}", {"text": "{odd} <b>"}).in_korean() == "{odd} <b>"

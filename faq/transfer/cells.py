"""How texts and lists are written in the cell of a table, and read back: nothing is lost on the way.

Formulas: a cell that starts with = + - @ or a tab or line break, with any apostrophes before it, gets one more
apostrophe in front, so that no spreadsheet computes it; reading takes one away. A text that really begins with
`'=` is written `''=`, so every text comes back as it was.

Lists: items are separated by ` | ` or a line break. An item's word that is itself `|` is written `\\|`, one that
is `\\|` as `\\\\|`, and so on. Tags may be separated by commas as well; a comma inside a tag is written `\\,`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SEPARATOR = "|"
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_WRITTEN_FORMULA = re.compile(r"'+[=+\-@\t\r\n]")
_PIPE = re.compile(r"\\*\|")
_WRITTEN_PIPE = re.compile(r"\\+\|")
_COMMA = re.compile(r"(\\*),")
_WRITTEN_COMMA = re.compile(r"\\(\\*),")
_SEPARATING_COMMA = re.compile(r"(?<!\\),")


def inert(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def restored(cell: str) -> str:
    return cell[1:] if _WRITTEN_FORMULA.match(cell) else cell


def join_variants(items: Iterable[str]) -> str:
    return f" {SEPARATOR} ".join(" ".join(_written_word(word) for word in item.split()) for item in items)


def split_variants(cell: str) -> list[str]:
    items: list[list[str]] = []
    for row in cell.splitlines():
        items.append([])
        for word in row.split():
            if word == SEPARATOR:
                items.append([])
            else:
                items[-1].append(word[1:] if _WRITTEN_PIPE.fullmatch(word) else word)
    return [" ".join(words) for words in items if words]


def join_tags(items: Iterable[str]) -> str:
    return join_variants(_COMMA.sub(r"\\\1,", item) for item in items)


def split_tags(cell: str) -> list[str]:
    parts = (part for item in split_variants(cell) for part in _SEPARATING_COMMA.split(item))
    return [tag for part in parts if (tag := _WRITTEN_COMMA.sub(r"\1,", part).strip())]


def _written_word(word: str) -> str:
    return f"\\{word}" if _PIPE.fullmatch(word) else word

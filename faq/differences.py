"""What became of a text: which words went and which came. For people, so unchanged stretches are cut short."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

KEPT, REMOVED, ADDED = "kept", "removed", "added"
CONTEXT = 60  # characters of an unchanged stretch that are kept beside each change
WORTHWHILE = 1_500  # tokens of a passage that is compared word by word: the cost grows with their square
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    kind: str
    text: str


def words(before: str, after: str) -> list[Piece]:
    """The two texts as one: what both have, what only the first had, and what only the second has."""
    pieces: list[Piece] = []
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(KEPT, "".join(old[a:b])))
        else:
            pieces += _within("".join(old[a:b]), "".join(new[c:d]))
    return _joined(pieces)


def shortened(pieces: Sequence[Piece]) -> list[Piece]:
    """The same, with unchanged stretches cut down to what is beside a change."""
    last = len(pieces) - 1
    return [
        _cut(piece, first=n == 0, last=n == last) if piece.kind == KEPT else piece for n, piece in enumerate(pieces)
    ]


def _within(before: str, after: str) -> Iterator[Piece]:
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if max(len(old), len(new)) > WORTHWHILE:
        yield from (Piece(REMOVED, before), Piece(ADDED, after))
        return
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece(KEPT, "".join(old[a:b]))
        else:
            yield from (Piece(REMOVED, "".join(old[a:b])), Piece(ADDED, "".join(new[c:d])))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours of a kind as one, and none that is empty."""
    joined: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if joined and joined[-1].kind == piece.kind:
            piece = Piece(piece.kind, joined.pop().text + piece.text)
        joined.append(piece)
    return joined


def _cut(piece: Piece, *, first: bool, last: bool) -> Piece:
    text = piece.text
    if first and last:
        return piece
    if first and len(text) > CONTEXT:
        text = f"… {_end(text)}"
    elif last and len(text) > CONTEXT:
        text = f"{_begin(text)} …"
    elif len(text) > 2 * CONTEXT:
        text = f"{_begin(text)} … {_end(text)}"
    return Piece(piece.kind, text)


def _begin(text: str) -> str:
    """In whole words, where there are any."""
    cut = text[:CONTEXT]
    return cut.rpartition(" ")[0] or cut


def _end(text: str) -> str:
    cut = text[-CONTEXT:]
    return cut.partition(" ")[2] or cut

"""How the page puts an answer: who speaks, what was missing, which sources and other questions to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rag.chat.schema import SourceOut

if TYPE_CHECKING:
    from rag.answering.pipeline import Answer

BYLINES = {
    "exact": "From the FAQ, word for word",
    "generated": "Written by AI from the sources below",
    "verbatim": "The closest FAQ entry, word for word",
    "text_search": "The closest FAQ entry, found by its words",
    "suggestions": "No entry answers this for sure",
}
# What an asker had to go without, by the stage that failed; stages that change nothing for them are not told.
MISSING = {
    "generate": "the AI that words answers",
    "embed": "search by meaning",
    "vector": "search by meaning",
    "database": "our full list of entries",
}
MISSING_ELSE = "a part of the service"
SOURCES_SHOWN = {"generated": 3, "suggestions": 0}
CHOICES_SHOWN = 5

_LINK = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
_TRAILING = ".,;:!?)]}»”\u2019…"


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer's text: a link where href is set, else plain."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Shown:
    """An answer as the page shows it."""

    id: str
    byline: str
    text: list[Piece]
    note: str
    sources: list[SourceOut]
    choices_title: str
    choices: list[str]
    rest: list[Piece]

    @classmethod
    def of(cls, answer: Answer) -> Shown:
        unsure = answer.answered_by == "suggestions"
        choices = [source.question for source in (answer.sources if unsure else answer.did_you_mean)]
        before, after = around_list(answer.answer, choices)
        return cls(
            id=str(answer.id),
            byline=BYLINES.get(answer.answered_by, ""),
            text=linked(before),
            note=note(answer.degraded),
            sources=[SourceOut.of(one) for one in answer.sources[: SOURCES_SHOWN.get(answer.answered_by, 1)]],
            choices_title="" if unsure else "Did you mean",
            choices=choices[:CHOICES_SHOWN],
            rest=linked(after),
        )


def note(degraded: list[str]) -> str:
    """One quiet sentence, or nothing when all was well."""
    missing = list(dict.fromkeys(MISSING.get(stage, MISSING_ELSE) for stage in degraded))
    return f"Answered without {' and '.join(missing)}, which cannot be reached right now." if missing else ""


def around_list(text: str, questions: list[str]) -> tuple[str, str]:
    """What stands before and after the questions that the page shows as buttons instead of a list."""
    offered = {f"• {question}" for question in questions}
    lines = text.split("\n")
    listed = [number for number, line in enumerate(lines) if line in offered]
    if not listed:
        return text, ""
    rest = [line for line in lines[listed[0] :] if line not in offered]
    return "\n".join(lines[: listed[0]]).strip(), "\n".join(rest).strip()


def linked(text: str) -> list[Piece]:
    """The text in pieces, its http(s) addresses as links. chat.js does the same in the browser."""
    pieces: list[Piece] = []
    done = 0
    for match in _LINK.finditer(text):
        address = _without_trailing(match.group())
        if not _is_address(address):
            continue
        pieces += [Piece(text[done : match.start()]), Piece(address, href=address)]
        done = match.start() + len(address)
    return [piece for piece in [*pieces, Piece(text[done:])] if piece.text]


def contact_link(contact: str) -> str:
    """Where the contact leads when it is clicked: a page, a mailbox, a telephone; nothing for mere words."""
    if contact.startswith(("https://", "http://")):
        return contact
    if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", contact):
        return f"mailto:{contact}"
    if re.fullmatch(r"\+?[\d ()/.-]{5,}", contact):
        return "tel:" + re.sub(r"[^\d+]", "", contact)
    return ""


def _without_trailing(address: str) -> str:
    """Without the signs that end the sentence; a bracket that the address itself opened belongs to it."""
    while address and address[-1] in _TRAILING:
        if address[-1] == ")" and address.count("(") >= address.count(")"):
            break
        address = address[:-1]
    return address


def _is_address(address: str) -> bool:
    try:
        return bool(urlsplit(address).hostname)
    except ValueError:
        return False

"""The one form in which text is kept: NFC, trimmed, line ends as \\n, and nothing that a database cannot hold."""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from functools import lru_cache

# No script needs more; a sort that is quadratic in their number is how a short file keeps a machine busy.
MOST_MARKS = 64
# Decomposed text may be this much longer than the composed text that is kept.
DECOMPOSED = 4
_UNSEEN_CATEGORIES = {"Cc", "Cf", "Zs", "Zl", "Zp"}
_UNSEEN_LETTERS = set("\u115f\u1160\u2800\u3164\uffa0")
_BEYOND_LATIN = re.compile(f"[\u0300-\U0010ffff]{{{MOST_MARKS + 1}}}")
_LINE_END = re.compile(r"\r\n?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def paragraphs(value: str, limit: int) -> str:
    """The text with its line breaks, "" if nothing can be seen of it; a ValueError says what is wrong with it."""
    _refuse_unstorable(value)
    if len(value) > limit * DECOMPOSED:
        raise ValueError(too_long(len(value), limit))
    if not value.isascii():
        # The first search only spares most texts the second, which is slow.
        if _BEYOND_LATIN.search(value) and _many_marks().search(value):
            raise ValueError(f"has more than {MOST_MARKS} combining marks in a row: remove them")
        value = unicodedata.normalize("NFC", value)
    kept = _LINE_END.sub("\n", value).strip()
    if is_blank(kept):
        return ""
    if len(kept) > limit:
        raise ValueError(too_long(len(kept), limit))
    return kept


def line(value: str, limit: int) -> str:
    """The text as one line, its white space collapsed."""
    return paragraphs(" ".join(value.split()), limit)


def too_long(length: int, limit: int) -> str:
    return f"has {length:,} characters, at most {limit:,} are allowed: shorten it"


def language_tag(value: str) -> str:
    """`PT-br` as `pt-BR`; a ValueError says what a tag looks like."""
    if not value:
        return ""
    if len(value) > 12 or not _LANGUAGE.fullmatch(value):
        raise ValueError(f'is "{shortened(value)}", not a language tag: write one like en, fr or pt-BR')
    first, *others = value.split("-")
    return "-".join([first.lower(), *(part.upper() if len(part) == 2 else part for part in others)])


def is_blank(value: str) -> bool:
    """Nothing to be seen: white space, control and zero-width characters, fillers."""
    return all(c in _UNSEEN_LETTERS or unicodedata.category(c) in _UNSEEN_CATEGORIES for c in value)


def question_key(question: str) -> str:
    """Equal for questions that differ only in case, white space or the composition of letters."""
    return " ".join(unicodedata.normalize("NFC", question.casefold()).split())


def derived_external_id(key: str) -> str:
    """For a row that names none: the same question always gets the same one."""
    return f"q-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def shortened(value: str, length: int = 40) -> str:
    return value if len(value) <= length else f"{value[: length - 1]}…"


def _refuse_unstorable(value: str) -> None:
    if "\0" in value:
        raise ValueError("contains the character NUL, which no database can hold as text: remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half a character (a lone surrogate): write the whole character") from None


@lru_cache(maxsize=1)
def _many_marks() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code)))
    return re.compile(f"[{marks}]{{{MOST_MARKS + 1}}}")

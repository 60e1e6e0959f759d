"""What a question looks like once everything that nobody can see is gone."""

from __future__ import annotations

import re
import unicodedata

_LINE_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters, marks that turn the reading order, zero-width signs, tags: they hide orders inside a
# question, split words so that nothing is found, or show one text and mean another.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
# A joiner makes one sign of two in emoji, Persian and Indic scripts; beside ASCII or a space it only hides.
_JOINER_RUNS = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_STRAY_JOINERS = re.compile(r"(?<![^\x00-\x7f\s])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f\s])")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
# Letters and signs by category, yet blank on every screen.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def clean(text: str) -> str:
    """The text as it is shown, stored and searched.

    NFC and not NFKC: it is the asker's own text that is shown again, and NFKC would change it ("x²" becomes
    "x2"). What has to be folded for a comparison is folded there.
    """
    text = unicodedata.normalize("NFC", _LINE_BREAKS.sub("\n", text))
    text = _UNSEEN.sub("", text)
    text = _STRAY_JOINERS.sub("", _JOINER_RUNS.sub(r"\1", text))
    text = _LINES.sub("\n", _SPACES.sub(" ", text))
    return unicodedata.normalize("NFC", _EMPTY_LINES.sub("\n\n", text).strip())


def is_blank(text: str) -> bool:
    """Nothing in it can be seen."""
    return all(sign in _BLANK or unicodedata.category(sign)[0] in "ZM" or _hidden(sign) for sign in text)


def is_storable(text: str) -> bool:
    """No lone surrogate, which no encoding carries, and no NUL, which PostgreSQL refuses."""
    return "\x00" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _hidden(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf"}

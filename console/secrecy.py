"""Blanks the secrets of this process's environment wherever text leaves it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from console.environment import Environment, current
from console.environment.schema import is_secret, plain

BLANK = "[secret]"
# Shorter ones protect nothing, and blanking them would make every line unreadable.
SHORTEST = 4
SHORTEST_IN_BASE64 = 8  # fewer signs are words by chance
URL_SAFE = str.maketrans("+/", "-_")


def blank(text: str) -> str:
    """The text without any secret, however it was written."""
    global _made
    environment = current()
    made = _made
    if made is None or made[0] is not environment:  # by identity: to hash an environment takes longer than to blank
        made = _made = environment, _pattern(environment)
    return made[1].sub(BLANK, text)


def blanked(value: Any) -> Any:
    """The same for what a log line may carry: texts, numbers, lists, dicts, and anything that has a text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {blank(str(key)): blanked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [blanked(item) for item in value]
    return blank(str(value))


_made: tuple[Environment, re.Pattern[str]] | None = None


def _pattern(environment: Environment) -> re.Pattern[str]:
    """Longest first, so that no part of one is left over by another; matches nothing where there are none."""
    forms = {form for secret in secrets(environment) for form in _forms(secret)}
    ordered = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)", re.IGNORECASE)


def secrets(environment: Environment) -> set[str]:
    """Every secret value, and those within addresses."""
    given = {name: plain(getattr(environment, name)) for name in type(environment).model_fields if is_secret(name)}
    found = {value for name, value in given.items() if not name.endswith("_URL")}
    for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL"):
        found |= set(_within(given[name]))
    return {secret for secret in found if len(secret) >= SHORTEST}


def _within(url: str) -> Iterator[str]:
    """The passwords of an address; an address without one is no secret, and helps in a log."""
    parts = urlsplit(url)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    yield from (password, unquote(password))
    yield from (value for key, value in parse_qsl(parts.query) if "password" in key)


def _forms(secret: str) -> set[str]:
    """As it is, in a URL, in JSON, in a Python literal, and each of these on a page."""
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}
    written |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return written | {html.escape(form) for form in written} | set(_in_base64(secret))


def _in_base64(secret: str) -> Iterator[str]:
    """The part that is the same whatever stands around it, at each of the three places where it may begin.

    So a password is found in the header of basic authentication as well, beside its user.
    """
    raw = secret.encode()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw)
        first, spoilt = (0, 2, 3)[before], (0, 3, 2)[(before + len(raw)) % 3]
        inner = whole[first : len(whole) - spoilt].decode()
        if len(inner) >= SHORTEST_IN_BASE64:
            yield from {inner, inner.translate(URL_SAFE)}

"""Every address of the product that a form could be sent to, as its URLs list them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from faq.models import Category, Entry
from rag.models import Receipt

FILLED = {"uuid": "6f1c2b9e-0d6d-4c3c-8a51-1f6f3c0f7d11", "int": "1", "str": "one", "path": "1", "slug": "one"}
KNOWN, OTHER = "a" * 32, "b" * 32
# What a visitor's request may hold instead of a cookie and the same token beside it.
STATES: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"X-CSRFToken": ""},
    "wrong": {"X-CSRFToken": OTHER},
    "cookie only": {},
    "header only": {"X-CSRFToken": KNOWN},
    "other origin": {"X-CSRFToken": KNOWN, "Origin": "https://evil.example.net"},
}
WITH_COOKIE = frozenset({"cookie only", "wrong", "other origin"})


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    """Its parameters filled in."""
    for one in patterns:
        route = prefix + filled(str(one.pattern))
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, route)
        else:
            yield route


def filled(pattern: str) -> str:
    if pattern.startswith("^") or "(?P" in pattern:
        return "api/none" if pattern.startswith("^api") else ""
    return re.sub(r"<(?:(\w+):)?\w+>", lambda one: FILLED.get(one[1] or "str", "one"), pattern)


POSTED = sorted(
    {address for address in addresses(get_resolver("console.urls").url_patterns) if "metrics" not in address}
)


def counted() -> list[int]:
    return [model.objects.count() for model in (Entry, Category, Receipt, User)]

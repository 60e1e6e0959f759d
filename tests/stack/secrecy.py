"""Secrets looked for in what a product has said, however they are written there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, urlsplit

NAMES = ("SECRET_KEY", "GEMINI_API_KEY", "QDRANT_API_KEY")
ADDRESSES = ("DATABASE_URL", "REDIS_URL")
SHORTEST = 8  # a shorter one is a word that any line may hold


def secrets_in(text: str, environment: Mapping[str, str]) -> list[str]:
    """The names of those variables whose secret is told."""
    given = {name: environment.get(name, "") for name in NAMES}
    given |= {name: urlsplit(environment.get(name, "")).password or "" for name in ADDRESSES}
    return [
        name
        for name, secret in given.items()
        if len(secret) >= SHORTEST and any(form in text for form in written(secret))
    ]


def written(secret: str) -> list[str]:
    """Plain, URL-encoded, and in base64, alone or behind a user's name."""
    inner = [b64encode(secret.encode()), b64encode(b"u:" + secret.encode())[4:-4]]
    return [secret, quote(secret, safe=""), quote_plus(secret), *(text.decode().rstrip("=") for text in inner)]

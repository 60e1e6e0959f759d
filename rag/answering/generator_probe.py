"""How Gemini is, without spending: by the answers it gave lately, else by asking for the model's name."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import Error

from rag.answering import token_budget
from rag.answering.generation import GENERATOR_BREAKER, get_generator
from rag.errors import GeneratorUnavailable

LATELY_SECONDS = 120.0  # an answer so young says enough
DEEP_SECONDS = 300  # between two questions of ours, in all processes together
PATIENCE = 3.0
NEARLY = 0.99  # the last call that does not fit leaves some over
KEY = "health:generator"
NO_NEWS = {"blocked", "budget", "breaker_open", "missing"}  # not what Gemini did just now
FAILED_KEY = "health:generator:failed"  # when, and why, in any process


def tell(reason: str) -> None:
    """An answer failed just now: so that processes whose own last one was good know it as soon as this one."""
    if reason in NO_NEWS:
        return
    cache.set(FAILED_KEY, {"at": time.time(), "reason": reason}, int(LATELY_SECONDS))


def probe() -> str:
    """A short detail; raises GeneratorUnavailable. Without a generator there is nothing to ask: an error too."""
    get_generator()  # with another key than before, what failed before says nothing
    breaker = GENERATOR_BREAKER
    now = time.monotonic()
    failed, succeeded = now - breaker.last_failure_at, now - breaker.last_success_at
    if breaker.is_open or failed < min(succeeded, LATELY_SECONDS):
        raise _Failed(breaker.last_reason, "its last answers failed")
    if (elsewhere := cache.get(FAILED_KEY)) and max(0.0, time.time() - elsewhere["at"]) < succeeded:
        raise _Failed(elsewhere["reason"], "the last answers of another process failed")
    if succeeded < LATELY_SECONDS:
        return f"answered {succeeded:.0f} s ago{_budget()}"
    return f"{_deep()}{_budget()}"


def _budget() -> str:
    """How much of the day's tokens is used. That they are used up is no fault: it was asked for."""
    if not (limit := settings.GEMINI_TOKENS_PER_DAY):
        return ""
    try:
        share = token_budget.spent() / limit
    except Error:
        return ""
    used = f"{share:.0%} of today's {limit:,} tokens used"
    return f"; {used}" if share < NEARLY else f"; {used}: entries answer in their own words until midnight UTC"


def _deep() -> str:
    """Asked once by whoever comes first; the others, and later ones, are told what it found."""
    found: dict[str, Any] | None = cache.get(KEY)
    if found is None:
        found = _ask()
        cache.set(KEY, found, DEEP_SECONDS)
    if found["reason"]:
        raise _Failed(found["reason"], found["detail"])
    return str(found["detail"])


def _ask() -> dict[str, str]:
    generator = get_generator()
    if generator is None:
        return {"reason": "missing", "detail": "GEMINI_API_KEY is not set"}
    try:
        return {"reason": "", "detail": generator.probe(seconds=PATIENCE)}
    except GeneratorUnavailable as error:
        return {"reason": error.reason, "detail": error.detail or error.reason}


class _Failed(GeneratorUnavailable):
    """As it was found before, perhaps by another process."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__("http_error", f"{reason.replace('_', ' ')}: {detail}")

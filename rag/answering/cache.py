"""Kept answers. The key holds the content version, so an edit is never answered from before it."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.conf import settings
from django.core.cache import cache

from rag import metrics
from rag.answering.answers import Draft, Source
from rag.answering.prompt import PROMPT_VERSION

logger = logging.getLogger(__name__)

_SETTINGS = (
    "GEMINI_MODEL",
    "GENERATOR",
    "RAG_LIKELY",
    "RAG_LOCAL_EMBEDDING_MODEL",
    "RAG_SIMILARITY_THRESHOLD",
    "RAG_SURE",
    "RAG_TEXT_WEIGHT",
    "RAG_TOP_K",
)


def key(question: str, version: int, before: list[tuple[str, str]]) -> str:
    """Of the very question, what came before it, the content, and the settings that shape an answer."""
    parts = [question, str(version), str(PROMPT_VERSION), repr(before)]
    parts += [str(getattr(settings, name)) for name in _SETTINGS]
    return "answer:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()


def find(key: str) -> Draft | None:
    kept: dict[str, Any] | None = cache.get(key)
    metrics.CACHE_REQUESTS.labels("answer", "hit" if kept else "miss").inc()
    if kept is None:
        return None
    lists = {name: [Source(**one) for one in kept[name]] for name in ("sources", "did_you_mean")}
    return Draft(**{**kept, **lists})


def keep(key: str, draft: Draft) -> None:
    plain = {name: getattr(draft, name) for name in Draft.__slots__}
    for name in ("sources", "did_you_mean"):
        plain[name] = [{field: getattr(one, field) for field in Source.__slots__} for one in plain[name]]
    cache.set(key, plain, settings.CACHE_TTL)

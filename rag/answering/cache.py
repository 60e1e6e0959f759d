"""Kept answers, for all processes in the cache and for a minute in this one.

The key holds the content version, so an edit is never answered from before it, wherever an answer is kept.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
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

HELD = 1_000  # answers, of some kilobytes each
HELD_SECONDS = 60.0


class _Held:
    """What this process found or made lately: of what is asked again and again, the cache need not be asked."""

    def __init__(self) -> None:
        self._drafts: OrderedDict[str, tuple[float, Draft]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Draft | None:
        until, draft = self._drafts.get(key, (0.0, None))
        return draft if time.monotonic() < until else None

    def put(self, key: str, draft: Draft) -> None:
        with self._lock:
            self._drafts[key] = time.monotonic() + min(HELD_SECONDS, settings.CACHE_TTL), draft
            self._drafts.move_to_end(key)
            if len(self._drafts) > HELD:
                self._drafts.popitem(last=False)

    def forget(self) -> None:
        with self._lock:
            self._drafts.clear()


_held = _Held()
_lock = threading.Lock()
_unshared: dict[str, Draft] = {}
_later = False
forget = _held.forget


def key(question: str, version: int, before: list[tuple[str, str]]) -> str:
    """Of the very question, what came before it, the content, and the settings that shape an answer."""
    parts = [question, str(version), str(PROMPT_VERSION), repr(before)]
    parts += [str(getattr(settings, name)) for name in _SETTINGS]
    return "answer:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()


def find(key: str) -> Draft | None:
    draft = _held.get(key) or _from_cache(key)
    metrics.CACHE_REQUESTS.labels("answer", "hit" if draft else "miss").inc()
    return draft


def _from_cache(key: str) -> Draft | None:
    kept: dict[str, Any] | None = cache.get(key)
    if kept is None:
        return None
    lists = {name: [Source(**one) for one in kept[name]] for name in ("sources", "did_you_mean")}
    draft = Draft(**{**kept, **lists})
    _held.put(key, draft)
    return draft


def keep(key: str, draft: Draft) -> None:
    """For this process at once; for the others too, or a moment later where a thread does it (`share_later`)."""
    _held.put(key, draft)
    with _lock:
        _unshared[key] = draft
    if not _later:
        share()


def share_later(later: bool) -> None:
    """Whether somebody else calls `share`, so that no asker waits for the cache."""
    global _later
    _later = later


def share() -> None:
    """Hand what was kept lately to the other processes, all at once."""
    global _unshared
    with _lock:
        some, _unshared = _unshared, {}
    if some:
        cache.set_many({key: _plain(draft) for key, draft in some.items()}, settings.CACHE_TTL)


def _plain(draft: Draft) -> dict[str, Any]:
    plain = {name: getattr(draft, name) for name in Draft.__slots__}
    for name in ("sources", "did_you_mean"):
        plain[name] = [{field: getattr(one, field) for field in Source.__slots__} for one in plain[name]]
    return plain

"""What is loaded once, before the first question: by gunicorn's master, and by each web process."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from importlib import import_module

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.db import connection
from django.urls import resolve, reverse

from faq import versions, wording
from rag.answering import probes, receipts
from rag.answering.generation import get_generator
from rag.chat import limits
from rag.errors import ServiceUnavailable
from rag.index.embedded_store import EmbeddedStore
from rag.index.embedding import OnnxEmbedder, get_embedder
from rag.index.runners import ThreadRunner, get_runner
from rag.index.vector_store import get_vector_store

logger = logging.getLogger(__name__)

PROBE_SECONDS = 10.0


def before_the_fork() -> None:
    """What each web process then holds from its first moment: the model, the embedded index, and questions to offer.

    A process that replaces another may begin while the database is down. No connection and no thread is left open.
    """
    _one_by_one(_code, _clients, _model_that_survives_a_fork, _embedded_index, _wording)
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL's only
    # What is held by now is never garbage: to look through it would cost each process time, and a copy of every page.
    gc.collect()
    gc.freeze()


def in_web_process() -> None:
    """Starts the threads that it has beside its askers, and loads what is slow without keeping anyone waiting."""
    receipts.write_behind()
    runner = get_runner()
    if isinstance(runner, ThreadRunner):
        runner.start()
    parts = (_model, _vector_store, _wording, _gemini)
    threading.Thread(target=_one_by_one, args=parts, name="warm-up", daemon=True).start()


def _one_by_one(*parts: Callable[[], None]) -> None:
    """What the first asker would otherwise wait for. Each part alone: one that is down keeps no other back."""
    for part in parts:
        try:
            part()
        except ServiceUnavailable as error:
            logger.warning("a rung is missing until this is mended: %s", error)
        except Exception:
            logger.exception("warm-up failed; the first question does it again")
        finally:
            connection.close()


def _code() -> None:
    """Django loads addresses, views and the console with the first request: each process would, for itself."""
    resolve(reverse("chat"))
    limits.load()
    caches.create_connection(DEFAULT_CACHE_ALIAS)  # its backend's modules: nothing is connected yet


def _clients() -> None:
    """The code of those that are used: no connection yet, and no thread. On a busy machine each takes seconds, and the
    first askers of a process that replaces another would wait for it.
    """
    wanted = {
        "qdrant_client": settings.QDRANT_URL,
        "google.genai": settings.GENERATOR,
        "rag.sparing_redis": settings.REDIS_URL,
    }
    for name in filter(wanted.get, wanted):
        import_module(name)


def _model_that_survives_a_fork() -> None:
    if isinstance(get_embedder(), OnnxEmbedder):
        _model()


def _embedded_index() -> None:
    if isinstance(get_vector_store(), EmbeddedStore):
        probes.vectors()


def _model() -> None:
    get_embedder().embed(["ready"])


def _vector_store() -> None:
    """Loads its client, which takes a second."""
    get_vector_store().probe()


def _wording() -> None:
    wording.sample(versions.current())


def _gemini() -> None:
    """Loads the SDK, which takes a second, and tells at once in the log when the key is refused."""
    generator = get_generator()
    if generator is not None:
        generator.probe(seconds=PROBE_SECONDS)

"""What a web process does once, before its first question."""

from __future__ import annotations

import logging
import threading

from django.db import connection

from faq import versions, wording
from rag.answering.generation import get_generator
from rag.errors import ServiceUnavailable
from rag.index.embedding import get_embedder
from rag.index.runners import ThreadRunner, get_runner
from rag.index.vector_store import get_vector_store

logger = logging.getLogger(__name__)

PROBE_SECONDS = 10.0


def in_web_process() -> None:
    """Starts the job thread where jobs run in this process, and loads what is slow without keeping anyone waiting."""
    runner = get_runner()
    if isinstance(runner, ThreadRunner):
        runner.start()
    threading.Thread(target=_load, name="warm-up", daemon=True).start()


def _load() -> None:
    """What the first asker would otherwise wait for. Each part alone: one that is down keeps no other back."""
    for part in (_model, _vector_store, _wording, _gemini):
        try:
            part()
        except ServiceUnavailable as error:
            logger.warning("a rung is missing until this is mended: %s", error)
        except Exception:
            logger.exception("warm-up failed; the first question does it again")
        finally:
            connection.close()


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

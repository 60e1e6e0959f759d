"""What a web process does once, before its first question."""

from __future__ import annotations

import logging
import threading

from django.db import connection

logger = logging.getLogger(__name__)


def in_web_process() -> None:
    """Starts the job thread where jobs run in this process, and loads what is slow without keeping anyone waiting."""
    from rag.index.jobs import ThreadRunner, get_runner

    runner = get_runner()
    if isinstance(runner, ThreadRunner):
        runner.start()
    threading.Thread(target=_load, name="warm-up", daemon=True).start()


def _load() -> None:
    from rag.errors import ServiceUnavailable

    for step in (_model, _vector_store, _wording):
        try:
            step()
        except ServiceUnavailable as error:
            logger.warning("answers by text search until this is mended: %s", error)
        except Exception:
            logger.exception("warm-up failed; the first question does it again")
        finally:
            connection.close()


def _model() -> None:
    from rag.index.embedding import get_embedder

    get_embedder().embed(["ready"])


def _vector_store() -> None:
    """Its client alone takes a second to import."""
    from rag.index.vector_store import get_vector_store

    get_vector_store().probe()


def _wording() -> None:
    from faq import versions, wording

    wording.sample(versions.current())

"""What a web process does once, before its first question."""

from __future__ import annotations

import logging
import threading

from django.db import connection

logger = logging.getLogger(__name__)


def in_web_process() -> None:
    """Starts the job thread where jobs run in this process, and loads the model without keeping anyone waiting."""
    from rag.index.runners import ThreadRunner, get_runner

    runner = get_runner()
    if isinstance(runner, ThreadRunner):
        runner.start()
    threading.Thread(target=_load, name="warm-up", daemon=True).start()


def _load() -> None:
    from faq import versions, wording
    from rag.errors import ServiceUnavailable
    from rag.index.embedding import get_embedder

    try:
        get_embedder().embed(["ready"])
        wording.sample(versions.current())
    except ServiceUnavailable as error:
        logger.warning("answers by text search until this is mended: %s", error)
    except Exception:
        logger.exception("warm-up failed; the first question does it again")
    finally:
        connection.close()

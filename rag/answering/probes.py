"""Whether what was out is back, asked for the breakers by threads of theirs: no asker waits to find that out."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from django.conf import settings
from django.db import connection

from rag import metrics
from rag.answering import retrieval, token_budget
from rag.answering.generation import GENERATOR_BREAKER, get_generator
from rag.answering.prompt import Prompt
from rag.errors import GeneratorUnavailable, ServiceUnavailable
from rag.index.embedding import get_embedder
from rag.resilience import Breaker, registered

SEARCH_SECONDS = 1.0
# As short as a question can be: what is asked is only whether an answer comes.
READY = Prompt("Answer with one word.", "Are you ready?")


def vectors() -> None:
    """A search like any other. Raises VectorStoreUnavailable."""
    dimension = get_embedder().dimension
    try:
        retrieval.nearest(np.full(dimension, dimension**-0.5, dtype=np.float32), seconds=SEARCH_SECONDS)
    finally:
        connection.close()  # the embedded store has asked the database


def generator() -> None:
    """A few tokens of the day's, within the time that an asker would have had. Raises GeneratorUnavailable."""
    asked = get_generator()
    if asked is None:
        raise GeneratorUnavailable("missing", "no generator is set")
    try:
        reserved = token_budget.reserve(READY)
        made = asked.generate(READY, seconds=settings.RAG_DEADLINE_SECONDS)
        metrics.count_tokens(made.prompt_tokens, made.output_tokens)
        with suppress(ServiceUnavailable):  # it stays as it was reserved
            reserved.settle(made.prompt_tokens + made.output_tokens)
    finally:
        connection.close()


VECTOR_BREAKER = registered(Breaker("vector store", probe=vectors))
GENERATOR_BREAKER.probe = generator

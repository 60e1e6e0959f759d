"""What gunicorn's master holds before it forks, so that no web process reads it for itself."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from console import warm_up
from rag.answering import retrieval
from rag.index import embedded_store
from rag.index.embedding import get_embedder
from rag.index.vector_store import get_vector_store
from tests.conftest import Index, Publish


@pytest.mark.django_db(transaction=True)
def test_the_embedded_index_is_read_before_the_fork(published: Publish, indexed: Index) -> None:
    entry = published("When are you open?", "From nine to five.")
    indexed()
    get_vector_store.cache_clear()  # as in a process that has just begun
    with mock.patch.object(warm_up, "gc"):  # the tests' own garbage stays garbage
        warm_up.before_the_fork()
    with mock.patch.object(embedded_store, "_read", side_effect=AssertionError("read again")):
        found = retrieval.nearest(np.ones(get_embedder().dimension, dtype=np.float32))
    assert {match.entry_id for match in found} == {entry.pk}

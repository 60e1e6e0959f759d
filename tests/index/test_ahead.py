"""Embedding goes on while the batch before is written; nothing is written that was not read as it stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from faq.models import Category, Entry
from rag.index import generations, indexing
from rag.index.ahead import with_following
from rag.index.coverage import coverage
from rag.index.embedding import Vectors
from tests.index.memory_store import HashEmbedder

pytestmark = pytest.mark.django_db
BATCH = 3


@pytest.fixture(autouse=True)
def _small_batches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMBEDDER = "tests.index.memory_store.HashEmbedder"
    monkeypatch.setattr(indexing, "BATCH", BATCH)


@pytest.fixture
def ten() -> list[Entry]:
    category = Category.objects.create(name="c")
    return [
        Entry.objects.create(category=category, question=f"q {n}", answer="a", status="published") for n in range(10)
    ]


class Watched(HashEmbedder):
    """Notes which batches are begun; `on` is called with each."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.changed = threading.Condition()

    def embed(self, texts: Sequence[str]) -> Vectors:
        with self.changed:
            self.begun.append(texts[0])
            self.changed.notify_all()
        return super().embed(texts)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    embedder = Watched()
    monkeypatch.setattr(indexing, "get_embedder", lambda: embedder)
    yield embedder


def test_the_next_batch_is_begun_before_this_one_is_written(
    ten: list[Entry], watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = indexing._write_ledger
    generation = generations.target()

    def writing(*given: Any) -> None:
        batch = len(written) // 2 + 1  # announced, then written
        with watched.changed:
            more = batch * BATCH < len(ten)
            assert watched.changed.wait_for(lambda: len(watched.begun) >= batch + more, 20)
        written.append(batch)
        write(*given)

    monkeypatch.setattr(indexing, "_write_ledger", writing)
    assert indexing.reconcile(generation).embedded == 10
    assert watched.begun == [f"q {n}" for n in (0, 3, 6, 9)]
    assert coverage(generation).complete


def test_what_is_edited_after_it_was_read_ahead_is_indexed_as_it_reads_now(
    ten: list[Entry], watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation, write = generations.target(), indexing._write_ledger

    def edits_meanwhile(*given: Any) -> None:
        monkeypatch.setattr(indexing, "_write_ledger", write)
        with watched.changed:
            assert watched.changed.wait_for(lambda: len(watched.begun) == 2, 20)
        Entry.objects.filter(pk=ten[4].pk).update(answer="another")  # of the batch that is being embedded
        write(*given)

    monkeypatch.setattr(indexing, "_write_ledger", edits_meanwhile)
    indexing.reconcile(generation)
    assert coverage(generation).complete
    assert "another" in Entry.objects.get(pk=ten[4].pk).answer
    assert len(watched.begun) == 5  # and once more what was edited


def test_a_suspect_takes_nobody_along() -> None:
    batches = [[1], [2], [3, 4], [5, 6]]
    assert list(with_following(iter(batches), {1, 2})) == [([1], []), ([2], []), ([3, 4], [5, 6]), ([5, 6], [])]

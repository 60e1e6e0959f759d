"""Vector store and embedding: found by meaning, kept, and done without where they are out."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from console.start import waiting
from faq.models import Entry
from rag.answering import pipeline, retrieval
from rag.errors import EmbedderUnavailable, VectorStoreUnavailable
from rag.index import generations, indexing, model_files, vector_store
from rag.index.embedding import OnnxEmbedder, golden
from rag.index.vector_store import QdrantStore
from tests.index import memory_store
from tests.index.memory_store import vector_of
from tests.properties.composed import kept_by_a_volume
from tests.properties.indexes import (
    COLLECTION,
    IN_MEMORY,
    InMemory,
    edits,
    forget_clients,
    points,
    searched,
    sentences,
    without,
    words,
)
from tests.properties.proof import booted, proof
from tests.servers import Qdrant
from tests.standins.qdrant import Fault, QdrantStandIn


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(tmp_path_factory.mktemp("qdrant")) as standin:
        yield standin


@pytest.fixture(scope="module")
def client() -> QdrantStore:
    """One for all examples: what it holds is costly to make, and it must stand what comes and goes."""
    return QdrantStore()


class Clock:
    """Time that passes only where somebody waits for it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@proof("our client before the stand-in that is made to fail", boots="tests/deploy/test_start.py: a start without it")
@given(fault=st.sampled_from([None, "refuse", "500", "garbage"]), late=st.integers(0, 200))
def test_property_41_its_state_is_told_and_holds_nothing_up(
    store: QdrantStandIn, client: QdrantStore, monkeypatch: pytest.MonkeyPatch, fault: Fault | None, late: int
) -> None:
    """Feature: production-deployment, Property 41: Vector Database Connectivity

    For any application startup, the Qdrant vector database should be accessible and respond to health checks
    """
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(waiting, "time", clock)
        patch.setattr(
            waiting, "_socket", lambda host, port: None if clock.now >= late / 10 else "nothing listens there"
        )
        answered = waiting.until("the vector store", lambda: waiting._socket("qdrant", 6333), waiting.SERVICE_SECONDS)
    assert clock.now <= 5 and (not answered or clock.now >= late / 10)
    assert answered or late > 10
    store.fault(fault)
    try:
        with override_settings(QDRANT_URL=store.url, QDRANT_API_KEY=""):
            if fault is None:
                client.probe()
            else:
                with pytest.raises(VectorStoreUnavailable):
                    client.probe()
    finally:
        store.fault(None)


@pytest.fixture(scope="module")
def embedder(model: Path) -> OnnxEmbedder:
    return OnnxEmbedder(model)


@proof("the real model, and copies of its files that lack something or have a bit turned")
@given(
    state=st.sampled_from(["sound", "sound", "missing", "bit"]),
    which=st.sampled_from(["tokenizer.json", "model.onnx"]),
    where=st.integers(0, 10**9),
    texts=st.lists(sentences | st.text(max_size=40), min_size=1, max_size=4),
)
def test_property_42_the_model_is_ready_or_says_why_not(
    model: Path, embedder: OnnxEmbedder, tmp_path_factory: pytest.TempPathFactory, state: str, which: str, where: int,
    texts: list[str],
) -> None:  # fmt: skip
    """Feature: production-deployment, Property 42: Embedding Model Loading

    For any application startup, the local embedding model should be successfully loaded and ready for inference
    """
    if state == "sound":
        known, expected = golden()
        assert ((embedder.embed(known) * expected).sum(axis=1) >= 0.999).all()
        vectors = embedder.embed(texts)
        assert vectors.shape == (len(texts), 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        return
    folder = tmp_path_factory.mktemp("model")
    try:
        for name in model_files.SERVING:
            (folder / name).symlink_to(model / name)
        (folder / which).unlink()
        if state == "bit":
            shutil.copyfile(model / which, folder / which)
            with (folder / which).open("r+b") as file:
                place = where % (folder / which).stat().st_size
                file.seek(place)
                (byte,) = file.read(1)
                file.seek(place)
                file.write(bytes([byte ^ (1 << where % 8)]))
        with pytest.raises(EmbedderUnavailable) as refused:
            OnnxEmbedder(folder).embed(texts)
        assert which in refused.value.detail and "fetch_model" in refused.value.detail
    finally:
        shutil.rmtree(folder)


@override_settings(**IN_MEMORY)
class TestStored(InMemory):
    @proof("the real job over a store in memory that no rollback reaches", boots="tests/stack/test_follow.py")
    @given(edits=edits)
    def test_property_43_points_are_exactly_what_is_published(self, edits: list[tuple[str, int, str]]) -> None:
        """Feature: production-deployment, Property 43: FAQ Embedding Storage

        For any FAQ entry in the system, corresponding embeddings should be stored in the vector database with proper
        metadata
        """
        for kind, number, text in edits:
            self.write(kind, number, text)
            if number % 2:  # so that there is something in the index to change or to take out
                indexing.reconcile(generations.target())
        indexing.reconcile(generations.target())
        memory_store.assert_true()


class TestSearched(TestCase):
    @proof("the embedded store, beside numpy over all points", boots="tests/index/test_vector_stores.py: Qdrant")
    @given(
        texts=st.lists(sentences, min_size=1, max_size=12, unique=True),
        limit=st.integers(1, 12),
        threshold=st.integers(0, 100).map(lambda one: one / 100),
        near=st.integers(0, 11),
        noise=st.integers(0, 100),
    )
    def test_property_44_what_is_nearest_comes_first(
        self, texts: list[str], limit: int, threshold: float, near: int, noise: int
    ) -> None:
        """Feature: production-deployment, Property 44: Similarity Search Functionality

        For any user query, the vector database should return relevant FAQ embeddings based on similarity threshold
        """
        vectors = np.stack([vector_of(text) for text in texts])
        query = vectors[near % len(texts)] * (noise / 100) + vector_of("another") * (1 - noise / 100)
        query = (query / np.linalg.norm(query)).astype(np.float32)
        found = searched(texts, query, limit)
        scores = vectors @ query
        best = np.argsort(-scores, kind="stable")[:limit]
        assert [match.entry_id for match in found] == [int(i) + 1 for i in best]
        assert np.allclose([match.score for match in found], scores[best], atol=1e-5)
        self.usable(found, threshold)

    def usable(self, found: list[vector_store.Match], threshold: float) -> None:
        """What may be answered from: nothing below the threshold, and all that is above."""
        candidates = [retrieval.Candidate(Entry(pk=one.entry_id), one.score, one.score) for one in found]
        with override_settings(RAG_SIMILARITY_THRESHOLD=threshold):
            usable = retrieval.Found(candidates, 1.0).usable
        assert [one.entry.pk for one in usable] == [one.entry_id for one in found if one.score >= threshold]


SUBJECTS = ("refund", "parcel", "library", "password")


@override_settings(**IN_MEMORY)
class TestFallenBack(InMemory):
    def setup_example(self) -> None:
        super().setup_example()
        for number, subject in enumerate(SUBJECTS, start=1):
            question = f"How does {subject} work here?"
            answer = f"The {subject} answer, number {number}."
            Entry.objects.create(
                question=question, answer=answer, category=self.category, status=Entry.Status.PUBLISHED
            )
        indexing.reconcile(generations.target())

    @proof(
        "the whole descent of an answer with parts that fail", boots="tests/faults: all 16 combinations in the product"
    )
    @given(
        out=st.sets(st.sampled_from(["embedder", "store"]), min_size=1), subject=words, asked=sentences | st.just("")
    )
    def test_property_45_there_is_always_something_from_the_entries(
        self, out: set[str], subject: str, asked: str
    ) -> None:
        """Feature: production-deployment, Property 45: Embedding Service Fallback

        For any embedding service failure, the system should gracefully fall back to traditional text search instead
        of returning "I don't know"
        """
        with override_settings(**without(out)):
            forget_clients()
            answer = pipeline.answer(f"How does {subject} work, {asked}?" if asked else f"How does the {subject} work?")
        forget_clients()
        published = {entry.pk: entry for entry in Entry.objects.published()}
        assert answer.answer.strip() and answer.sources
        assert {one.id for one in answer.sources} <= published.keys()
        assert answer.answered_by in {"exact", "text_search", "suggestions"}
        assert any(entry.answer in answer.answer or entry.question in answer.answer for entry in published.values())
        if subject in SUBJECTS and not asked:  # nearly an entry's own words: found by them, not merely offered
            assert answer.answered_by == "text_search", answer.answered_by
        if subject in {"refund", "parcel", "password"}:
            assert any(subject in published[one.id].question for one in answer.sources)


@pytest.fixture(scope="module")
def own() -> Iterator[Qdrant]:
    with Qdrant() as server:
        yield server


@pytest.fixture(scope="module")
def other() -> QdrantStore:
    return QdrantStore()


kept: dict[str, tuple[list[float], str]] = {}


@proof(
    "our client before the stand-in, whose process is killed with kill -9 and started anew in some of the examples",
    boots="make test-stack: Qdrant's container made anew on the same volume",
)
@given(texts=st.lists(sentences, min_size=1, max_size=6, unique=True), killed=st.sampled_from([True] + [False] * 19))
def test_property_46_vectors_outlive_their_server(
    own: Qdrant, other: QdrantStore, texts: list[str], killed: bool
) -> None:
    """Feature: production-deployment, Property 46: Vector Database Persistence

    For any container restart, vector embeddings should persist through Docker volumes and remain accessible
    """
    with override_settings(QDRANT_URL=own.url, QDRANT_API_KEY=""):
        if other.describe(COLLECTION) is None:
            other.create(COLLECTION, 384)
        written = points(texts)
        other.upsert(COLLECTION, written)
        kept.update({str(point.id): (point.vector.tolist(), point.payload.text_hash) for point in written})
        if killed:
            booted(46)
            own.fail(signal.SIGKILL)
            own.recover()
        assert {str(pk): one.text_hash for pk, one in other.scroll(COLLECTION)} == {
            pk: one[1] for pk, one in kept.items()
        }
        for point in written:
            (best,) = other.search(COLLECTION, point.vector, 1)
            assert (best.text_hash, round(best.score, 3)) == (point.payload.text_hash, 1.0)
    assert kept_by_a_volume("qdrant", "/qdrant/storage")

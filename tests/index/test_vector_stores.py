"""One contract, two stores: Qdrant over HTTP and the embedded one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from rag.errors import VectorStoreUnavailable
from rag.index.embedded_store import EmbeddedStore
from rag.index.embedding import Vector
from rag.index.vector_store import Payload, Point, QdrantStore, VectorStore

pytestmark = pytest.mark.django_db
DIMENSION = 8


@pytest.fixture(params=["embedded", "qdrant"])
def store(request: pytest.FixtureRequest, settings: Settings) -> VectorStore:
    if request.param == "embedded":
        return EmbeddedStore()
    settings.QDRANT_URL = request.getfixturevalue("qdrant_url")
    return QdrantStore()


@pytest.fixture
def collection(store: VectorStore) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    store.create(name, DIMENSION)
    yield name
    store.drop(name)


def vector(seed: int) -> Vector:
    drawn = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def point(entry_id: int, number: int = 0, text_hash: str = "h1") -> Point:
    payload = Payload(entry_id, "question", "en", 1, text_hash, "r")
    return Point(uuid.uuid5(uuid.NAMESPACE_OID, f"{entry_id}/{number}"), vector(entry_id * 100 + number), payload)


def aliased(store: VectorStore, collection: str) -> str:
    alias = f"alias_{collection}"
    store.point_alias(alias, collection)
    return alias


def test_search_finds_the_nearest_first(store: VectorStore, collection: str) -> None:
    store.upsert(collection, [point(n) for n in range(1, 30)])
    found = store.search(aliased(store, collection), vector(700), 5)
    exact = sorted(range(1, 30), key=lambda n: -float(vector(n * 100) @ vector(700)))[:5]
    assert [match.entry_id for match in found] == exact
    assert found[0].score == pytest.approx(1.0, abs=1e-5)


def test_the_same_point_written_again_is_replaced(store: VectorStore, collection: str) -> None:
    store.upsert(collection, [point(1)])
    store.upsert(collection, [point(1, text_hash="h2")])
    assert [payload.text_hash for _, payload in store.scroll(collection)] == ["h2"]


def test_removing_an_entry_removes_its_points_only(store: VectorStore, collection: str) -> None:
    store.upsert(collection, [point(1, 0), point(1, 1), point(2, 0)])
    store.remove(collection, [1])
    assert [payload.entry_id for _, payload in store.scroll(collection)] == [2]


def test_removing_what_is_outdated_keeps_the_fresh_hash(store: VectorStore, collection: str) -> None:
    store.upsert(collection, [point(1, 0, "new"), point(1, 1, "old"), point(2, 0, "old")])
    store.remove_outdated(collection, {1: "new"})
    assert sorted((p.entry_id, p.text_hash) for _, p in store.scroll(collection)) == [(1, "new"), (2, "old")]


def test_an_alias_moves_in_one_step(store: VectorStore, collection: str) -> None:
    other = f"{collection}_b"
    store.create(other, DIMENSION)
    alias = aliased(store, collection)
    store.upsert(collection, [point(1)])
    store.upsert(other, [point(2)])
    store.point_alias(alias, other)
    assert store.alias_target(alias) == other
    assert [match.entry_id for match in store.search(alias, vector(100), 5)] == [2]
    store.drop(other)


def test_a_scroll_reads_every_point_of_many(store: VectorStore, collection: str) -> None:
    for start in range(0, 1_200, 300):
        store.upsert(collection, [point(n) for n in range(start, start + 300)])
    assert sorted(payload.entry_id for _, payload in store.scroll(collection)) == list(range(1_200))
    described = store.describe(collection)
    assert described is not None
    assert (described.dimension, described.distance, described.points) == (DIMENSION, "Cosine", 1_200)


def test_a_vector_of_another_dimension_is_refused(store: VectorStore, collection: str) -> None:
    wrong = Point(uuid.uuid4(), np.ones(5, dtype=np.float32), Payload(1, "question", "en", 1, "h", "r"))
    with pytest.raises(VectorStoreUnavailable):
        store.upsert(collection, [wrong])


def test_what_is_not_there_is_missing(store: VectorStore) -> None:
    assert store.describe("nowhere") is None
    assert store.alias_target("nowhere") is None
    with pytest.raises(VectorStoreUnavailable) as refused:
        store.search("nowhere", vector(1), 5)
    assert refused.value.reason == "missing"


def test_an_empty_collection_has_no_matches(store: VectorStore, collection: str) -> None:
    assert store.search(aliased(store, collection), vector(1), 5) == []


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seeds=st.sets(st.integers(1, 10_000), min_size=1, max_size=40), asked=st.integers(1, 10_000))
def test_results_are_those_of_brute_force(store: VectorStore, collection: str, seeds: set[int], asked: int) -> None:
    name = f"{collection}_{uuid.uuid4().hex[:8]}"
    store.create(name, DIMENSION)
    store.upsert(name, [point(seed) for seed in sorted(seeds)])
    found = store.search(aliased(store, name), vector(asked), 5)
    best = sorted((float(vector(seed * 100) @ vector(asked)) for seed in seeds), reverse=True)[:5]
    assert [match.score for match in found] == pytest.approx(best, abs=1e-4)
    store.drop(name)


class TestQdrantAway:
    def test_nobody_listening_is_refused(self, settings: Settings) -> None:
        settings.QDRANT_URL = "http://127.0.0.1:1"
        with pytest.raises(VectorStoreUnavailable) as refused:
            QdrantStore().search("faq_embeddings", vector(1), 5)
        assert refused.value.reason == "refused"

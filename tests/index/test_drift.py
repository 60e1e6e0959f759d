"""Five kinds of drift planted by hand, found as what they are, and put right."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from faq.models import Entry
from rag.errors import VectorStoreUnavailable
from rag.index import drift, generations, indexing, jobs, work
from rag.index.coverage import coverage
from rag.index.embedding import Vector, get_embedder
from rag.index.recipe import point_texts
from rag.index.vector_store import Payload, Point, VectorStore, get_vector_store
from rag.models import DriftScan, Generation, Job
from tests.conftest import drop_collections

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]


@pytest.fixture(params=["embedded", "qdrant"], autouse=True)
def store(request: pytest.FixtureRequest, settings: Settings) -> VectorStore:
    if request.param == "qdrant":
        url = request.getfixturevalue("qdrant_url")
        settings.QDRANT_COLLECTION_NAME = f"test_{uuid.uuid4().hex[:12]}"
        settings.VECTOR_STORE, settings.QDRANT_URL = "rag.index.vector_store.QdrantStore", url
        prefix = settings.QDRANT_COLLECTION_NAME
        request.addfinalizer(lambda: drop_collections(url, prefix))
    return get_vector_store()


@pytest.fixture
def live(published: Published, store: VectorStore) -> Generation:
    for number in range(6):
        published(f"What is number {number}?", f"It is {number}.", variants=[f"number {number} please"])
    work.run(jobs.request().pk)
    found = generations.live()
    assert found is not None
    return found


def planted(entry: Entry, generation: Generation, **changes: Any) -> Point:
    """The entry's question point, with something in its payload changed."""
    text = point_texts(entry)[0]
    values: dict[str, Any] = {
        "entry_id": entry.pk,
        "kind": "question",
        "language": "en",
        "category_id": entry.category_id,
        "text_hash": entry.text_hash,
        "recipe": generation.recipe,
    }
    vector = get_embedder().embed([text.text])[0]
    return Point(text.point_id, vector, Payload(**{**values, **changes}))


def plant_everything(generation: Generation, store: VectorStore) -> None:
    one, two, three, four, five, _ = Entry.objects.order_by("pk")
    store.remove_points(generation.collection, [text.point_id for text in point_texts(one)])
    store.upsert(generation.collection, [planted(two, generation, text_hash="old")])
    store.upsert(generation.collection, [planted(three, generation, recipe="other")])
    stray = planted(four, generation, entry_id=9_999_999)
    store.upsert(generation.collection, [Point(uuid.uuid4(), stray.vector, stray.payload)])
    generation.embeddings.filter(entry_id=five.pk).delete()
    Entry.objects.filter(pk=five.pk).update(status="archived")


def test_nothing_planted_nothing_found(live: Generation) -> None:
    found = drift.scan(live)
    assert found.clean
    assert found.points == 18
    assert DriftScan.objects.get().counts == dict.fromkeys(found.counts, 0)


def test_each_kind_is_found_as_what_it_is(live: Generation, store: VectorStore) -> None:
    plant_everything(live, store)
    assert drift.scan(live).counts == {
        "missing": 1,
        "outdated": 1,
        "wrong_recipe": 1,
        "orphan": 1,
        "unpublished": 1,
    }


def test_a_repair_puts_exactly_these_right(live: Generation, store: VectorStore) -> None:
    plant_everything(live, store)
    found = drift.scan(live)
    drift.repair(live, found)
    with mock.patch.object(indexing, "index", return_value=0) as index:
        indexing.reconcile(live)
    embedded = {pk for call in index.call_args_list for pk in call.args[1]}
    assert embedded == found.missing | found.outdated | found.wrong_recipe

    indexing.reconcile(live)

    assert drift.scan(live).clean
    assert coverage().complete


def test_points_of_an_entry_that_the_ledger_forgot_are_no_secret(live: Generation) -> None:
    live.embeddings.all().delete()
    assert len(drift.scan(live).missing) == 6


def test_a_scan_that_breaks_off_knows_nothing(live: Generation, store: VectorStore) -> None:
    gone = VectorStoreUnavailable("refused", "gone")
    with mock.patch.object(type(store), "scroll", side_effect=gone), pytest.raises(VectorStoreUnavailable):
        drift.scan(live)
    kept = DriftScan.objects.get()
    assert (kept.counts, kept.error) == (None, "vector store: gone")


class TestCommand:
    def test_it_counts_fails_and_repairs(self, live: Generation, store: VectorStore) -> None:
        call_command("check_index", stdout=StringIO())
        plant_everything(live, store)
        with pytest.raises(CommandError, match="--repair"):
            call_command("check_index", stdout=StringIO())
        out = StringIO()
        call_command("check_index", "--repair", stdout=out)
        assert "No drift: 15 points" in out.getvalue()

    def test_an_unreadable_index_is_unknown_not_clean(self, live: Generation, store: VectorStore) -> None:
        gone = VectorStoreUnavailable("timeout", "gone")
        with (
            mock.patch.object(type(store), "scroll", side_effect=gone),
            pytest.raises(CommandError, match="Unknown"),
        ):
            call_command("check_index", stdout=StringIO())


@pytest.mark.fault(7)
@pytest.mark.parametrize("lost", ["collection", "points"])
def test_what_is_deleted_behind_our_back_heals_by_itself(
    live: Generation, store: VectorStore, settings: Settings, lost: str
) -> None:
    if lost == "collection":
        store.drop(live.collection)
    else:
        store.remove(live.collection, list(Entry.objects.values_list("pk", flat=True)))
    Job.objects.all().delete()
    work.sweep()
    work.run_waiting()
    now = generations.live()
    assert now is not None
    assert drift.scan(now).clean
    assert len(store.search(settings.QDRANT_COLLECTION_NAME, planted_vector(), 5)) == 5


def planted_vector() -> Vector:
    vector: Vector = get_embedder().embed(["number"])[0]
    return vector

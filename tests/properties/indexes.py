"""Entries and their index, which each example finds empty: the database is rolled back, the store begins anew."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.cache import cache
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from faq import wording
from faq.models import Category, Entry
from rag.answering import cache as kept_answers
from rag.errors import EmbedderUnavailable, VectorStoreUnavailable
from rag.index import embedding, generations, indexing, vector_store
from rag.index.embedded_store import EmbeddedStore
from rag.index.vector_store import Payload, Point
from tests.index import memory_store
from tests.index.memory_store import vector_of

COLLECTION = "properties"
IN_MEMORY = {
    "VECTOR_STORE": "tests.index.memory_store.MemoryStore",
    "EMBEDDER": "tests.index.memory_store.HashEmbedder",
}
WORDS = (
    *("refund", "parcel", "library", "card", "opening", "hours", "book"),
    *("return", "password", "ticket", "tram", "visit", "school"),
)
words = st.sampled_from(WORDS)
sentences = st.lists(words, min_size=2, max_size=6).map(" ".join)
edits = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "edit", "variant", "archive", "delete", "bulk"]),
        st.integers(0, 9),
        sentences,
    ),
    min_size=1,
    max_size=8,
)


class InMemory(TestCase):
    """An index of which no rollback forgets anything: so each example begins with an empty one."""

    def setup_example(self) -> None:
        super().setup_example()  # type: ignore[no-untyped-call]  # the library has no types here
        memory_store.begin_anew()
        cache.clear()
        kept_answers.forget()
        wording.forget()
        self.category = Category.objects.create(name="Properties")
        indexing.reconcile(generations.target())

    def write(self, kind: str, number: int, text: str) -> None:
        entries = list(Entry.objects.order_by("pk"))
        entry = entries[number % len(entries)] if entries else None
        if kind == "create" or entry is None:
            state = Entry.Status.PUBLISHED if number % 4 else Entry.Status.DRAFT
            Entry.objects.create(question=text, answer=f"{text} {number}", category=self.category, status=state)
        elif kind == "delete":
            entry.delete()
        elif kind == "bulk":
            Entry.objects.update(answer=text)
        else:
            changes: dict[str, dict[str, Any]] = {
                "edit": {"answer": text},
                "variant": {"variants": [text]},
                "archive": {"status": "archived"},
            }
            Entry.objects.filter(pk=entry.pk).update(**changes[kind])


class Broken:
    """Every call of it fails as that of a service which is out."""

    name, dimension = "all-MiniLM-L6-v2", 384
    kind: type[VectorStoreUnavailable] | type[EmbedderUnavailable] = VectorStoreUnavailable

    def __getattr__(self, name: str) -> object:
        def fail(*args: object, **values: object) -> object:
            raise self.kind("timeout", "out")  # each kind names its service itself

        return fail


class BrokenEmbedder(Broken):
    kind = EmbedderUnavailable


def without(out: set[str]) -> dict[str, str]:
    """The settings under which these parts are out."""
    broken = {"embedder": ("EMBEDDER", BrokenEmbedder), "store": ("VECTOR_STORE", Broken)}
    return {broken[one][0]: f"{__name__}.{broken[one][1].__name__}" for one in out}


def forget_clients() -> None:
    embedding.reset_embedder()
    vector_store.get_vector_store.cache_clear()


# --- points ---------------------------------------------------------------------------------------------------------


def points(texts: list[str]) -> list[Point]:
    """One for each text, by the vectors that stand in for the model's."""
    return [
        Point(uuid.uuid5(uuid.NAMESPACE_OID, text), vector_of(text), payload(number, text))
        for number, text in enumerate(texts, start=1)
    ]


def payload(number: int, text: str) -> Payload:
    given_ = {"entry_id": number, "kind": "question", "text_hash": text}
    return Payload(**{name: given_.get(name, "") for name in Payload.__slots__})  # type: ignore[arg-type]  # what is drawn is text and numbers


def searched(texts: list[str], query: embedding.Vector, limit: int) -> list[vector_store.Match]:
    """What the embedded store finds among these texts alone."""
    store = EmbeddedStore()
    store.create(COLLECTION, 384)
    store.point_alias("live", COLLECTION)
    store.upsert(COLLECTION, points(texts))
    return store.search("live", query, limit)

"""A vector store and an embedder in memory: no rollback reaches them, and a worker can be killed at any step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from faq.models import Entry
from rag.errors import VectorStoreUnavailable
from rag.index import generations
from rag.index.embedding import Vector, Vectors
from rag.index.recipe import point_texts
from rag.index.vector_store import Collection, Match, Payload, Point


class Killed(BaseException):
    """kill -9: nothing that catches exceptions may notice."""


@dataclass
class World:
    """What outlives a worker, and when the next one dies."""

    collections: dict[str, dict[UUID, Point]] = field(default_factory=dict)
    dimensions: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    steps_to_live: int | None = None
    meanwhile: Callable[[], object] | None = None  # happens once, while a text is being embedded

    def step(self) -> None:
        if self.steps_to_live is None:
            return
        self.steps_to_live -= 1
        if self.steps_to_live < 0:
            self.steps_to_live = None
            raise Killed


world = World()


def begin_anew() -> World:
    global world
    world = World()
    return world


class HashEmbedder:
    """Same text, same vector, without a model."""

    name, dimension = "all-MiniLM-L6-v2", 384

    def embed(self, texts: Sequence[str]) -> Vectors:
        world.step()
        meanwhile, world.meanwhile = world.meanwhile, None
        vectors = np.stack([vector_of(text) for text in texts])
        if meanwhile:
            meanwhile()
        world.step()
        return vectors


def vector_of(text: str) -> Vector:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    vector = np.random.default_rng(seed).standard_normal(384).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


class MemoryStore:
    """As Qdrant behaves: each call happens as a whole, and stays, whatever becomes of the caller."""

    def describe(self, collection: str) -> Collection | None:
        if collection not in world.collections:
            return None
        return Collection(world.dimensions[collection], "Cosine", len(world.collections[collection]))

    def create(self, collection: str, dimension: int) -> None:
        world.step()
        world.collections[collection], world.dimensions[collection] = {}, dimension
        world.step()

    def drop(self, collection: str) -> None:
        world.step()
        del world.collections[collection]
        world.aliases = {alias: target for alias, target in world.aliases.items() if target != collection}

    def alias_target(self, alias: str) -> str | None:
        return world.aliases.get(alias)

    def point_alias(self, alias: str, collection: str) -> None:
        world.step()
        self._points(collection)
        world.aliases[alias] = collection
        world.step()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        world.step()
        self._points(collection).update({point.id: point for point in points})
        world.step()

    def remove(self, collection: str, entry_ids: Sequence[int]) -> None:
        self._remove(collection, lambda point: point.payload.entry_id in entry_ids)

    def remove_points(self, collection: str, point_ids: Sequence[UUID]) -> None:
        self._remove(collection, lambda point: point.id in point_ids)

    def remove_outdated(self, collection: str, text_hashes: dict[int, str]) -> None:
        self._remove(
            collection,
            lambda point: point.payload.entry_id in text_hashes and point.payload.text_hash not in text_hashes.values(),
        )

    def search(
        self, alias: str, vector: Vector, limit: int, *, as_of: int | None = None, seconds: float = math.inf
    ) -> list[Match]:
        points = self._points(world.aliases.get(alias, alias)).values()
        near = sorted(((float(point.vector @ vector), point.payload) for point in points), key=lambda one: -one[0])
        return [Match(one.entry_id, one.kind, one.text_hash, score) for score, one in near[:limit]]

    def scroll(self, collection: str) -> Iterator[tuple[UUID, Payload]]:
        yield from [(pk, point.payload) for pk, point in self._points(collection).items()]

    def probe(self) -> None:
        pass

    def _remove(self, collection: str, chosen: Callable[[Point], bool]) -> None:
        world.step()
        points = self._points(collection)
        for pk in [pk for pk, point in points.items() if chosen(point)]:
            del points[pk]
        world.step()

    def _points(self, collection: str) -> dict[UUID, Point]:
        if collection not in world.collections:
            raise VectorStoreUnavailable("missing", f"the collection {collection} does not exist")
        return world.collections[collection]


def assert_true() -> None:
    """Points = published texts, payload hash = row hash = ledger, vector = embed(text), in all that follow."""
    live = generations.live()
    assert live is not None
    assert world.aliases == {"faq_embeddings": live.collection}
    published = {entry.pk: entry for entry in Entry.objects.published()}
    texts = {text.point_id: (entry, text) for entry in published.values() for text in point_texts(entry)}
    for generation in generations.followed():
        points = world.collections[generation.collection]
        assert points.keys() == texts.keys(), generation.collection
        for pk, point in points.items():
            entry, text = texts[pk]
            assert (point.payload.entry_id, point.payload.text_hash) == (entry.pk, entry.text_hash)
            assert np.array_equal(point.vector, vector_of(text.text))
        ledger = dict(generation.embeddings.values_list("entry_id", "text_hash"))
        assert ledger == {pk: entry.text_hash for pk, entry in published.items()}

"""The vector store for a machine without Qdrant: vectors in the database, searched exactly by numpy."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import Error, connection, transaction
from django.db.models import F

from rag.errors import VectorStoreUnavailable
from rag.index.embedding import Vector
from rag.index.vector_store import Collection, Match, Payload, Point
from rag.models import StoredAlias, StoredCollection, StoredPoint

BATCH = 500
# Asked with every search: written out, as building the query takes longer than the answer to it.
_OF_NAME = """
    SELECT id, version FROM rag_storedcollection WHERE name = %s
    UNION ALL
    SELECT c.id, c.version FROM rag_storedalias AS a JOIN rag_storedcollection AS c ON c.id = a.collection_id
    WHERE a.name = %s
"""


@dataclass(frozen=True)
class _Loaded:
    version: int
    vectors: npt.NDArray[np.float32]
    marks: list[tuple[int, str, str]]  # of each vector: entry, kind and text hash, as a match has them


class EmbeddedStore:
    """Works from several processes: each holds a copy of the live collection and reads it again when it moved on.

    Exact, and at 20,000 entries some 16 ms a question; beyond that a Qdrant server is the better place.
    """

    def __init__(self) -> None:
        self._loaded: dict[int, _Loaded] = {}
        self._at: tuple[str, int, _Loaded] | None = None  # name, content version, and what was held at it
        self._lock = threading.Lock()

    def describe(self, collection: str) -> Collection | None:
        found = StoredCollection.objects.filter(name=collection).first()
        return Collection(found.dimension, "Cosine", found.points.count()) if found else None

    def create(self, collection: str, dimension: int) -> None:
        StoredCollection.objects.create(name=collection, dimension=dimension)

    def drop(self, collection: str) -> None:
        StoredCollection.objects.filter(name=collection).delete()

    def alias_target(self, alias: str) -> str | None:
        return StoredAlias.objects.filter(name=alias).values_list("collection__name", flat=True).first()

    def point_alias(self, alias: str, collection: str) -> None:
        target = self._collection(collection)
        StoredAlias.objects.update_or_create(name=alias, defaults={"collection": target})

    @transaction.atomic
    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        target = self._changed(collection)
        rows = [
            StoredPoint(
                collection=target,
                point_id=point.id,
                entry_id=point.payload.entry_id,
                payload={name: getattr(point.payload, name) for name in Payload.__slots__},
                vector=_packed(point.vector, target.dimension),
            )
            for point in points
        ]
        StoredPoint.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["collection", "point_id"],
            update_fields=["entry_id", "payload", "vector"],
        )

    @transaction.atomic
    def remove(self, collection: str, entry_ids: Sequence[int]) -> None:
        self._changed(collection).points.filter(entry_id__in=entry_ids).delete()

    @transaction.atomic
    def remove_points(self, collection: str, point_ids: Sequence[UUID]) -> None:
        self._changed(collection).points.filter(point_id__in=point_ids).delete()

    @transaction.atomic
    def remove_outdated(self, collection: str, text_hashes: dict[int, str]) -> None:
        points = self._changed(collection).points.filter(entry_id__in=list(text_hashes))
        points.exclude(payload__text_hash__in=list(text_hashes.values())).delete()

    def search(
        self, alias: str, vector: Vector, limit: int, *, as_of: int | None = None, seconds: float = math.inf
    ) -> list[Match]:
        try:
            loaded = self._known(alias, as_of)
        except Error as error:
            raise VectorStoreUnavailable("refused", f"embedded store: {type(error).__name__}") from error
        if not loaded.marks:
            return []
        scores = loaded.vectors @ vector
        best = _best(scores, limit)
        near = ((loaded.marks[i], score) for i, score in zip(best.tolist(), scores[best].tolist(), strict=True))
        return [Match(entry_id, kind, text_hash, score) for (entry_id, kind, text_hash), score in near]

    def scroll(self, collection: str) -> Iterator[tuple[UUID, Payload]]:
        rows = self._collection(collection).points.order_by("pk").values_list("point_id", "payload")
        for point_id, payload in rows.iterator(chunk_size=BATCH):
            yield point_id, Payload(**payload)

    def probe(self) -> None:
        try:
            StoredCollection.objects.exists()
        except Error as error:
            raise VectorStoreUnavailable("refused", f"embedded store: {type(error).__name__}") from error

    def _collection(self, name: str) -> StoredCollection:
        found = StoredCollection.objects.filter(name=name).first()
        if found is None:
            raise VectorStoreUnavailable("missing", f"the collection {name} does not exist")
        return found

    def _changed(self, name: str) -> StoredCollection:
        """The collection, locked for this transaction and marked so that readers load it again."""
        found = self._collection(name)
        StoredCollection.objects.filter(pk=found.pk).update(version=F("version") + 1)
        return found

    def _known(self, name: str, as_of: int | None) -> _Loaded:
        """What it held at this content version where somebody has looked then, else what it holds now."""
        if as_of is None:
            return self._load(name)
        known = self._at
        if known is None or known[:2] != (name, as_of):
            known = self._at = name, as_of, self._load(name)
        return known[2]

    def _load(self, name: str) -> _Loaded:
        """What an alias, or a collection itself, holds now."""
        with connection.cursor() as cursor:
            cursor.execute(_OF_NAME, [name, name])
            row = cursor.fetchone()
        if row is None:
            raise VectorStoreUnavailable("missing", "nothing has been indexed yet")
        pk, version = row
        held = self._loaded.get(pk)
        if held is not None and held.version == version:
            return held
        with self._lock:
            held = self._loaded.get(pk)
            if held is None or held.version != version:
                held = _read(pk, version)
                self._loaded = {pk: held}
            return held


def _read(collection_id: int, version: int) -> _Loaded:
    rows = StoredPoint.objects.filter(collection_id=collection_id).order_by("pk").values_list("vector", "payload")
    vectors = bytearray()  # grows in its place: a list of so many vectors would be held a second time beside the matrix
    marks = []
    for vector, payload in rows.iterator(chunk_size=BATCH):
        vectors += vector
        marks.append((payload["entry_id"], sys.intern(payload["kind"]), payload["text_hash"]))
    matrix = np.frombuffer(vectors, dtype="<f4").reshape(len(marks), -1 if marks else 0)
    return _Loaded(version, matrix, marks)


def _best(scores: npt.NDArray[np.float32], limit: int) -> npt.NDArray[np.intp]:
    """Where the highest are, highest first; the rest is not put in order."""
    if len(scores) <= limit:
        return np.argsort(-scores, kind="stable")
    highest = np.argpartition(scores, -limit)[-limit:]
    return highest[np.lexsort((highest, -scores[highest]))]


def _packed(vector: Vector, dimension: int) -> bytes:
    if len(vector) != dimension:
        raise VectorStoreUnavailable(
            "bad_response", f"a vector of {len(vector)} for a collection of {dimension} dimensions"
        )
    return vector.astype("<f4").tobytes()

"""The index's contract, and Qdrant behind it: the one file that knows qdrant-client."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from rag import bounded_http
from rag.errors import Reason, VectorStoreUnavailable
from rag.index.embedding import Vector

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

WRITE_SECONDS = 30.0
SEARCH_SECONDS = 2.0  # an asker may have less
SCROLL_BATCH = 500


@dataclass(frozen=True, slots=True)
class Payload:
    """What a point carries beside its vector."""

    entry_id: int
    kind: str
    language: str
    category_id: int
    text_hash: str
    recipe: str


@dataclass(frozen=True, slots=True)
class Point:
    id: UUID
    vector: Vector
    payload: Payload


class Match(NamedTuple):
    """A point near the question: cosine, -1 to 1. A tuple, as sixty are made for each question."""

    entry_id: int
    kind: str
    text_hash: str
    score: float


@dataclass(frozen=True, slots=True)
class Collection:
    dimension: int
    distance: str
    points: int


class VectorStore(Protocol):
    """Every method raises VectorStoreUnavailable when the store cannot be asked, or answers nonsense."""

    def describe(self, collection: str) -> Collection | None: ...

    def create(self, collection: str, dimension: int) -> None: ...

    def drop(self, collection: str) -> None: ...

    def alias_target(self, alias: str) -> str | None: ...

    def point_alias(self, alias: str, collection: str) -> None:
        """In one call: no search ever finds the alias gone."""
        ...

    def upsert(self, collection: str, points: Sequence[Point]) -> None: ...

    def remove(self, collection: str, entry_ids: Sequence[int]) -> None: ...

    def remove_points(self, collection: str, point_ids: Sequence[UUID]) -> None: ...

    def remove_outdated(self, collection: str, text_hashes: dict[int, str]) -> None:
        """Of these entries, the points with another text hash than the one named."""
        ...

    def search(
        self, alias: str, vector: Vector, limit: int, *, as_of: int | None = None, seconds: float = math.inf
    ) -> list[Match]:
        """The nearest points, best first. `as_of`: the content version, which each step of the index changes; what
        is known to hold at it need not be looked for again. After `seconds` it is given up, as unavailable."""
        ...

    def scroll(self, collection: str) -> Iterator[tuple[UUID, Payload]]: ...

    def probe(self) -> None: ...


class QdrantStore:
    """A Qdrant server over REST. Its client is made at first use, so after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: QdrantClient | None = None

    def describe(self, collection: str) -> Collection | None:
        if not self._call(lambda: self._client.collection_exists(collection)):
            return None
        info = self._call(lambda: self._client.get_collection(collection))
        vectors = info.config.params.vectors
        return Collection(vectors.size, str(vectors.distance.value), info.points_count or 0)

    def create(self, collection: str, dimension: int) -> None:
        from qdrant_client import models

        params = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        self._call(lambda: self._client.create_collection(collection, vectors_config=params))
        kinds = {"entry_id": models.PayloadSchemaType.INTEGER, "text_hash": models.PayloadSchemaType.KEYWORD}
        for field, kind in kinds.items():
            self._call(partial(self._client.create_payload_index, collection, field, field_schema=kind))

    def drop(self, collection: str) -> None:
        self._call(lambda: self._client.delete_collection(collection))

    def alias_target(self, alias: str) -> str | None:
        found = self._call(lambda: self._client.get_aliases()).aliases
        return next((one.collection_name for one in found if one.alias_name == alias), None)

    def point_alias(self, alias: str, collection: str) -> None:
        from qdrant_client import models

        changes: list[Any] = []
        if self.alias_target(alias):
            changes.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        create = models.CreateAlias(collection_name=collection, alias_name=alias)
        changes.append(models.CreateAliasOperation(create_alias=create))
        self._call(lambda: self._client.update_collection_aliases(changes))

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        from qdrant_client import models

        rows = [models.PointStruct(id=str(p.id), vector=p.vector.tolist(), payload=_as_dict(p.payload)) for p in points]
        self._call(lambda: self._client.upsert(collection, rows, wait=True))

    def remove(self, collection: str, entry_ids: Sequence[int]) -> None:
        from qdrant_client import models

        of_entries = models.FieldCondition(key="entry_id", match=models.MatchAny(any=list(entry_ids)))
        self._delete(collection, models.Filter(must=[of_entries]))

    def remove_points(self, collection: str, point_ids: Sequence[UUID]) -> None:
        from qdrant_client import models

        selector = models.PointIdsList(points=[str(one) for one in point_ids])
        self._call(lambda: self._client.delete(collection, points_selector=selector, wait=True))

    def remove_outdated(self, collection: str, text_hashes: dict[int, str]) -> None:
        from qdrant_client import models

        entries = models.FieldCondition(key="entry_id", match=models.MatchAny(any=list(text_hashes)))
        fresh = models.FieldCondition(key="text_hash", match=models.MatchAny(any=list(text_hashes.values())))
        self._delete(collection, models.Filter(must=[entries], must_not=[fresh]))

    def search(
        self, alias: str, vector: Vector, limit: int, *, as_of: int | None = None, seconds: float = math.inf
    ) -> list[Match]:
        found = self._call(
            lambda: self._client.query_points(alias, query=vector.tolist(), limit=limit, with_payload=_MARKS),
            min(seconds, SEARCH_SECONDS),
        )
        return [_match(point.payload, point.score) for point in found.points]

    def scroll(self, collection: str) -> Iterator[tuple[UUID, Payload]]:
        offset: Any = None
        while True:
            page = partial(self._client.scroll, collection, limit=SCROLL_BATCH, offset=offset, with_payload=True)
            points, offset = self._call(page)
            for point in points:
                yield UUID(str(point.id)), _payload(point.payload)
            if offset is None:
                return

    def probe(self) -> None:
        self._call(lambda: self._client.get_collections(), SEARCH_SECONDS)

    @property
    def _client(self) -> QdrantClient:
        with self._lock:
            if self._made is None:
                import httpcore
                import httpx
                from qdrant_client import QdrantClient

                url = settings.QDRANT_URL
                assert url  # else the vectors are in the database
                transport = httpx.HTTPTransport(proxy=bounded_http.proxy(url))
                bounded_http.bound(transport, httpcore)
                self._made = QdrantClient(
                    url=url,
                    api_key=settings.QDRANT_API_KEY or None,
                    timeout=int(WRITE_SECONDS),
                    check_compatibility=False,
                    transport=transport,
                )
                # Else it closes itself at the interpreter's very end, too late for its own libraries, and complains.
                weakref.finalize(self, self._made.close)
            return self._made

    def _delete(self, collection: str, chosen: Any) -> None:
        from qdrant_client import models

        selector = models.FilterSelector(filter=chosen)
        self._call(lambda: self._client.delete(collection, points_selector=selector, wait=True))

    def _call(self, call: Callable[[], Any], seconds: float = WRITE_SECONDS) -> Any:
        from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

        try:
            with bounded_http.Call(seconds):
                return call()
        except TimeoutError as error:
            raise VectorStoreUnavailable("timeout", "Qdrant: no time left to ask") from error
        except UnexpectedResponse as error:
            reason = _REASONS.get(error.status_code or 0, "http_error")
            raise VectorStoreUnavailable(reason, f"Qdrant answered {error.status_code}") from error
        except ResponseHandlingException as error:
            reason = _reason_of(error.source)
            raise VectorStoreUnavailable(reason, f"Qdrant: {type(error.source).__name__}") from error
        except (ApiException, ValueError, AttributeError) as error:
            raise VectorStoreUnavailable("bad_response", f"Qdrant: {type(error).__name__}") from error


_MARKS = ["entry_id", "kind", "text_hash"]  # what a search asks for of each payload
_REASONS: dict[int, Reason] = {401: "auth", 403: "auth", 404: "missing", 429: "rate_limited"}


def _reason_of(source: Exception) -> Reason:
    import httpx

    if isinstance(source, (TimeoutError, httpx.TimeoutException)):
        return "timeout"
    return "refused" if isinstance(source, (OSError, httpx.TransportError)) else "bad_response"


def _as_dict(payload: Payload) -> dict[str, Any]:
    return {name: getattr(payload, name) for name in Payload.__slots__}


def _payload(found: Any) -> Payload:
    try:
        return Payload(**{name: found[name] for name in Payload.__slots__})
    except (KeyError, TypeError) as error:
        raise VectorStoreUnavailable("bad_response", "a point without our payload") from error


def _match(found: Any, score: float) -> Match:
    if not -1.01 <= score <= 1.01:  # NaN fails this too
        raise VectorStoreUnavailable("bad_response", "a score outside -1 to 1")
    try:
        return Match(found["entry_id"], found["kind"], found["text_hash"], score)
    except (KeyError, TypeError) as error:
        raise VectorStoreUnavailable("bad_response", "a point without our payload") from error


@lru_cache(maxsize=1)
def get_vector_store() -> VectorStore:
    store: VectorStore = import_string(settings.VECTOR_STORE)()
    return store


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"VECTOR_STORE", "QDRANT_URL", "QDRANT_API_KEY"}:
        get_vector_store.cache_clear()


setting_changed.connect(_forget)

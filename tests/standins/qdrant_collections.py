"""Collections as Qdrant's REST API speaks of them, over Qdrant's own embedded engine."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy
import qdrant_edge as edge

Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def only(body: Json, *known: str) -> Json:
    """The body without its nulls; 501 for what this server does not know."""
    given = {name: value for name, value in body.items() if value is not None}
    if unknown := given.keys() - set(known):
        raise Refused(501, f"{', '.join(sorted(unknown))}: not known to this stand-in")
    return given


def point_id(value: object) -> int | str:
    with suppress(ValueError):
        if isinstance(value, str):
            return str(UUID(value))
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Refused(400, f"Format error in JSON body: value {value} is not a valid point ID")


def filter_in(body: Json | None) -> Any:
    if not body:
        return None
    clauses = only(body, "must", "should", "must_not")
    parts: Json = {name: part if isinstance(part, list) else [part] for name, part in clauses.items()}
    made: Json = {name: [condition_in(one) for one in part] for name, part in parts.items()}
    return edge.Filter(**made)


def condition_in(body: Json) -> Any:
    given = only(body, "key", "match", "range", "has_id", "is_empty", "is_null", "must", "should", "must_not")
    if "has_id" in given:
        return edge.HasIdCondition({point_id(one) for one in given["has_id"]})
    if "is_empty" in given:
        return edge.IsEmptyCondition(given["is_empty"]["key"])
    if "is_null" in given:
        return edge.IsNullCondition(given["is_null"]["key"])
    if "key" not in given:
        return filter_in(given)
    if "range" in given:
        return edge.FieldCondition(
            given["key"], range=edge.RangeFloat(**only(given["range"], "gt", "gte", "lt", "lte"))
        )
    (kind, value), *_ = only(given["match"], "value", "any", "except", "text").items()
    if isinstance(value, bool):
        value = numpy.bool_(value)  # the engine takes Python's True for 1
    makers = {"value": edge.MatchValue, "any": edge.MatchAny, "except": edge.MatchExcept, "text": edge.MatchText}
    return edge.FieldCondition(given["key"], match=makers[kind](value))


def point_out(point: Any, body: Json, *, payload: bool, scored: bool = False) -> Json:
    """A point as the client wants to see it: `payload` is what it gets without asking."""
    wish = body.get("with_payload")
    out: Json = {"id": point.id if isinstance(point.id, int) else str(point.id)}
    if scored:
        out |= {"score": point.score, "version": point.version}
    if payload if wish is None else wish:
        out["payload"] = selected(point.payload or {}, wish)
    if body.get("with_vector"):
        out["vector"] = point.vector
    return out


def selected(payload: Json, wish: Any) -> Json:
    if isinstance(wish, list):
        wish = {"include": wish}
    if not isinstance(wish, dict):
        return payload
    (kind, names), *_ = only(wish, "include", "exclude").items()
    return {name: value for name, value in payload.items() if (name in names) == (kind == "include")}


class Collection:
    """A folder: what the client asked for in config.json, and the engine's shard with its write-ahead log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: Json = json.loads((folder / "config.json").read_text("utf-8"))
        self.size: int = self.config["vectors"]["size"]
        self.shard = edge.EdgeShard.load(str(folder / "shard"))

    @staticmethod
    def make(folder: Path, body: Json) -> None:
        kept = ("hnsw_config", "optimizers_config", "metadata")
        body = only(body, "vectors", "on_disk_payload", "shard_number", "replication_factor", *kept)
        vectors = only(body.get("vectors") or {}, "size", "distance", "on_disk")
        params = edge.EdgeVectorParams(vectors["size"], getattr(edge.Distance, vectors["distance"]))
        fresh = folder.with_name(f".new-{uuid4().hex}")
        fresh.mkdir()
        edge.EdgeShard.create(str(fresh / "shard"), edge.EdgeConfig(vectors=params)).close()
        (fresh / "config.json").write_text(json.dumps(body), "utf-8")
        fresh.rename(folder)  # whole, or not at all

    def info(self) -> Json:
        state, asked = self.shard.info(), self.config
        hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, **asked.get("hnsw_config", {})}
        optimizer = {"default_segment_number": 0, "flush_interval_sec": 5, **asked.get("optimizers_config", {})}
        config = {"params": {"vectors": asked["vectors"]}, "hnsw_config": hnsw, "optimizer_config": optimizer}
        indexes = {
            name: {"data_type": str(index.data_type).rpartition(".")[2].lower(), "points": index.points}
            for name, index in state.payload_schema.items()
        }
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": state.points_count,
            "indexed_vectors_count": state.indexed_vectors_count,
            "segments_count": state.segments_count,
            "config": {**config, "metadata": asked.get("metadata")},
            "payload_schema": indexes,
        }

    def _vector(self, value: Any) -> list[float]:
        if not isinstance(value, list) or not all(isinstance(x, int | float) and isfinite(x) for x in value):
            raise Refused(501, "only one unnamed dense vector a point is known to this stand-in")
        if len(value) != self.size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {self.size}, got {len(value)}")
        return value

    def upsert(self, body: Json) -> None:
        given = only(body, "points", "batch")
        if "batch" in given:
            b = only(given["batch"], "ids", "vectors", "payloads")
            rows = list(zip(b["ids"], b["vectors"], b.get("payloads") or [None] * len(b["ids"]), strict=True))
        else:
            points = [only(one, "id", "vector", "payload") for one in given["points"]]
            rows = [(one["id"], one["vector"], one.get("payload")) for one in points]
        # All are checked before one is written: a refused batch leaves nothing behind.
        made = [edge.Point(point_id(i), self._vector(v), payload or {}) for i, v, payload in rows]
        self.shard.update(edge.UpdateOperation.upsert_points(made))

    def delete(self, body: Json) -> None:
        given = only(body, "points", "filter")
        if "filter" in given:
            self.shard.update(edge.UpdateOperation.delete_points_by_filter(filter_in(given["filter"])))
        else:
            self.shard.update(edge.UpdateOperation.delete_points([point_id(one) for one in given["points"]]))

    def set_payload(self, body: Json) -> None:
        given = only(body, "payload", "points", "filter", "key")
        change, key = given["payload"], given.get("key")
        if "filter" in given:
            operation = edge.UpdateOperation.set_payload_by_filter(filter_in(given["filter"]), change, key)
        else:
            operation = edge.UpdateOperation.set_payload([point_id(p) for p in given["points"]], change, key)
        self.shard.update(operation)

    def index(self, body: Json) -> None:
        given = only(body, "field_name", "field_schema")
        schema = given.get("field_schema", "keyword")
        name = only(schema, "type")["type"] if isinstance(schema, dict) else schema
        kind = getattr(edge.PayloadSchemaType, name.capitalize())
        self.shard.update(edge.UpdateOperation.create_field_index(given["field_name"], kind))

    def retrieve(self, body: Json) -> list[Json]:
        given = only(body, "ids", "with_payload", "with_vector")
        found = self.shard.retrieve([point_id(one) for one in given["ids"]], True, bool(given.get("with_vector")))
        return [point_out(one, given, payload=True) for one in found]

    def scroll(self, body: Json) -> Json:
        given = only(body, "limit", "offset", "filter", "with_payload", "with_vector")
        request = edge.ScrollRequest(
            offset=point_id(given["offset"]) if "offset" in given else None,
            limit=given.get("limit", 10),
            filter=filter_in(given.get("filter")),
            with_payload=True,
            with_vector=bool(given.get("with_vector")),
        )
        found, after = self.shard.scroll(request)
        points = [point_out(one, given, payload=True) for one in found]
        return {"points": points, "next_page_offset": after if after is None or isinstance(after, int) else str(after)}

    def count(self, body: Json) -> Json:
        given = only(body, "filter", "exact")
        return {"count": self.shard.count(edge.CountRequest(filter=filter_in(given.get("filter"))))}

    def query(self, body: Json) -> Json:
        names = ("query", "limit", "offset", "filter", "params", "score_threshold", "with_payload", "with_vector")
        given = only(body, *names)
        wanted = given.get("query")
        vector = self._vector(only(wanted, "nearest")["nearest"] if isinstance(wanted, dict) else wanted)
        request = edge.QueryRequest(
            query=edge.Query.Nearest(vector),
            limit=given.get("limit", 10),
            offset=given.get("offset", 0),
            filter=filter_in(given.get("filter")),
            score_threshold=given.get("score_threshold"),
            with_payload=True,
            with_vector=bool(given.get("with_vector")),
        )
        return {"points": [point_out(p, given, payload=False, scored=True) for p in self.shard.query(request)]}


class Store:
    """Every collection and alias. One lock around each call: all a test sees has happened before or after another."""

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()
        self._folder = folder / "collections"
        self._aliases_file = folder / "aliases.json"
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(".*"):  # of a create or delete that was killed
            shutil.rmtree(leftover)
        self.collections = {one.name: Collection(one) for one in self._folder.iterdir()}
        self.aliases: dict[str, str] = (
            json.loads(self._aliases_file.read_text("utf-8")) if self._aliases_file.exists() else {}
        )

    def find(self, name: str) -> Collection:
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name: str, body: Json) -> bool:
        if name in self.collections or name in self.aliases:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        if name.startswith(".") or "/" in name:
            raise Refused(422, "Validation error: not a name for a collection")
        Collection.make(self._folder / name, body)
        self.collections[name] = Collection(self._folder / name)
        return True

    def drop(self, name: str) -> bool:
        found = self.collections.pop(name, None)
        if found is None:
            return False
        self._write_aliases({a: c for a, c in self.aliases.items() if c != name})
        found.shard.close()
        shutil.rmtree(found.folder.rename(self._folder / f".old-{uuid4().hex}"))
        return True

    def change_aliases(self, body: Json) -> bool:
        """All actions or none."""
        aliases = dict(self.aliases)
        for action in only(body, "actions")["actions"]:
            (kind, what), *_ = only(action, "create_alias", "delete_alias", "rename_alias").items()
            if kind == "delete_alias":
                aliases.pop(what["alias_name"], None)
            elif kind == "rename_alias":
                aliases[what["new_alias_name"]] = aliases.pop(what["old_alias_name"])
            elif what["collection_name"] not in self.collections:
                raise Refused(404, f"Not found: Collection `{what['collection_name']}` doesn't exist!")
            elif what["alias_name"] in self.collections:
                raise Refused(409, f"Wrong input: Collection `{what['alias_name']}` already exists!")
            else:
                aliases[what["alias_name"]] = what["collection_name"]
        self._write_aliases(aliases)
        return True

    def list_aliases(self, collection: str | None = None) -> Json:
        chosen = [(a, c) for a, c in sorted(self.aliases.items()) if collection in (None, c)]
        return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in chosen]}

    def _write_aliases(self, aliases: dict[str, str]) -> None:
        fresh = self._aliases_file.with_suffix(".new")
        fresh.write_text(json.dumps(aliases), "utf-8")
        fresh.replace(self._aliases_file)
        self.aliases = aliases

    def close(self) -> None:
        with self.lock:
            for one in self.collections.values():
                one.shard.close()

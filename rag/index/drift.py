"""Content, ledger and points held against each other: what is wrong, by kind, and how it is put right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from faq.models import Entry
from rag.errors import ServiceUnavailable
from rag.index.indexing import BATCH, forget_hashes, remove
from rag.index.recipe import point_ids
from rag.index.vector_store import Payload, get_vector_store
from rag.models import DriftFinding, DriftScan, Generation

T = TypeVar("T")
KINDS = ("missing", "outdated", "wrong_recipe", "orphan", "unpublished")


@dataclass
class Drift:
    """Entry ids by what is wrong with them; for orphans also the ids of points that no text stands behind."""

    missing: set[int] = field(default_factory=set)
    outdated: set[int] = field(default_factory=set)
    wrong_recipe: set[int] = field(default_factory=set)
    orphan: set[UUID] = field(default_factory=set)
    unpublished: set[int] = field(default_factory=set)
    points: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {kind: len(getattr(self, kind)) for kind in KINDS}

    def only(self, kinds: Iterable[str]) -> Drift:
        """The same findings, without those of other kinds."""
        return Drift(**{kind: getattr(self, kind) for kind in kinds}, points=self.points)

    @property
    def clean(self) -> bool:
        return not any(self.counts.values())

    @property
    def sentence(self) -> str:
        if self.clean:
            return f"no drift in {self.points} points."
        found = (f"{count} {kind.replace('_', ' ')}" for kind, count in self.counts.items() if count)
        return f"{', '.join(found)} in {self.points} points."


@dataclass(frozen=True, slots=True)
class _Expected:
    text_hash: str
    points: frozenset[UUID]


def scan(generation: Generation, progress: Callable[[int], None] = lambda points: None) -> Drift:
    """Read every point and every entry once; the result is kept. Raises ServiceUnavailable, and keeps that too:
    a scan that broke off knows nothing, not even that nothing is wrong.
    """
    began = time.monotonic()
    kept = DriftScan(generation=generation)
    found = Drift()
    try:
        found = _compare(generation, progress)
        kept.counts, kept.points = found.counts, found.points
        return found
    except ServiceUnavailable as error:
        kept.error = str(error)[:300]
        raise
    finally:
        kept.seconds = round(time.monotonic() - began, 3)
        _keep(kept, found)


def repair(generation: Generation, found: Drift) -> None:
    """Put exactly these right: orphans and unpublished are removed here, the others indexed anew by `reconcile`."""
    store = get_vector_store()
    for some in _in_batches(found.orphan):
        store.remove_points(generation.collection, some)
    remove(generation, sorted(found.unpublished))
    forget_hashes(generation, sorted(found.missing | found.outdated | found.wrong_recipe))


def _keep(scan: DriftScan, found: Drift) -> None:
    """The scan for the history, its findings row by row until the next one of this generation."""
    scan.save()
    DriftFinding.objects.filter(scan__generation=scan.generation).delete()
    entries = ((kind, pk) for kind in KINDS if kind != "orphan" for pk in sorted(getattr(found, kind)))
    rows = [DriftFinding(scan=scan, kind=kind, entry_id=pk) for kind, pk in entries]
    rows += [DriftFinding(scan=scan, kind="orphan", point_id=point_id) for point_id in sorted(found.orphan)]
    DriftFinding.objects.bulk_create(rows, batch_size=1_000)


def _compare(generation: Generation, progress: Callable[[int], None]) -> Drift:
    seen: dict[UUID, Payload] = {}
    for point_id, payload in get_vector_store().scroll(generation.collection):
        seen[point_id] = payload
        if len(seen) % 1_000 == 0:
            progress(len(seen))
    # Read after the points: an edit made meanwhile shows as outdated, which it is.
    expected = _published()
    existing = set(Entry.objects.order_by().values_list("pk", flat=True))
    found = Drift(points=len(seen))
    for point_id, payload in seen.items():
        if payload.entry_id not in existing:
            found.orphan.add(point_id)
        elif payload.entry_id not in expected:
            found.unpublished.add(payload.entry_id)
        else:
            _judge(point_id, payload, expected[payload.entry_id], generation.recipe, found)
    found.missing = {pk for pk, entry in expected.items() if not entry.points <= seen.keys()}
    found.missing |= _unknown_to_the_ledger(generation, expected)
    return found


def _judge(point_id: UUID, payload: Payload, entry: _Expected, recipe: str, found: Drift) -> None:
    if point_id not in entry.points:
        found.orphan.add(point_id)  # of a variant that the entry no longer has
    elif payload.recipe != recipe:
        found.wrong_recipe.add(payload.entry_id)
    elif payload.text_hash != entry.text_hash:
        found.outdated.add(payload.entry_id)


def _unknown_to_the_ledger(generation: Generation, expected: dict[int, _Expected]) -> set[int]:
    """Points without a row: nobody would notice if they went."""
    return expected.keys() - set(generation.embeddings.values_list("entry_id", flat=True))


def _published() -> dict[int, _Expected]:
    rows = Entry.objects.published().values_list("pk", "text_hash", "variants").order_by()
    return {
        pk: _Expected(text_hash, frozenset(point_ids(pk, 2 + len(variants))))
        for pk, text_hash, variants in rows.iterator(chunk_size=2_000)
    }


def _in_batches(things: Iterable[T]) -> Iterator[list[T]]:
    every = list(things)
    for start in range(0, len(every), BATCH):
        yield every[start : start + BATCH]

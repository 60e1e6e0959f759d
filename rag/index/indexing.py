"""Bringing a generation up to date: embed what is behind, take out what is no longer published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from faq import versions
from faq.models import Entry
from rag.index.coverage import behind, surplus
from rag.index.embedding import get_embedder
from rag.index.recipe import PointText, point_texts
from rag.index.vector_store import Payload, Point, get_vector_store
from rag.models import Embedding, Generation

BATCH = 64
PASSES = 5  # edits made during one pass are taken up in the next; the sweep sees to the rest
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Indexed:
    embedded: int
    removed: int


def reconcile(generation: Generation, progress: Progress = lambda done, total: None) -> Indexed:
    """Do only what is behind, and again what an edit left behind meanwhile; safe to run twice, or to run again.

    Raises ServiceUnavailable; what was done until then stays done.
    """
    removed = remove(generation, list(surplus(generation).values_list("entry_id", flat=True)))
    done = total = 0
    for _ in range(PASSES):
        ids = list(behind(generation).values_list("pk", flat=True))
        total += len(ids)
        for start in range(0, len(ids), BATCH):
            index(generation, ids[start : start + BATCH])
            done += len(ids[start : start + BATCH])
            progress(done, total)
        if not ids:
            break
    return Indexed(done, removed)


def index(generation: Generation, entry_ids: Sequence[int]) -> None:
    """Embed these entries. The points come first, then the ledger row with the hash that was read.

    An entry that was edited meanwhile gets no row, so it stays behind and is taken up again.
    """
    entries = list(Entry.objects.published().filter(pk__in=entry_ids))
    if not entries:
        return
    texts = [(entry, text) for entry in entries for text in point_texts(entry)]
    vectors = get_embedder().embed([text.text for _, text in texts])
    store = get_vector_store()
    points = [
        Point(text.point_id, vector, _payload(entry, text, generation))
        for (entry, text), vector in zip(texts, vectors, strict=True)
    ]
    store.upsert(generation.collection, points)
    store.remove_outdated(generation.collection, {entry.pk: entry.text_hash for entry in entries})
    _write_ledger(generation, entries)
    versions.bump()


def remove(generation: Generation, entry_ids: Sequence[int]) -> int:
    """Take entries out of the index: their points first, then the rows that remember them."""
    for start in range(0, len(entry_ids), BATCH):
        some = entry_ids[start : start + BATCH]
        get_vector_store().remove(generation.collection, some)
        generation.embeddings.filter(entry_id__in=some).delete()
        versions.bump()
    return len(entry_ids)


def _write_ledger(generation: Generation, entries: Sequence[Entry]) -> None:
    now = dict(Entry.objects.published().filter(pk__in=[e.pk for e in entries]).values_list("pk", "text_hash"))
    written = [entry for entry in entries if now.get(entry.pk) == entry.text_hash]
    moved_on = [entry.pk for entry in entries if now.get(entry.pk) != entry.text_hash]
    generation.embeddings.filter(entry_id__in=moved_on).update(text_hash="")
    rows = [
        Embedding(
            generation=generation,
            entry_id=entry.pk,
            text_hash=entry.text_hash,
            points=2 + len(entry.variants),
            embedded_at=timezone.now(),
        )
        for entry in written
    ]
    Embedding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["generation", "entry_id"],
        update_fields=["text_hash", "points", "embedded_at"],
    )


def _payload(entry: Entry, text: PointText, generation: Generation) -> Payload:
    return Payload(
        entry_id=entry.pk,
        kind=text.kind,
        language=entry.language,
        category_id=entry.category_id,
        text_hash=entry.text_hash,
        recipe=generation.recipe,
    )

"""Bringing a generation up to date: embed what is behind, take out what is no longer published."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from django.db.models import F
from django.utils import timezone

from faq import versions
from faq.models import Entry
from rag.errors import ServiceUnavailable
from rag.index.ahead import Ahead, with_following
from rag.index.coverage import behind, surplus
from rag.index.embedding import Vectors, get_embedder
from rag.index.generations import alone
from rag.index.recipe import PointText, point_texts
from rag.index.vector_store import Payload, Point, get_vector_store
from rag.models import UNSURE, Embedding, Generation, IndexFailure

logger = logging.getLogger(__name__)

BATCH = 32  # two are in hand at once: one is written while the next is embedded
PASSES = 5  # edits made during one pass are taken up in the next; the sweep sees to the rest
DIED = "The worker died while it had this entry in hand."


class Progress(Protocol):
    """Told before a batch is touched and after; may raise to stop the work between two batches."""

    def take(self, entry_ids: Sequence[int]) -> None: ...

    def advance(self, done: int, total: int, failed: int) -> None: ...


class Unwatched:
    def take(self, entry_ids: Sequence[int]) -> None:
        pass

    def advance(self, done: int, total: int, failed: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Indexed:
    embedded: int
    removed: int
    failed: int = 0


class PoisonEntry(Exception):
    """This entry's own text is what cannot be indexed."""


def reconcile(
    generation: Generation,
    progress: Progress | None = None,
    *,
    only: Sequence[int] | None = None,
    suspects: Sequence[int] = (),
) -> Indexed:
    """Do only what is behind, and again what an edit left behind meanwhile; safe to run twice, or to run again.

    `suspects` are taken one by one, so that one that kills its worker takes no other along. Raises
    ServiceUnavailable; what was done until then stays done.
    """
    progress = progress or Unwatched()
    done = failed = total = removed = 0
    for batch in _batches(list(surplus(generation).values_list("entry_id", flat=True)), ()):
        removed += remove(generation, batch)
        progress.advance(done, total, failed)
    for _ in range(PASSES):
        rows = behind(generation) if only is None else behind(generation).filter(pk__in=only)
        ids = list(rows.values_list("pk", flat=True))
        total += len(ids)
        if ids:
            progress.advance(done, total, failed)  # so that it is known how much there is before the first batch ends
        with Ahead(_embedded) as ahead:
            for batch, following in with_following(_batches(ids, suspects), set(suspects)):
                progress.take([*batch, *following])
                failed += index(generation, batch, ahead, following)
                done += len(batch)
                progress.advance(done, total, failed)
        if not ids:
            break
    return Indexed(done - failed, removed, failed)


def index(
    generation: Generation, entry_ids: Sequence[int], ahead: Ahead | None = None, following: Sequence[int] = ()
) -> int:
    """Embed these entries; how many of them failed. The points come first, then the ledger row with the hash read.

    `ahead` embeds those that follow while these are written.
    """
    ahead = ahead or Ahead(_embedded)
    entries = ahead.taken(entry_ids) or _published(entry_ids)
    try:
        vectors = ahead.vectors(entries)
        if following:
            ahead.begin(following, _published(following))
        _index(generation, entries, vectors)
    except ServiceUnavailable:
        raise
    except Exception as error:
        if len(entries) > 1:  # one of them is the culprit: find it, and let the others through
            return sum(index(generation, [entry.pk]) for entry in entries)
        _note_failure(generation, entries, f"{type(error).__name__}: {error}")
        return len(entries)
    generation.failures.filter(entry_id__in=entry_ids).delete()
    return 0


def remove(generation: Generation, entry_ids: Sequence[int]) -> int:
    """Take entries out of the index: their points first, then the rows that remember them."""
    for start in range(0, len(entry_ids), BATCH):
        some = entry_ids[start : start + BATCH]
        with alone(generation):
            generation.embeddings.filter(entry_id__in=some).update(text_hash=UNSURE)
        with alone(generation):
            rows = generation.embeddings.filter(entry_id__in=some)
            indexed_anew = set(rows.exclude(text_hash=UNSURE).values_list("entry_id", flat=True))
            gone = [pk for pk in some if pk not in indexed_anew]
            if gone:
                get_vector_store().remove(generation.collection, gone)
            rows.filter(entry_id__in=gone).delete()
            versions.bump()
    return len(entry_ids)


def forget_hashes(generation: Generation, entry_ids: Sequence[int]) -> None:
    """Have these entries indexed again, though their text has not changed."""
    generation.failures.filter(entry_id__in=entry_ids).delete()
    generation.embeddings.filter(entry_id__in=entry_ids).update(text_hash=UNSURE)


def forget_all_hashes(generation: Generation) -> None:
    """Have every entry indexed again. Askers are answered meanwhile from the points as they are."""
    generation.failures.all().delete()
    generation.embeddings.update(text_hash=UNSURE)


def retry_failed(generation: Generation) -> int:
    """Give what failed, parked or not, its tries again; how many there are. A reindex then takes up just these."""
    return generation.failures.all().delete()[0]


def note_deaths(generation: Generation, entry_ids: Sequence[int]) -> None:
    _note_failure(generation, list(Entry.objects.published().filter(pk__in=entry_ids)), DIED)


def _published(entry_ids: Sequence[int]) -> list[Entry]:
    return list(Entry.objects.published().filter(pk__in=entry_ids))


def _embedded(entries: Sequence[Entry]) -> Vectors:
    """One row for each text of each entry. Asks nothing of the database, so it may go on in another thread."""
    vectors = get_embedder().embed([text.text for entry in entries for text in point_texts(entry)])
    if not np.isfinite(vectors).all():
        raise PoisonEntry("the model gives no numbers for this text")
    return vectors


def _index(generation: Generation, entries: Sequence[Entry], vectors: Vectors | None = None) -> None:
    if not entries:
        return
    vectors = _embedded(entries) if vectors is None else vectors
    texts = [(entry, text) for entry in entries for text in point_texts(entry)]
    points = [
        Point(text.point_id, vector, _payload(entry, text, generation))
        for (entry, text), vector in zip(texts, vectors, strict=True)
    ]
    _announce(generation, entries)
    with alone(generation):
        # Embedding took its time. What was edited meanwhile is not written at all, and stays behind.
        ids = [entry.pk for entry in entries]
        announced = set(
            generation.embeddings.filter(entry_id__in=ids, text_hash=UNSURE).values_list("entry_id", flat=True)
        )
        same = {pk: entry for pk, entry in _unchanged(entries).items() if pk in announced}
        if same:
            store = get_vector_store()
            store.upsert(generation.collection, [point for point in points if point.payload.entry_id in same])
            store.remove_outdated(generation.collection, {pk: entry.text_hash for pk, entry in same.items()})
            _write_ledger(generation, {entry: entry.text_hash for entry in same.values()})
            versions.bump()


def _announce(generation: Generation, entries: Sequence[Entry]) -> None:
    """Say in the ledger, and commit, that these points are about to change.

    No rollback reaches the store. Should the worker die with its points half written, the row does not vouch for
    what was there before, and a deleted entry's row still says that there is something to take out.
    """
    with alone(generation):
        _write_ledger(generation, dict.fromkeys(_unchanged(entries).values(), UNSURE))


def _unchanged(entries: Sequence[Entry]) -> dict[int, Entry]:
    """Those that are still published with the text that was read."""
    published = Entry.objects.published().filter(pk__in=[entry.pk for entry in entries])
    now = dict(published.values_list("pk", "text_hash"))
    return {entry.pk: entry for entry in entries if now.get(entry.pk) == entry.text_hash}


def _write_ledger(generation: Generation, hashes: Mapping[Entry, str]) -> None:
    rows = [
        Embedding(
            generation=generation,
            entry_id=entry.pk,
            text_hash=text_hash,
            points=2 + len(entry.variants),
            embedded_at=timezone.now(),
        )
        for entry, text_hash in hashes.items()
    ]
    Embedding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["generation", "entry_id"],
        update_fields=["text_hash", "points", "embedded_at"],
    )


def _note_failure(generation: Generation, entries: Sequence[Entry], reason: str) -> None:
    for entry in entries:
        logger.warning("an entry could not be indexed", extra={"entry": entry.pk, "reason": reason})
        seen = generation.failures.filter(entry_id=entry.pk)
        seen.exclude(text_hash=entry.text_hash).delete()  # another text starts anew
        values = {"reason": reason[:300], "failed_at": timezone.now()}
        if not seen.update(tries=F("tries") + 1, **values):
            row = IndexFailure(generation=generation, entry_id=entry.pk, text_hash=entry.text_hash, tries=1, **values)
            row.save()


def _batches(ids: Sequence[int], suspects: Sequence[int]) -> Iterator[list[int]]:
    alone = set(suspects)
    yield from ([pk] for pk in ids if pk in alone)
    others = [pk for pk in ids if pk not in alone]
    for start in range(0, len(others), BATCH):
        yield others[start : start + BATCH]


def _payload(entry: Entry, text: PointText, generation: Generation) -> Payload:
    return Payload(
        entry_id=entry.pk,
        kind=text.kind,
        language=entry.language,
        category_id=entry.category_id,
        text_hash=entry.text_hash,
        recipe=generation.recipe,
    )

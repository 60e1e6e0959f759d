"""How far the index is behind the content: computed from the ledger, never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When

from faq.models import Entry
from rag.index import generations
from rag.models import Embedding, Generation


@dataclass(frozen=True, slots=True)
class Coverage:
    published: int
    current: int
    outdated: int
    missing: int
    unpublished: int  # still in the index, though no longer published
    parked: int = 0  # of the missing and outdated: failed so often that they wait for an edit

    @property
    def ratio(self) -> float:
        """Current of published; 1.0 when there is nothing to index."""
        return self.current / self.published if self.published else 1.0

    @property
    def complete(self) -> bool:
        return self.current == self.published and not self.unpublished


def coverage(generation: Generation | None = None) -> Coverage:
    """Of the live generation, unless another is named. Without any, everything is missing."""
    generation = generation or generations.live()
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [generation.pk if generation else None, Entry.Status.PUBLISHED])
        published, current, missing = cursor.fetchone()
    return Coverage(
        published=published,
        current=current,
        outdated=published - current - missing,
        missing=missing,
        unpublished=surplus(generation).count() if generation else 0,
        parked=parked(generation).count() if generation else 0,
    )


# One look at both tables, so that the figures fit each other. A join, where the ORM would ask for each entry by itself.
_STATES = """
    SELECT count(*),
        count(*) FILTER (WHERE indexed.text_hash = entry.text_hash),
        count(*) FILTER (WHERE indexed.entry_id IS NULL)
    FROM faq_entry AS entry
    LEFT JOIN rag_embedding AS indexed ON indexed.entry_id = entry.id AND indexed.generation_id = %s
    WHERE entry.status = %s
"""


TRIES = 3  # a text that could not be indexed so often is parked until it is edited


def behind(generation: Generation) -> QuerySet[Any]:
    """Published entries that are missing or outdated in this generation and may be tried."""
    return _not_current(generation).exclude(_is_parked(generation)).order_by("pk")


def parked(generation: Generation) -> QuerySet[Any]:
    """Published entries that are missing or outdated because their very text has failed too often."""
    failed = generation.failures.filter(tries__gte=TRIES).values("entry_id")  # few: only these are looked at
    return _not_current(generation).filter(_is_parked(generation), pk__in=failed).order_by("pk")


def of_kind(generation: Generation, kind: str) -> QuerySet[Any]:
    """The published entries that `coverage` counts as missing, or as outdated; parked ones among them."""
    rows = _with_indexed_hash(generation).order_by("pk")
    if kind == "missing":
        return rows.filter(indexed_hash=None)
    return rows.exclude(indexed_hash=None).exclude(indexed_hash=F("text_hash"))


def _not_current(generation: Generation) -> QuerySet[Any]:
    return _with_indexed_hash(generation).filter(Q(indexed_hash=None) | ~Q(indexed_hash=F("text_hash")))


def _is_parked(generation: Generation) -> Exists:
    same_text = generation.failures.filter(entry_id=OuterRef("pk"), text_hash=OuterRef("text_hash"))
    return Exists(same_text.filter(tries__gte=TRIES))


def with_index_state(entries: QuerySet[Any]) -> QuerySet[Any]:
    """Entries, whatever their status, each with its `index_state`; one of STATES."""
    generation = generations.live()
    rows = Embedding.objects.filter(generation=generation, entry_id=OuterRef("pk"))
    published = Q(status=Entry.Status.PUBLISHED)
    stuck = _is_parked(generation) if generation else Q(pk=None)
    state = Case(
        When(~published & Q(indexed_hash=None), then=Value("unpublished")),
        When(~published, then=Value("leaving")),
        When(indexed_hash=F("text_hash"), then=Value("current")),
        When(stuck, then=Value("failed")),
        When(indexed_hash=None, then=Value("missing")),
        default=Value("outdated"),
        output_field=CharField(),
    )
    hashed = entries.annotate(indexed_hash=Subquery(rows.values("text_hash")[:1]))
    annotated: QuerySet[Any] = hashed.annotate(index_state=state)
    return annotated


# Published: in the index as it reads now, as it once read, not yet, or not for as long as its text stays so.
# Not published: not in the index, or still to be taken out of it.
STATES = ("current", "outdated", "missing", "failed", "unpublished", "leaving")


def without_current_points(entry_ids: Sequence[int]) -> list[int]:
    """Those of these entries that a search by meaning cannot find yet, or finds by an older text."""
    generation = generations.live()
    return (
        [pk for (pk,) in behind(generation).filter(pk__in=entry_ids).values_list("pk")] if generation else [*entry_ids]
    )


def known_complete(version: int | None) -> bool:
    """Whether nothing is behind while the content stands at this version, which each edit and step of the index change.

    Looked for only when a version stays for a second question: in the midst of many edits it is not worth it.
    """
    global _complete
    if version is None:
        return False
    at, complete = _complete
    if at != version:
        _complete = version, None
        return False
    if complete is None:
        generation = generations.live()
        complete = generation is not None and not behind(generation).exists()
        _complete = version, complete
    return complete


_complete: tuple[int | None, bool | None] = (None, None)


def forget() -> None:
    """For tests."""
    global _complete
    _complete = (None, None)


def surplus(generation: Generation) -> QuerySet[Embedding]:
    """Ledger rows whose entry is gone or no longer published."""
    published = Entry.objects.published().filter(pk=OuterRef("entry_id"))
    return generation.embeddings.filter(~Exists(published)).order_by("entry_id")


def _with_indexed_hash(generation: Generation | None) -> QuerySet[Any]:
    rows = Embedding.objects.filter(generation=generation, entry_id=OuterRef("pk"))
    return Entry.objects.published().annotate(indexed_hash=Subquery(rows.values("text_hash")[:1]))

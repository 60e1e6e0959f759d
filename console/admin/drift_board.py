"""The drift board: what differs between content and index, by kind, and the rows behind each number.

Two sources, told apart: the ledger, read at this moment, and the latest scan of all points. A number that nobody has
looked up, or whose scan broke off, is unknown, and not nought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.utils import timezone

from faq.models import Entry
from rag.index import coverage, generations
from rag.models import DriftFinding, DriftScan, Generation

A_PAGE = 50


@dataclass(frozen=True)
class Kind:
    title: str
    meaning: str


KINDS = {
    "missing": Kind("Missing", "Published, and not in the index. Found by text search only."),
    "outdated": Kind("Outdated", "In the index with an older text. Answers come from the text as it is now."),
    "wrong_recipe": Kind(
        "Wrong recipe", "Points made with another model or template. They are compared like with unlike."
    ),
    "orphan": Kind("Orphan", "Points that no text stands behind: of deleted entries, or of variants that are gone."),
    "unpublished": Kind("Unpublished", "Still in the index, though no longer published. Never shown to askers."),
}
BY_LEDGER = ("missing", "outdated", "unpublished")


@dataclass(frozen=True)
class Line:
    """One kind: by the ledger now, and by the latest scan. None is unknown."""

    name: str
    kind: Kind
    now: int | None
    scanned: int | None
    in_ledger: bool  # can the ledger know of this kind at all?

    @property
    def by_scan(self) -> bool:
        """Where there is room for one number: the scan's, if the ledger cannot know or knows of less."""
        return not self.in_ledger or (self.scanned or 0) > (self.now or 0)

    @property
    def count(self) -> int | None:
        return self.scanned if self.by_scan else self.now

    @property
    def source(self) -> str:
        return "scan" if self.by_scan else "now"


@dataclass(frozen=True)
class Board:
    lines: list[Line]
    generation: Generation | None
    scan: DriftScan | None
    now: datetime
    coverage: coverage.Coverage

    @property
    def scan_failed(self) -> bool:
        return self.scan is not None and self.scan.counts is None

    @property
    def found(self) -> int:
        """What the latest scan found, of all kinds."""
        return sum(line.scanned or 0 for line in self.lines)

    @property
    def percent(self) -> float:
        return self.coverage.ratio * 100


def board(known: coverage.Coverage | None = None, as_of: datetime | None = None) -> Board:
    """Of the live generation; without one, all that is published is missing. What is known is not counted anew."""
    live = generations.live()
    counted = known or coverage.coverage(live)
    scan = live.scans.first() if live else None
    found = scan.counts if scan else None
    ledger = {"missing": counted.missing, "outdated": counted.outdated, "unpublished": counted.unpublished}
    lines = [
        Line(
            name=name,
            kind=kind,
            now=ledger.get(name),
            scanned=found.get(name, 0) if found is not None else None,
            in_ledger=name in BY_LEDGER,
        )
        for name, kind in KINDS.items()
    ]
    return Board(lines, live, scan, as_of or timezone.now(), counted)


def rows(kind: str, *, by_scan: bool, page: str | None) -> dict[str, Any]:
    """Exactly the rows that the number on the board counts, by the page."""
    live = generations.live()
    by_scan = by_scan or kind not in BY_LEDGER
    found: Any = _by_scan(live, kind) if by_scan else _by_ledger(live, kind)
    shown = Paginator(found, A_PAGE).get_page(page)
    entry_ids = [_entry_id(row) for row in shown]
    entries = Entry.objects.select_related("category").in_bulk([pk for pk in entry_ids if pk])
    failures = dict(live.failures.filter(entry_id__in=entries).values_list("entry_id", "reason")) if live else {}
    scan = live.scans.first() if live else None
    return {
        "kind": KINDS[kind],
        "name": kind,
        "by_scan": by_scan,
        "scan": scan,
        "unknown": by_scan and (scan is None or scan.counts is None),
        "page": shown,
        "rows": [
            {
                "entry": entries.get(pk or 0),
                "entry_id": pk,
                "point": getattr(row, "point_id", None),
                "reason": failures.get(pk or 0),
            }
            for row, pk in zip(shown, entry_ids, strict=True)
        ],
    }


def _entry_id(row: Any) -> int | None:
    return row if isinstance(row, int) else row.entry_id


def _by_scan(live: Generation | None, kind: str) -> Any:
    return DriftFinding.objects.filter(scan__generation=live, kind=kind).order_by("pk")


def _by_ledger(live: Generation | None, kind: str) -> Any:
    """Numbers of entries."""
    if live is None:
        published = Entry.objects.published() if kind == "missing" else Entry.objects.none()
        return published.order_by("pk").values_list("pk", flat=True)
    if kind == "unpublished":
        return coverage.surplus(live).values_list("entry_id", flat=True)
    return coverage.of_kind(live, kind).values_list("pk", flat=True)

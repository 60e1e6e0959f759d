"""Which receipts the log shows, as its address says it: read, applied, and written back."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from console.admin.answer_story import REASONS, RUNGS, STAGES
from rag.models import Receipt

WINDOWS = {
    "1h": ("1 hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
VOTES = {"up": "Helpful", "down": "Not helpful", "any": "Any vote"}
FLAGS = {"degraded": "Degraded", "miss": "Missed", "cached": "Kept answers"}
IDENTIFIER = re.compile(r"[0-9A-Za-z-]{8,64}")


@dataclass(frozen=True)
class Filter:
    text: str = ""
    rung: str = ""
    flags: frozenset[str] = frozenset()
    stage: str = ""  # of a fallback
    reason: str = ""
    vote: str = ""
    window: str = ""
    since: datetime | None = None
    until: datetime | None = None
    entry: int | None = None
    group: int | None = None
    faults: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, query: QueryDict) -> Filter:
        """What is no filter is named in `faults` and otherwise ignored."""
        faults: list[str] = []
        return cls(
            text=query.get("q", "").strip().replace("\0", "")[:200],
            rung=_one_of(query, "rung", RUNGS, faults),
            flags=frozenset(name for name in FLAGS if query.get(name) == "1"),
            stage=_one_of(query, "stage", STAGES, faults),
            reason=_one_of(query, "reason", REASONS, faults),
            vote=_one_of(query, "vote", VOTES, faults),
            window=_one_of(query, "window", WINDOWS, faults),
            since=_moment(query, "since", faults),
            until=_moment(query, "until", faults),
            entry=_number(query, "entry", faults),
            group=_number(query, "group", faults),
            faults=faults,
        )

    @property
    def is_empty(self) -> bool:
        return self == Filter(faults=self.faults)

    def apply(self, receipts: QuerySet[Receipt]) -> QuerySet[Receipt]:
        found = receipts.filter(self._text() & self._kind() & self._time())
        if not (self.stage or self.reason):
            return found
        # As it is written on either database: ["generate", "timeout"]
        fell = (f'["{self.stage}", ' if self.stage else "") + (f'"{self.reason}"]' if self.reason else "")
        return found.exclude(degraded=[]).alias(fell=Cast("fallbacks", TextField())).filter(fell__contains=fell)

    def _text(self) -> Q:
        """An id of an answer, a conversation or a request; else any part of a question."""
        if not self.text:
            return Q()
        identity = as_uuid(self.text)
        if identity:
            return Q(pk=identity) | Q(conversation=identity) | Q(request_id__in=[self.text, identity.hex])
        if IDENTIFIER.fullmatch(self.text) and any(c.isdigit() for c in self.text):
            return Q(request_id=self.text)
        return Q(question__icontains=self.text)

    def _kind(self) -> Q:
        wanted = Q()
        if self.rung:
            wanted &= Q(answered_by=self.rung)
        if "degraded" in self.flags:
            wanted &= ~Q(degraded=[])
        if "miss" in self.flags:
            wanted &= Q(miss=True)
        if "cached" in self.flags:
            wanted &= Q(cached=True)
        if self.vote:
            wanted &= ~Q(vote="") if self.vote == "any" else Q(vote=self.vote) & ~Q(vote="")
        if self.entry is not None:
            wanted &= Q(entry_id=self.entry)
        if self.group is not None:
            wanted &= Q(missed__group=self.group)
        return wanted

    def _time(self) -> Q:
        wanted = Q()
        if self.window:
            wanted &= Q(created_at__gte=timezone.now() - WINDOWS[self.window][1])
        if self.since:
            wanted &= Q(created_at__gte=self.since)
        if self.until:
            wanted &= Q(created_at__lt=self.until)
        return wanted


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _one_of(query: QueryDict, name: str, choices: Container[str], faults: list[str]) -> str:
    value = query.get(name, "")
    if value and value not in choices:
        faults.append(f"There is no {name} “{value[:40]}”.")
        return ""
    return value


def _moment(query: QueryDict, name: str, faults: list[str]) -> datetime | None:
    value = query.get(name, "")
    if not value:
        return None
    try:
        found = parse_datetime(value.replace(" ", "+"))  # a plus sign that an address made a blank
    except ValueError:
        found = None
    if found is None:
        faults.append(f"{name.capitalize()} is no time: write it like 2026-01-31T14:00.")
        return None
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _number(query: QueryDict, name: str, faults: list[str]) -> int | None:
    value = query.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 18):
        faults.append(f"{name.capitalize()} is no number.")
        return None
    return int(value)

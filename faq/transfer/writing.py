"""Writing many entries at once: with their history, and with word to whoever follows the content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from faq import publishing
from faq.models import Entry
from faq.signals import entries_changed

BATCH = 1_000
# An update names every row in one CASE a field, which costs the square of their number.
UPDATE_BATCH = 100
REASON_LENGTH = 100


def create(entries: Sequence[Entry], *, user: Any, reason: str) -> None:
    if entries:
        bulk_create_with_history(
            entries, Entry, default_user=user, default_change_reason=reason[:REASON_LENGTH], batch_size=BATCH
        )


def update(entries: Sequence[Entry], fields: Iterable[str], *, user: Any, reason: str) -> None:
    now = timezone.now()
    for entry in entries:
        entry.updated_at = now
    if entries:
        bulk_update_with_history(
            entries,
            Entry,
            [*fields, "updated_at"],
            default_user=user,
            default_change_reason=reason[:REASON_LENGTH],
            batch_size=UPDATE_BATCH,
        )


@dataclass
class Outcome:
    """What became of many entries: those that were changed, and why others were left as they are."""

    changed: list[str] = field(default_factory=list)  # external IDs
    refused: Counter[str] = field(default_factory=Counter)  # how many, by the reason


@transaction.atomic
def set_status(pks: Sequence[int], status: str, *, user: Any, reason: str) -> Outcome:
    """Give these entries this status. Left out are those that have it, and those that this user may not."""
    outcome = Outcome()
    for start in range(0, len(pks), BATCH):
        others = Entry.objects.filter(pk__in=pks[start : start + BATCH]).exclude(status=status)
        entries = list(others.select_related("category").order_by().select_for_update(of=("self",)))
        against = publishing.objections(user, entries, status)
        outcome.refused.update(against.values())
        allowed = [entry for entry in entries if entry.pk not in against]
        for entry in allowed:
            entry.status = status
        update(allowed, ["status"], user=user, reason=reason)
        outcome.changed += [entry.external_id for entry in allowed]
    if outcome.changed:
        entries_changed.send(sender=Entry)
    return outcome

"""Editing many entries alike: what would change, the change itself, and the way back."""

from __future__ import annotations

import copy
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction

from faq import publishing
from faq.models import Category, Entry
from faq.signals import entries_changed
from faq.transfer import writing
from faq.transfer.writing import BATCH, Outcome

FIELDS = ("category_id", "language", "tags", "review_date")
SHOWN = 20
REASON = "edited together"


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to become of every chosen entry; what is left blank stays as it is."""

    category: Category | None = None
    language: str = ""
    review_date: date | None = None
    no_review_date: bool = False
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()

    def of(self, entry: Entry) -> Entry:
        """A copy of the entry as it would be."""
        after = copy.copy(entry)
        if self.category:
            after.category = self.category
        if self.language:
            after.language = self.language
        if self.review_date or self.no_review_date:
            after.review_date = self.review_date
        kept = [tag for tag in entry.tags if tag not in self.remove_tags]
        after.tags = list(dict.fromkeys([*kept, *self.add_tags]))
        return after

    @property
    def says_nothing(self) -> bool:
        return not any(
            [self.category, self.language, self.review_date, self.no_review_date, self.add_tags, self.remove_tags]
        )


@dataclass
class Preview:
    """How many would change, and the first of them as they are and as they would be."""

    changed: int = 0
    same: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[Entry, Entry]] = field(default_factory=list)


def preview(pks: Sequence[int], edit: Edit, user: Any) -> Preview:
    found = Preview()
    for batch in _batches(pks):
        changes, refused, same = _judged(list(_rows(batch)), edit, user)
        found.changed += len(changes)
        found.same += same
        found.refused.update(refused)
        found.shown += changes[: SHOWN - len(found.shown)]
    return found


@transaction.atomic
def write(pks: Sequence[int], edit: Edit, user: Any) -> tuple[Outcome, str]:
    """Change them, and the token by which `take_back` finds what was changed."""
    outcome, token = Outcome(), secrets.token_hex(8)
    for batch in _batches(pks):
        changes, refused, _ = _judged(list(_rows(batch).select_for_update(of=("self",))), edit, user)
        _write([after for _, after in changes], user, f"{REASON} {token}", outcome)
        outcome.refused.update(refused)
    _announce(outcome)
    return outcome, token


def edited_with(token: str) -> list[int]:
    """The entries that were changed under this token and not since, so that they can be taken back."""
    pks = list(Entry.history.filter(history_change_reason=f"{REASON} {token}").values_list("id", flat=True))
    return [pk for pk, (newest, *_) in _newest_two(pks).items() if newest.history_change_reason == f"{REASON} {token}"]


@transaction.atomic
def take_back(token: str, user: Any) -> Outcome:
    """Give each entry that was changed under this token, and not since, what it had before."""
    outcome = Outcome()
    for batch in _batches(edited_with(token)):
        former = {pk: two[1] for pk, two in _newest_two(batch).items() if len(two) > 1}
        allowed = []
        for entry in _rows(list(former)).select_for_update(of=("self",)):
            after = copy.copy(entry)
            for name in FIELDS:
                setattr(after, name, getattr(former[entry.pk], name))
            reason = publishing.objection(user, after, entry)
            if reason:
                outcome.refused[reason] += 1
            else:
                allowed.append(after)
        _write(allowed, user, f"taken back: {REASON} {token}", outcome)
    _announce(outcome)
    return outcome


def _judged(entries: Sequence[Entry], edit: Edit, user: Any) -> tuple[list[tuple[Entry, Entry]], Counter[str], int]:
    """Those that would change and may, why others may not, and how many need it not."""
    changes, refused, same = [], Counter[str](), 0
    for entry in entries:
        after = edit.of(entry)
        if all(getattr(after, name) == getattr(entry, name) for name in FIELDS):
            same += 1
        elif reason := publishing.objection(user, after, entry):
            refused[reason] += 1
        else:
            changes.append((entry, after))
    return changes, refused, same


def _write(entries: Sequence[Entry], user: Any, reason: str, outcome: Outcome) -> None:
    writing.update(entries, [name.removesuffix("_id") for name in FIELDS], user=user, reason=reason)
    outcome.changed += [entry.external_id for entry in entries]


def _announce(outcome: Outcome) -> None:
    if outcome.changed:
        entries_changed.send(sender=Entry)


def _rows(pks: Sequence[int]) -> Any:
    return Entry.objects.filter(pk__in=pks).select_related("category").order_by("pk")


def _batches(pks: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(pks), BATCH):
        yield pks[start : start + BATCH]


def _newest_two(pks: Sequence[int]) -> dict[int, list[Any]]:
    """The newest version of each, and the one before it."""
    found: dict[int, list[Any]] = {}
    for record in Entry.history.filter(id__in=pks).order_by("id", "-history_date", "-history_id"):
        if len(versions := found.setdefault(record.id, [])) < 2:
            versions.append(record)
    return found

"""The check pass: every row is read, judged and compared with what is stored; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import reset_queries

from faq import publishing
from faq.models import Category, Entry
from faq.transfer import plan as kinds
from faq.transfer.columns import COLUMNS
from faq.transfer.plan import Plan
from faq.transfer.reading import EntriesFile, Row
from faq.transfer.report import ImportReport
from faq.transfer.resource import EntryResource
from faq.transfer.text import derived_external_id, question_key

BATCH = 1_000
Progress = Callable[[str, int, float], None]
T = TypeVar("T")


def check(file: EntriesFile, plan: Plan, report: ImportReport, publish: bool, user: Any, progress: Progress) -> None:
    """Fill the plan and the report's counts."""
    plan.note_entries(_stored_identities())
    checker = _Checker(plan, report, publish, user)
    for batch in batches(file.rows(), BATCH):
        checker.take(batch)
        progress("check", report.refused_count + checker.judged, file.fraction)
        reset_queries()  # with DEBUG on, Django would keep every statement
    for duplicate in plan.settle():
        report.leave_out(duplicate)
    report.new, report.changed = plan.count(kinds.NEW), plan.count(kinds.CHANGED)
    report.unchanged = plan.count(kinds.UNCHANGED)
    report.ignored_columns = file.ignored
    report.new_categories = sorted(checker.categories - set(Category.objects.values_list("name", flat=True)))


class _Checker:
    def __init__(self, plan: Plan, report: ImportReport, publish: bool, user: Any) -> None:
        self.plan, self.report, self.publish, self.user = plan, report, publish, user
        self.four_eyes = {category.name: category for category in Category.objects.filter(four_eyes=True)}
        self.resource = EntryResource()
        self.categories: set[str] = set()
        self.judged = 0

    def take(self, batch: list[Row]) -> None:
        good = [(row, said) for row in batch if (said := self._said(row)) is not None]
        keys = [question_key(said["question"]) for _, said in good]
        identities = [self._identity(said, key) for (_, said), key in zip(good, keys, strict=True)]
        stored = stored_values(identities)
        for (row, said), key, external_id in zip(good, keys, identities, strict=True):
            kind = _kind(said, stored.get(external_id))
            if kind != kinds.UNCHANGED and (reason := self._objection(external_id, said, stored.get(external_id))):
                self.report.refuse(row.line, reason)
                continue
            if duplicate := self.plan.add(row, external_id, key, kind):
                self.report.leave_out(duplicate)
            else:
                self.categories.add(said["category"])
        self.judged += len(good)

    def _objection(self, external_id: str, said: dict[str, Any], stored: dict[str, Any] | None) -> str:
        """Why this user may not write the row: the form and the list's actions say the same."""
        was = stored["status"] if stored else ""
        becomes = said.get("status") or was
        if self.user is None or Entry.Status.PUBLISHED not in (was, becomes):
            return ""
        if not self.user.has_perm("faq.publish_entry"):
            return publishing.MAY_NOT
        where = {said["category"], stored["category"] if stored else ""}
        if becomes != Entry.Status.PUBLISHED or not where & set(self.four_eyes):
            return ""
        before = Entry.objects.select_related("category").filter(external_id=external_id).first()
        known = {name: getattr(before, name) for name in COLUMNS if name != "category"} if before else {}
        category = self.four_eyes.get(said["category"]) or Category(name=said["category"])
        after = Entry(**known | said | {"category": category})
        return publishing.objection(self.user, after, before)

    def _said(self, row: Row) -> dict[str, Any] | None:
        said, faults = ({}, [row.fault]) if row.fault else said_by(self.resource, row, self.publish)
        if faults:
            self.report.refuse(row.line, " ".join(faults))
            return None
        return said

    def _identity(self, said: dict[str, Any], key: str) -> str:
        """A row without an external ID is the entry that asks the same, or gets one that is made from its question."""
        given: str | None = said.get("external_id")
        return given or self.plan.entry_asking(key) or derived_external_id(key)


def said_by(resource: EntryResource, row: Row, publish: bool) -> tuple[dict[str, Any], list[str]]:
    said, faults = resource.clean_row(row.cells)
    if publish:
        said.setdefault("status", Entry.Status.PUBLISHED.value)
    return said, faults


def stored_values(external_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    columns = ["category__name" if name == "category" else name for name in COLUMNS]
    found = Entry.objects.filter(external_id__in=set(external_ids)).values_list(*columns)
    return {values[0]: dict(zip(COLUMNS, values, strict=True)) for values in found}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _kind(said: dict[str, Any], stored: dict[str, Any] | None) -> str:
    if stored is None:
        return kinds.NEW
    same = all(stored[name] == value for name, value in said.items() if name != "external_id")
    return kinds.UNCHANGED if same else kinds.CHANGED


def _stored_identities() -> Iterator[tuple[str, str]]:
    rows = Entry.objects.order_by().values_list("external_id", "question")
    for external_id, question in rows.iterator(chunk_size=BATCH):
        yield external_id, question_key(question)

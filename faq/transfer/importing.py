"""Importing a file: one pass that checks, then, if nothing is refused, one that writes all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import IntegrityError, reset_queries, transaction

from faq import versions
from faq.models import Category, Entry
from faq.signals import entries_changed
from faq.transfer import plan as kinds
from faq.transfer import writing
from faq.transfer.checking import BATCH, Progress, batches, check, said_by
from faq.transfer.errors import UnreadableFile
from faq.transfer.plan import Plan, new_plan
from faq.transfer.reading import EntriesFile, Row
from faq.transfer.report import ImportReport
from faq.transfer.resource import EntryResource


def import_file(
    path: Path,
    *,
    publish: bool = False,
    dry_run: bool = False,
    user: Any = None,
    name: str = "",
    progress: Progress | None = None,
) -> ImportReport:
    """Bring the entries of the file into the database. Never raises for what the file holds: see `report.refused`.

    `progress` is told the phase ("check" or "write"), the rows so far and how far that is, 0 to 1. `name` is what
    the file is called for people, where that is not the path's name. A `user` may publish no more than elsewhere;
    without one it is somebody in a shell, who may everything.
    """
    report = ImportReport(file=name or path.name)
    progress = progress or _silent
    try:
        file = EntriesFile(path, report.file)
        with new_plan() as plan:
            check(file, plan, report, publish, user, progress)
            if not dry_run and not report.refused:
                _write(file, plan, report, publish, user, progress)
                report.written = True
    except UnreadableFile as error:
        report.unreadable = True
        report.refuse(error.line, error.reason)
    except IntegrityError:
        report.refuse(None, "Somebody changed the same entries meanwhile; nothing was written. Import the file again.")
    return report


def _silent(phase: str, rows: int, fraction: float) -> None: ...


def _write(file: EntriesFile, plan: Plan, report: ImportReport, publish: bool, user: Any, progress: Progress) -> None:
    if not report.new and not report.changed:
        return
    with transaction.atomic(), versions.once():
        writer = _Writer(plan, publish, user, f"import {report.file}")
        done = 0
        for batch in batches(file.rows(), BATCH):
            writer.take(batch)
            done += len(batch)
            progress("write", done, done / max(report.rows, 1))
            reset_queries()
        entries_changed.send(sender=Entry)


class _Writer:
    def __init__(self, plan: Plan, publish: bool, user: Any, reason: str) -> None:
        self.plan, self.publish, self.user, self.reason = plan, publish, user, reason
        self.resource = EntryResource()
        self.categories = {category.name: category for category in Category.objects.all()}

    def take(self, batch: list[Row]) -> None:
        decided = self.plan.decided(batch[0].number, batch[-1].number)
        new: list[Entry] = []
        changed: dict[str, dict[str, Any]] = {}
        for row in batch:
            kind, external_id = decided.get(row.number, ("", ""))
            if kind not in (kinds.NEW, kinds.CHANGED):
                continue
            values = self._values(row)
            if kind == kinds.NEW:
                new.append(Entry(**values | {"external_id": external_id}))
            else:
                changed[external_id] = values
        writing.create(new, user=self.user, reason=self.reason)
        self._change(changed)

    def _values(self, row: Row) -> dict[str, Any]:
        said, _ = said_by(self.resource, row, self.publish)
        name = said["category"]
        if name not in self.categories:
            self.categories[name] = Category.objects.create(name=name)
        return said | {"category": self.categories[name]}

    def _change(self, changed: dict[str, dict[str, Any]]) -> None:
        entries = list(
            Entry.objects.filter(external_id__in=changed)
            .select_related("category")
            .order_by()
            .select_for_update(of=("self",))
        )
        if len(entries) != len(changed):
            raise IntegrityError("an entry was deleted between the two passes")
        fields: set[str] = set()
        for entry in entries:
            for name, value in changed[entry.external_id].items():
                if getattr(entry, name) != value:
                    setattr(entry, name, value)
                    fields.add(name)
        writing.update(entries, fields, user=self.user, reason=self.reason)

"""Entries as a file, read from the database in chunks. What comes out goes back in unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from django.db import reset_queries
from django.db.models import QuerySet

from faq.models import Entry
from faq.transfer import csv_file, json_file, xlsx_file
from faq.transfer.cells import inert
from faq.transfer.columns import COLUMNS
from faq.transfer.resource import EntryResource

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
BLOCK = 1 << 16


def export_chunks(queryset: QuerySet[Entry], kind: str) -> Iterator[bytes]:
    """The file's bytes. CSV and JSON come as they are read; a workbook is built on disk first."""
    if kind == "json":
        return json_file.write(_objects(queryset))
    if kind == "csv":
        return csv_file.write(_table(queryset))
    return _workbook(queryset)


def export_file(path: Path, queryset: QuerySet[Entry] | None = None) -> int:
    """Write the entries (all, in the order of their external IDs) to the path; how many they were."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in CONTENT_TYPES:
        raise ValueError(f"{path.name} must end in .csv, .xlsx or .json.")
    entries = Entry.objects.order_by("external_id") if queryset is None else queryset
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            for chunk in export_chunks(entries, kind):
                file.write(chunk)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return entries.count()


def _entries(resource: EntryResource, queryset: QuerySet[Entry]) -> Iterator[Entry]:
    columns = queryset.select_related("category").defer("text_hash", "wordings")
    for number, entry in enumerate(resource.iter_queryset(columns), 1):
        yield entry
        if number % BLOCK == 0:
            reset_queries()


def _table(queryset: QuerySet[Entry]) -> Iterator[list[str]]:
    resource = EntryResource()
    yield list(COLUMNS)
    for entry in _entries(resource, queryset):
        yield [inert(cell) for cell in resource.export_resource(entry)]


def _objects(queryset: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    resource = EntryResource()
    for entry in _entries(resource, queryset):
        values = resource.export_resource(entry, force_native_type=True)
        yield dict(zip(COLUMNS, values, strict=True))


def _workbook(queryset: QuerySet[Entry]) -> Iterator[bytes]:
    with TemporaryFile() as file:
        xlsx_file.write(_table(queryset), file)
        file.seek(0)
        while chunk := file.read(BLOCK):
            yield chunk

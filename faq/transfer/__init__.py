"""Entries in and out: CSV, XLSX and JSON files."""

from __future__ import annotations

from faq.transfer.exporting import export_chunks, export_file
from faq.transfer.importing import import_file
from faq.transfer.report import Duplicate, ImportReport, Refusal

__all__ = ["Duplicate", "ImportReport", "Refusal", "export_chunks", "export_file", "import_file"]

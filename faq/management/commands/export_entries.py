"""`manage.py export_entries FILE`: every entry into a file that `import_entries` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from faq.transfer import export_file


class Command(BaseCommand):
    help = "Export all entries to a .csv, .xlsx or .json file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the ending chooses the format: .csv, .xlsx or .json")

    def handle(self, *, file: Path, **_: Any) -> None:
        try:
            count = export_file(file)
        except ValueError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
        self.stdout.write(self.style.SUCCESS(f"{count:,} entries written to {file}"))

"""The verb `rehearsal`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.backup import BackupError, rehearsal, taking
from console.backup.record import recorded


class Command(BaseCommand):
    help = "Restore the latest backup beside the product, ask it the entries' own questions, and record the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, nargs="?", help="Another backup than the latest.")

    def handle(self, *, folder: Path | None, **options: Any) -> None:
        kept = taking.kept()
        chosen = folder or (kept[-1] if kept else None)
        if chosen is None:
            raise CommandError("There is no backup yet: `manage.py backup` takes one.")
        try:
            with recorded({"rehearsal": chosen.name}) as record:
                outcome = rehearsal.rehearse(chosen)
                record.outcome = outcome.sentence
                if not outcome.passed:
                    raise BackupError(f"Not as it was: {outcome.sentence}")
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(outcome.sentence))

"""The verb `backup`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.backup import BackupError, taking
from console.backup.record import recorded


class Command(BaseCommand):
    help = "Take a backup: the database, the vectors where the server gives them, and a manifest of what it holds."

    def handle(self, **options: Any) -> None:
        try:
            with recorded() as record:
                folder, manifest = taking.take()
                record.outcome = f"{folder.name}: {manifest.counts['entries']} entries, vectors: {manifest.vectors}."
        except BackupError as error:
            raise CommandError(str(error)) from error
        for old in taking.forget_old():
            self.stdout.write(f"{old.name} is older than what BACKUP_KEEP keeps: deleted.")
        self.stdout.write(self.style.SUCCESS(f"{folder}: {record.outcome}"))

"""The verb `check_index`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rag.errors import ServiceUnavailable
from rag.index import drift, generations
from rag.index.indexing import reconcile


class Command(BaseCommand):
    help = "Hold every point of the index against the content; exit status 1 when something is wrong or unknown."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="Put right exactly what was found.")

    def handle(self, *, repair: bool, **options: Any) -> None:
        live = generations.live()
        if live is None:
            raise CommandError("There is no index yet: run `manage.py reindex`.")
        try:
            found = drift.scan(live)
            self._show(found)
            if repair and not found.clean:
                generations.target()
                drift.repair(live, found)
                reconcile(live)
                found = drift.scan(live)
                self.stdout.write("After the repair:")
                self._show(found)
        except ServiceUnavailable as error:
            raise CommandError(f"Unknown: {error}. The index was not read to its end.") from error
        if not found.clean:
            raise CommandError("The index differs from the content: run `manage.py check_index --repair`.")
        self.stdout.write(self.style.SUCCESS(f"No drift: {found.points} points are what the content says."))

    def _show(self, found: drift.Drift) -> None:
        for kind, count in found.counts.items():
            self.stdout.write(f"  {kind.replace('_', ' '):<14}{count:>8}")

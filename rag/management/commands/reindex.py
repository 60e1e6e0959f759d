"""The verb `reindex`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rag.errors import ServiceUnavailable
from rag.index import generations
from rag.index.coverage import behind, coverage
from rag.index.indexing import Indexed, reconcile
from rag.models import Generation


class Command(BaseCommand):
    help = "Bring the index up to date: embed what is missing or outdated, take out what is no longer published."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--generation",
            choices=["live", "new"],
            default="live",
            help="new: build a whole new collection beside the live one, then promote it.",
        )

    def handle(self, *, generation: str, **options: Any) -> None:
        try:
            target = generations.target()
            if generation == "new":
                target = generations.beside(target)
            indexed = self._with_progress(target)
            if target.state == Generation.State.BUILDING and not behind(target).exists():
                generations.promote(target)
        except ServiceUnavailable as error:
            raise CommandError(f"{error}. What was indexed until now is kept; run this again to go on.") from error
        done = coverage()
        self.stdout.write(
            self.style.SUCCESS(
                f"{indexed.embedded} embedded, {indexed.removed} removed; coverage {done.ratio:.1%}"
                f" ({done.current} of {done.published} published entries)"
            )
        )

    def _with_progress(self, target: Generation) -> Indexed:
        columns = (TextColumn("Indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task("Indexing", total=None)
            return reconcile(target, lambda done, total: bar.update(task, completed=done, total=total))

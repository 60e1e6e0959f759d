"""The verb `generations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rag.errors import ServiceUnavailable
from rag.index import generations
from rag.index.coverage import coverage
from rag.models import Generation
from rag.quality import promotion
from rag.quality.suite import SuiteError, read_cases


class Command(BaseCommand):
    help = "List the generations of the index; promote one, roll back to the former one, or reclaim one's place."

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument("--promote", metavar="COLLECTION", help="Read from this one, if nothing speaks against it.")
        steps.add_argument("--roll-back", action="store_true", help="Read from the former one again.")
        steps.add_argument("--reclaim", metavar="COLLECTION", help="Delete this one, which is not live, for good.")
        parser.add_argument(
            "--suite",
            type=Path,
            help="With --promote: questions that may not be answered worse, instead of the stored suite.",
        )

    def handle(
        self, *, promote: str | None, roll_back: bool, reclaim: str | None, suite: Path | None, **options: Any
    ) -> None:
        try:
            if promote:
                promotion.promote(self._named(promote), read_cases(suite) if suite else None)
            elif roll_back:
                promotion.roll_back()
            elif reclaim:
                generations.reclaim(self._named(reclaim))
        except promotion.PromotionRefused as refused:
            raise CommandError("Refused. " + " ".join(refused.reasons)) from refused
        except (generations.NotPossible, ServiceUnavailable, SuiteError, OSError) as error:
            raise CommandError(str(error)) from error
        for one in Generation.objects.order_by("created_at"):
            self.stdout.write(f"{one.state:<10}{one.collection:<48}{coverage(one).ratio:>8.1%}  {one.model}")

    def _named(self, collection: str) -> Generation:
        try:
            return Generation.objects.get(collection=collection)
        except Generation.DoesNotExist:
            raise CommandError(f"There is no generation {collection}: `manage.py generations` lists them.") from None

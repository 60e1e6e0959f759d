"""The verb `reindex`."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rag.errors import ServiceUnavailable
from rag.index import generations, jobs, work
from rag.index.coverage import coverage
from rag.index.indexing import retry_failed
from rag.models import Generation, Job
from rag.quality import promotion

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = "Bring the index up to date: embed what is missing or outdated, take out what is no longer published."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--generation",
            choices=["live", "new"],
            default="live",
            help="new: build a whole new collection beside the live one, check it, then promote it.",
        )

        parser.add_argument("--failed", action="store_true", help="Try again what failed and was parked.")

    def handle(self, *, generation: str, failed: bool, **options: Any) -> None:
        if failed:
            again = sum(retry_failed(one) for one in generations.followed())
            self.stdout.write(f"{again} failed entries are tried again.")
        if generation == "new":
            cost = promotion.estimate()
            self.stdout.write(
                f"{cost.entries} entries as {cost.points} points, about {cost.seconds / 60:.1f} minutes"
                f" and {cost.bytes / 1e6:.1f} MB beside the live generation."
            )
        job = self._done(jobs.request(Job.Kind.BUILD if generation == "new" else Job.Kind.REINDEX))
        if job.state != Job.State.SUCCEEDED:
            raise CommandError(f"{job.outcome} What was indexed until now is kept; run this again to go on.")
        if generation == "new":
            self._promote(job)
        now = coverage()
        self.stdout.write(
            self.style.SUCCESS(
                f"{job.outcome} Coverage {now.ratio:.1%} ({now.current} of {now.published} published entries)."
            )
        )

    def _done(self, job: Job) -> Job:
        """Done here, unless a worker was quicker: its progress is shown, and should it die, done here after all."""
        columns = (TextColumn("Indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task("Indexing", total=None)
            while not work.run(job.pk, watch=lambda done, total: bar.update(task, completed=done, total=total)):
                job.refresh_from_db()
                if job.state not in jobs.ACTIVE:
                    break
                bar.update(task, completed=job.done, total=job.total or None)
                time.sleep(POLL_SECONDS)
                jobs.adopt_abandoned()
        job.refresh_from_db()
        return job

    def _promote(self, job: Job) -> None:
        built = Generation.objects.get(pk=job.scope["generation"])
        try:
            promotion.promote(built)
        except promotion.PromotionRefused as refused:
            raise CommandError("Built, and not promoted. " + " ".join(refused.reasons)) from refused
        except ServiceUnavailable as error:
            raise CommandError(f"Built, and not promoted. {error}") from error

"""How a job is shown: its state in a word, how far it is, and how long it will still take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from console.spans import spoken
from rag.index.jobs import ACTIVE
from rag.models import Job

ENOUGH_FOR_A_GUESS = 0.05
NOTHING = "\N{EN DASH}"
LOOKS = {
    Job.State.QUEUED: "sf-none",
    Job.State.RUNNING: "sf-info",
    Job.State.SUCCEEDED: "sf-ok",
    Job.State.FAILED: "sf-bad",
    Job.State.CANCELLED: "sf-none",
}


@dataclass(frozen=True)
class Progress:
    """A job as it is at this moment."""

    job: Job
    now: datetime

    @property
    def active(self) -> bool:
        return self.job.state in ACTIVE

    @property
    def stalled(self) -> bool:
        silent = timedelta(seconds=settings.JOB_SILENT_SECONDS)
        heard = self.job.heartbeat_at
        return self.job.state == Job.State.RUNNING and heard is not None and self.now - heard > silent

    @property
    def stopping(self) -> bool:
        return self.job.state == Job.State.RUNNING and self.job.cancel_requested

    @property
    def word(self) -> str:
        if self.stalled:
            return "Stalled"
        return "Stopping" if self.stopping else str(self.job.get_state_display())

    @property
    def look(self) -> str:
        return "sf-warn" if self.stalled or self.stopping else LOOKS[Job.State(self.job.state)]

    @property
    def known(self) -> bool:
        """Is it known how much there is to do?"""
        return self.job.total > 0

    @property
    def has_bar(self) -> bool:
        """While it goes on, and where it did not do everything."""
        return self.active or (self.known and (self.job.done < self.job.total or self.job.failed > 0))

    @property
    def percent(self) -> int:
        if not self.known:
            return 100 if self.job.state == Job.State.SUCCEEDED else 0
        return min(100, self.job.done * 100 // self.job.total)

    @property
    def failed_percent(self) -> int:
        """The part of the bar that failed: seen even when it is one in a thousand."""
        return (
            min(self.percent, max(1, self.job.failed * 100 // self.job.total)) if self.job.failed and self.known else 0
        )

    @property
    def good_percent(self) -> int:
        return self.percent - self.failed_percent

    @property
    def sentence(self) -> str:
        if not self.known:
            return "How much there is to do is not known yet" if self.active else "Nothing to count"
        return f"{self.job.done:,} of {self.job.total:,}" + (f", {self.job.failed:,} failed" if self.job.failed else "")

    @property
    def left(self) -> str:
        """How long it will still take, as a range, once that can be said."""
        rate = self.job.rate
        far_enough = self.known and self.job.done >= ENOUGH_FOR_A_GUESS * self.job.total
        if self.job.state != Job.State.RUNNING or not rate or not far_enough:
            return ""
        seconds = max(0, self.job.total - self.job.done) / rate
        return f"{spoken(seconds * 0.8)} to {spoken(seconds * 1.4)} left" if seconds >= 1 else "almost done"

    @property
    def rate(self) -> str:
        return f"{self.job.rate:,.1f} a second" if self.job.rate else NOTHING

    @property
    def took(self) -> str:
        if not self.job.started_at:
            return NOTHING
        return spoken(((self.job.finished_at or self.now) - self.job.started_at).total_seconds())

    @property
    def heard(self) -> str:
        if not self.job.heartbeat_at:
            return "not yet"
        return f"{spoken((self.now - self.job.heartbeat_at).total_seconds())} ago"

    @property
    def scope(self) -> str:
        return scope_of(self.job)

    @property
    def who(self) -> str:
        return self.job.requested_by.get_username() if self.job.requested_by else "by itself"

    @property
    def reasons(self) -> list[str]:
        """The outcome: a sentence, or one for each reason."""
        return self.job.outcome.splitlines()


def progress_of(job: Job) -> Progress:
    return Progress(job, timezone.now())


def scope_of(job: Job) -> str:
    scope = job.scope
    if "entries" in scope:
        return f"{len(scope['entries']):,} selected entries"
    if scope.get("all"):
        return "every entry anew"
    if scope.get("repair"):
        kinds = ", ".join(kind.replace("_", " ") for kind in scope.get("kinds", []))
        return f"repair {kinds}" if kinds else "repair all that is found"
    if "generation" in scope:
        return f"generation {scope['generation']}"
    return "what has changed" if job.kind == Job.Kind.REINDEX else "everything"

"""Jobs: rows that say what is to be done, and how far it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class Job(models.Model):
    """Work that goes on behind the pages. The row is the truth; the queue only carries its number."""

    class Kind(models.TextChoices):
        REINDEX = "reindex", "Reindex"
        BUILD = "build", "Build a generation"
        SCAN = "scan", "Drift scan"
        CLEANUP = "cleanup", "Clean up"
        BACKUP = "backup", "Backup"
        TALLY = "tally", "Count answers"
        MISSES = "misses", "Group misses"
        PROMOTE = "promote", "Promote a generation"
        ROLL_BACK = "roll_back", "Roll back"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    scope: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    scope_key = models.CharField(max_length=64, blank=True, help_text="The scope in short: two alike are one job.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    outcome = models.TextField(blank=True)
    claim = models.UUIDField(null=True, editable=False, help_text="Who may go on with it; a former worker may not.")
    attempts = models.PositiveSmallIntegerField(default=0)
    in_flight: models.JSONField[list[int], list[int]] = models.JSONField(
        default=list, editable=False, help_text="The entries that its worker has in hand."
    )
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["kind", "-finished_at"])]
        constraints = [
            # One that waits and one that runs: a second click finds either, an edit made meanwhile gets the first.
            models.UniqueConstraint(
                fields=["kind", "scope_key", "state"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_active_job_a_scope",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def rate(self) -> float | None:
        """Entries a second, while it runs and afterwards; None before there is anything to divide."""
        until = self.finished_at or self.heartbeat_at
        if not self.started_at or not until or not self.done:
            return None
        seconds = (until - self.started_at).total_seconds()
        return self.done / seconds if seconds > 0 else None

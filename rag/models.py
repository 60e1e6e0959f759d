"""What PostgreSQL knows of the index, the jobs and the answers given."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

UNSURE = ""  # the hash in the ledger of points that are being written or removed, or were when a worker died


class Generation(models.Model):
    """One collection built with one recipe. The alias points at the live one."""

    class State(models.TextChoices):
        BUILDING = "building", "Building"
        LIVE = "live", "Live"
        RETIRED = "retired", "Retired"

    collection = models.CharField(max_length=120, unique=True)
    recipe = models.CharField(max_length=64, help_text="Fingerprint of model, dimension, template and distance.")
    model = models.CharField(max_length=120)
    dimension = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING, db_index=True)
    replaces_recipe = models.BooleanField(
        default=False, help_text="Built because the recipe changed: goes live by itself once it is complete."
    )
    created_at = models.DateTimeField(default=timezone.now)
    live_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="live"), name="one_live_generation")
        ]

    def __str__(self) -> str:
        return self.collection


class Embedding(models.Model):
    """This entry's texts, as hashed here, are in this generation as points.

    The entry is named by number, without a foreign key: the row outlives a deleted entry, and so says what is
    still to be taken out of the index.
    """

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="embeddings")
    entry_id = models.BigIntegerField()
    text_hash = models.CharField(max_length=32)
    points = models.PositiveSmallIntegerField()
    embedded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "entry_id"], name="one_row_an_entry")]
        indexes = [models.Index(fields=["entry_id"])]

    def __str__(self) -> str:
        return f"entry {self.entry_id} in {self.generation_id}"


class Job(models.Model):
    """Work that goes on behind the pages. The row is the truth; the queue only carries its number."""

    class Kind(models.TextChoices):
        REINDEX = "reindex", "Reindex"
        BUILD = "build", "Build a generation"
        SCAN = "scan", "Drift scan"
        CLEANUP = "cleanup", "Clean up"
        BACKUP = "backup", "Backup"

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


class IndexFailure(models.Model):
    """An entry whose text could not be indexed, how often, and why. Three times, and it is left alone until edited."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="failures")
    entry_id = models.BigIntegerField()
    text_hash = models.CharField(max_length=32)
    tries = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=300)
    failed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-failed_at"]
        constraints = [models.UniqueConstraint(fields=["generation", "entry_id"], name="one_failure_an_entry")]

    def __str__(self) -> str:
        return f"entry {self.entry_id}: {self.reason}"


class DriftScan(models.Model):
    """What a comparison of content, ledger and points found. A scan that broke off knows nothing."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="scans")
    counts: models.JSONField[dict[str, int] | None, dict[str, int] | None] = models.JSONField(
        null=True, help_text="Findings by kind; null when the scan failed."
    )
    points = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(default=0.0)
    scanned_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-scanned_at"]

    def __str__(self) -> str:
        return f"{self.generation_id}: {self.counts}"


class Receipt(models.Model):
    """The record of one answer: what was asked, which rungs were tried, and from what it was made."""

    class Vote(models.TextChoices):
        UP = "up", "Helpful"
        DOWN = "down", "Not helpful"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    request_id = models.CharField(max_length=64, blank=True)
    conversation = models.UUIDField(db_index=True)
    question = models.TextField()
    answer = models.TextField()
    answered_by = models.CharField(max_length=12, db_index=True)
    confidence = models.FloatField()
    cached = models.BooleanField(default=False)
    miss = models.BooleanField(default=False, db_index=True)
    degraded: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    rungs: models.JSONField[list[Any], list[Any]] = models.JSONField(
        default=list, help_text="Each rung tried and why it was left."
    )
    sources: models.JSONField[list[Any], list[Any]] = models.JSONField(
        default=list, help_text="Entries with their scores and the text hash they had."
    )
    versions: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    milliseconds: models.JSONField[dict[str, float], dict[str, float]] = models.JSONField(default=dict)
    vote = models.CharField(max_length=4, choices=Vote.choices, blank=True)
    vote_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.id)


class StoredCollection(models.Model):
    """A collection of the embedded vector store, with the counter that tells readers to load it again."""

    name = models.CharField(max_length=120, unique=True)
    dimension = models.PositiveIntegerField()
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class StoredAlias(models.Model):
    """An alias of the embedded vector store."""

    name = models.CharField(max_length=120, unique=True)
    collection = models.ForeignKey(StoredCollection, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.name


class StoredPoint(models.Model):
    """A point of the embedded vector store: float32 bytes, little endian."""

    collection = models.ForeignKey(StoredCollection, on_delete=models.CASCADE, related_name="points")
    point_id = models.UUIDField()
    entry_id = models.BigIntegerField()
    payload: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    vector = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "point_id"], name="one_row_a_point")]
        indexes = [models.Index(fields=["collection", "entry_id"])]

    def __str__(self) -> str:
        return str(self.point_id)

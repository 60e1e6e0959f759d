"""What PostgreSQL knows of the index: generations, the ledger, what failed, what drifted."""

from __future__ import annotations

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
        indexes = [
            models.Index(fields=["entry_id"]),
            models.Index(fields=["generation", "embedded_at"], name="embeddings_by_time"),
        ]

    def __str__(self) -> str:
        return f"entry {self.entry_id} in {self.generation_id}"


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


class DriftFinding(models.Model):
    """One thing that the latest scan of a generation found wrong: an entry, or for orphans a point."""

    scan = models.ForeignKey(DriftScan, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=12)
    entry_id = models.BigIntegerField(null=True)
    point_id = models.UUIDField(null=True)

    class Meta:
        indexes = [models.Index(fields=["scan", "kind"])]

    def __str__(self) -> str:
        return f"{self.kind}: {self.entry_id or self.point_id}"

"""Receipts: the records of the answers given."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone


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
    answered_by = models.CharField(max_length=12)
    entry_id = models.BigIntegerField(
        null=True, help_text="The first source, where the answer is made of it; null for suggestions."
    )
    confidence = models.FloatField()
    cached = models.BooleanField(default=False)
    miss = models.BooleanField(default=False)
    missed = models.ForeignKey(
        "rag.MissedQuestion",
        null=True,
        blank=True,
        editable=False,
        db_index=False,
        on_delete=models.SET_NULL,
        related_name="receipts",
        help_text="The question as it stands in a group of misses; none until it is grouped.",
    )
    degraded: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    fallbacks: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(
        default=list, help_text="Each step down as stage and reason, in their order."
    )
    rungs: models.JSONField[list[Any], list[Any]] = models.JSONField(
        default=list, help_text="Each rung tried and why it was left."
    )
    sources: models.JSONField[list[Any], list[Any]] = models.JSONField(
        default=list, help_text="Entries with their scores and the text hash they had."
    )
    looks: models.JSONField[list[Any], list[Any]] = models.JSONField(
        default=list, help_text="Each look for entries: by what, the cuts that held, and each entry's scores."
    )
    versions: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    milliseconds: models.JSONField[dict[str, float], dict[str, float]] = models.JSONField(default=dict)
    vote = models.CharField(max_length=4, choices=Vote.choices, blank=True)
    vote_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-created_at"]
        # Each filter of the log walks an index of its own in the order of the list, however many rows there are.
        indexes = [
            models.Index(fields=["answered_by", "-created_at"], name="receipts_by_rung"),
            models.Index(fields=["entry_id", "-created_at"], name="receipts_by_entry"),
            models.Index(fields=["request_id"], name="receipts_by_request"),
            models.Index(fields=["-created_at"], name="receipts_missed", condition=models.Q(miss=True)),
            models.Index(fields=["created_at"], name="receipts_ungrouped", condition=models.Q(miss=True, missed=None)),
            models.Index(
                fields=["missed", "-created_at"], name="receipts_grouped", condition=models.Q(missed__isnull=False)
            ),
            models.Index(fields=["-created_at"], name="receipts_degraded", condition=~models.Q(degraded=[])),
            models.Index(fields=["vote", "-created_at"], name="receipts_voted", condition=~models.Q(vote="")),
        ]

    def __str__(self) -> str:
        return str(self.id)

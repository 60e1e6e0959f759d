"""Questions that found no answer, in groups of those that ask for the same."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class MissGroup(models.Model):
    """Missed questions that lie near each other: one thing that people ask for and do not get."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SNOOZED = "snoozed", "Snoozed"
        OUT_OF_SCOPE = "out_of_scope", "Out of scope"
        ANSWERED = "answered", "Answered"

    question = models.TextField(help_text="The one that was asked most.")
    vector = models.BinaryField(help_text="The middle of its questions: float32, little endian, of length one.")
    model = models.CharField(max_length=120, help_text="What made the vectors.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    entry_id = models.BigIntegerField(null=True, blank=True, help_text="The entry that was written for it.")
    asks = models.PositiveIntegerField(default=0)
    wordings = models.PositiveIntegerField(default=0, help_text="Different questions in it.")
    heat = models.FloatField(
        default=0.0, help_text="Logarithm of its asks, each worth half after a fortnight: the order of the list."
    )
    first_asked = models.DateTimeField(default=timezone.now)
    last_asked = models.DateTimeField(default=timezone.now)
    asks_replayed = models.PositiveIntegerField(default=0)
    asks_answered = models.PositiveIntegerField(default=0, help_text="Of those replayed, how many find an answer now.")
    replayed_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(
        default=timezone.now, help_text="What came into the index before cannot answer it: it was looked for."
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "miss"
        verbose_name_plural = "misses"
        ordering = ["-heat"]
        indexes = [
            models.Index(fields=["state", "-heat"]),
            models.Index(fields=["state", "looked_at"]),
            models.Index(fields=["-last_asked"]),
            models.Index(fields=["entry_id"]),
        ]

    def __str__(self) -> str:
        return self.question


class MissedQuestion(models.Model):
    """One wording of a missed question, with its vector, so that it is embedded once."""

    group = models.ForeignKey(MissGroup, on_delete=models.CASCADE, related_name="questions")
    key = models.CharField(max_length=64, unique=True, help_text="Of the question without case and signs.")
    question = models.TextField()
    vector = models.BinaryField()
    asks = models.PositiveIntegerField(default=0)
    last_asked = models.DateTimeField(default=timezone.now, db_index=True)
    answered = models.BooleanField(null=True, help_text="When it was replayed last; unknown when it was not.")

    class Meta:
        ordering = ["-asks", "pk"]

    def __str__(self) -> str:
        return self.question

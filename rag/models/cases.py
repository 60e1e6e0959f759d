"""The stored suite."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Case(models.Model):
    """A question and the entries that should answer it; none when it must not be answered."""

    question = models.TextField(max_length=2_000, unique=True)
    relevant: models.JSONField[list[str], list[str]] = models.JSONField(
        default=list, blank=True, help_text="External IDs of the entries that answer it; none: it must not be answered."
    )
    note = models.CharField(max_length=300, blank=True, help_text="Why it is here.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.question

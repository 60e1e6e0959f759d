"""What all processes share about the services behind: an operator's word, how each process has it, tokens spent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class BreakerOrder(models.Model):
    """The last word of an operator on one service. Each process obeys it within seconds."""

    service = models.CharField(max_length=40, primary_key=True)
    tripped = models.BooleanField(help_text="Nobody asks it until it is reset.")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return f"{self.service} {'tripped' if self.tripped else 'reset'}"


class BreakerReport(models.Model):
    """How one process has one service's breaker, as it told last."""

    service = models.CharField(max_length=40)
    process = models.CharField(max_length=100)
    state = models.CharField(max_length=10)
    cause = models.CharField(max_length=20, blank=True)
    since = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["service", "process"], name="one_report_of_a_process")]

    def __str__(self) -> str:
        return f"{self.service} is {self.state} in {self.process}"


class TokenDay(models.Model):
    """Tokens that Gemini was asked for on one day (UTC), by all processes together."""

    day = models.DateField(primary_key=True)
    tokens = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.tokens} tokens on {self.day}"

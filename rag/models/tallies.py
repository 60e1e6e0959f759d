"""Roll-ups of receipts: derived, and kept when the receipts themselves are deleted."""

from __future__ import annotations

from django.db import models


class CountedHour(models.Model):
    """An hour whose receipts are counted in `HourTally`. While it is stale its receipts are read instead."""

    hour = models.DateTimeField(primary_key=True)
    stale = models.BooleanField(default=True, help_text="Not counted yet, or a vote came since.")
    counted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["hour"], name="stale_hour", condition=models.Q(stale=True))]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00}"


class Figures(models.Model):
    """What is counted of a set of answers."""

    answers = models.PositiveIntegerField(default=0)
    degraded = models.PositiveIntegerField(default=0)
    misses = models.PositiveIntegerField(default=0)
    up = models.PositiveIntegerField(default=0)
    down = models.PositiveIntegerField(default=0)
    cached = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class HourTally(Figures):
    """One hour's answers by rung. A row without a stage counts all of that rung's answers; one with a stage and a
    reason those among them that fell back there, and an answer that fell back twice is in two such rows."""

    hour = models.DateTimeField()
    rung = models.CharField(max_length=12)
    stage = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "rung", "stage", "reason"], name="one_tally_of_an_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.rung} {self.stage} {self.reason}"


class EntryDay(models.Model):
    """How often an entry was the first source of an answer on one day (UTC), and what was thought of it."""

    entry_id = models.BigIntegerField()
    day = models.DateField()
    asks = models.PositiveIntegerField(default=0)
    up = models.PositiveIntegerField(default=0)
    down = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry_id", "day"], name="one_tally_of_an_entrys_day")]
        indexes = [models.Index(fields=["day"])]

    def __str__(self) -> str:
        return f"entry {self.entry_id} on {self.day}"


class EntryTally(models.Model):
    """The sum of an entry's days, so that a list of entries can be put in order by it."""

    entry_id = models.BigIntegerField(primary_key=True)
    asks = models.PositiveIntegerField(default=0)
    up = models.PositiveIntegerField(default=0)
    down = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"entry {self.entry_id}: {self.asks} asks"

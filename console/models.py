"""What the console itself keeps: who did what in it, and how the parts behind were."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEvent(models.Model):
    """One act of one person. Written once, by `console.audit`, and never changed."""

    class Verb(models.TextChoices):
        CREATED = "created", "Created"
        CHANGED = "changed", "Changed"
        DELETED = "deleted", "Deleted"
        PUBLISHED = "published", "Published"
        ARCHIVED = "archived", "Archived"
        DRAFTED = "drafted", "Turned into a draft"
        RESTORED = "restored", "Restored"
        PROPOSED = "proposed", "Wrote an edit that waits"
        WITHDRAWN = "withdrawn", "Withdrew an edit"
        DISMISSED = "dismissed", "Dismissed an edit"
        IMPORTED = "imported", "Imported"
        EXPORTED = "exported", "Exported"
        JOB_ASKED = "job_asked", "Asked for a job"
        JOB_CANCELLED = "job_cancelled", "Cancelled a job"
        PROMOTED = "promoted", "Promoted a generation"
        ROLLED_BACK = "rolled_back", "Rolled back a generation"
        RECLAIMED = "reclaimed", "Reclaimed a generation"
        BREAKER_TRIPPED = "breaker_tripped", "Tripped a breaker"
        BREAKER_RESET = "breaker_reset", "Reset a breaker"
        PASSWORD = "password", "Set a password"
        LOGIN = "login", "Logged in"
        LOGIN_FAILED = "login_failed", "Failed to log in"
        LOGOUT = "logout", "Logged out"

    at = models.DateTimeField("when", default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name="who", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField("who", max_length=150, blank=True, help_text="Kept when the account is deleted.")
    verb = models.CharField("what", max_length=24)  # one of Verb; without choices, which a migration would list
    kind = models.CharField(max_length=100, blank=True, help_text="What was acted on: faq.entry, auth.user.")
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField("on", max_length=300, blank=True)
    before: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    after: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    address = models.CharField("from", max_length=45, blank=True)
    request_id = models.CharField("request", max_length=64, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        # Each filter of the list walks an index of its own in the order of the list.
        indexes = [
            models.Index(fields=["kind", "object_id"], name="audit_object"),
            models.Index(fields=["kind", "-at"], name="audit_by_kind"),
            models.Index(fields=["verb", "-at"], name="audit_by_verb"),
        ]
        verbose_name = "audit event"
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.actor_name or 'somebody'}: {self.verb_label} {self.object_name}".strip()

    @property
    def verb_label(self) -> str:
        return dict(self.Verb.choices).get(self.verb, self.verb)


class HealthStretch(models.Model):
    """For so long a part was seen in one state. Written by `console.health_record`; between two, nobody looked."""

    part = models.CharField(max_length=32)
    state = models.CharField(max_length=16)
    detail = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["until"], name="health_until"),
            models.Index(fields=["part", "-since"], name="health_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.part} {self.state} until {self.until:%Y-%m-%d %H:%M}"

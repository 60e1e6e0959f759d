"""A page whose every change goes into the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models
from django.http import HttpRequest

from console import audit


class Audited(ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """Put before Unfold's ModelAdmin. `audited` names the fields whose values are kept, before and after."""

    audited: tuple[str, ...] = ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self.look_before(request, obj)
        super().save_model(request, obj, form, change)

    def look_before(self, request: HttpRequest, obj: Any) -> None:
        """At the row before it is written: relations are written after it, and told by `log_change`."""
        stored = self.model._default_manager.filter(pk=obj.pk).first() if obj.pk else None
        _before(request)[obj.pk] = audit.values_of(stored, self.audited) if stored else {}

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit.record(request, audit.Verb.CREATED, obj, after=audit.values_of(obj, self.audited))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        before = _before(request).pop(obj.pk, None)
        if before is None:  # Django's page for passwords saves by itself
            audit.record(request, audit.Verb.PASSWORD, obj)
        else:
            after = audit.values_of(self.model._default_manager.get(pk=obj.pk), self.audited)
            if before != after:
                audit.record(request, self.verb_of_change(request, before, after), obj, before=before, after=after)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        for obj in queryset:
            audit.record(request, audit.Verb.DELETED, obj, before=audit.values_of(obj, self.audited))
        return super().log_deletions(request, queryset)

    def verb_of_change(self, request: HttpRequest, before: dict[str, Any], after: dict[str, Any]) -> str:
        return audit.Verb.CHANGED


def _before(request: Any) -> dict[Any, dict[str, Any]]:
    """What the rows of this request were, by primary key."""
    if not hasattr(request, "_audited_before"):
        request._audited_before = {}
    held: dict[Any, dict[str, Any]] = request._audited_before
    return held

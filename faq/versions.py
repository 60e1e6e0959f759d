"""The content version: what a cached answer was made from."""

from __future__ import annotations

from django.apps import apps
from django.db.models import F

ROW = 1


def current() -> int:
    """The version that readers see now; 0 before the first change."""
    model = apps.get_model("faq", "ContentVersion")
    return int(model._default_manager.filter(pk=ROW).values_list("value", flat=True).first() or 0)


def bump() -> None:
    """Count up inside the caller's transaction: content and version become visible together."""
    model = apps.get_model("faq", "ContentVersion")
    if not model._default_manager.filter(pk=ROW).update(value=F("value") + 1):
        model._default_manager.bulk_create([model(pk=ROW, value=1)], ignore_conflicts=True)


def bump_after_save(**_: object) -> None:
    bump()

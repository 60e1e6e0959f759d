"""How the pages of answers draw shares."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """0.5 as 50.0: for a width in a style, so with a point in every language."""
    return f"{100 * min(1.0, max(0.0, share)):.1f}"


@register.filter
def ago(moment: datetime) -> str:
    """How long since, in the largest unit alone."""
    since = timesince(moment, depth=1)
    return "just now" if since.startswith("0") else f"{since} ago"

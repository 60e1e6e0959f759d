"""How the pages of answers draw shares."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """0.5 as 50.0: for a width in a style, so with a point in every language."""
    return f"{100 * min(1.0, max(0.0, share)):.1f}"

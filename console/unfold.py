"""How the console looks: its name, its symbol, which environment it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

COLOURS = {"development": "info", "staging": "warning", "production": "danger"}


def environment_badge(request: HttpRequest) -> list[str]:
    """Which environment this is, in a colour that warns where it is the real one."""
    return [settings.DJANGO_ENV.capitalize(), COLOURS[settings.DJANGO_ENV]]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Steadfast",
    "SITE_HEADER": "Steadfast",
    "SITE_SYMBOL": "forum",
    "ENVIRONMENT": "console.unfold.environment_badge",
}

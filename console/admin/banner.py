"""What every page of the console carries: the banner while something that answers stand on is out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from console.admin.health import Tile, tiles
from monitoring.health import State


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """For Unfold's pages. Cheap: the readings are of the last seconds, and nobody is waited for long."""
    if not (request.user.is_authenticated and request.user.is_staff):
        return {}
    return {"out": out()}


def out() -> list[Tile]:
    return [one for one in tiles() if one.reading.state == State.DOWN]

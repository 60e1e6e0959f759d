"""The health of every part behind, a check on demand, and the runbooks. Open to all staff: an outage is no secret.

Right: `rag.add_job` to have the parts asked anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

import monitoring
from console.admin import health_strips
from console.admin.breakers import PERMISSION, board
from console.admin.pages import page, shown
from console.plain_markdown import as_html
from console.spans import spoken
from monitoring.health import Reading, State, readings
from monitoring.snapshot import snapshot

RUNBOOKS = Path(monitoring.__file__).parent / "runbooks"


@dataclass(frozen=True)
class Look:
    word: str
    pill: str
    part: str


LOOKS = {
    State.OK: Look("OK", "sf-ok", "is-ok"),
    State.DEGRADED: Look("Degraded", "sf-warn", "is-warn"),
    State.DOWN: Look("Down", "sf-bad", "is-bad"),
    State.UNKNOWN: Look("Unknown", "sf-unknown", "is-unknown"),
    State.OFF: Look("Not configured", "sf-none", ""),
}


@dataclass(frozen=True)
class Tile:
    """One reading, in the words of a page."""

    reading: Reading
    look: Look
    runbook: str  # the address of its page; empty where there is none

    @property
    def well(self) -> bool:
        return self.reading.state in (State.OK, State.OFF)

    @property
    def detail(self) -> str:
        """Beside the part's name, which clients put before what they say."""
        return self.reading.detail.removeprefix(f"{self.reading.check.title}: ")

    @property
    def latency(self) -> str:
        return "" if self.reading.latency_ms is None else f"{self.reading.latency_ms:,.0f} ms"

    @property
    def last_good(self) -> str:
        if self.reading.last_good is None:
            return "never seen well"
        ago = (timezone.now() - self.reading.last_good).total_seconds()
        return "just now" if ago < 5 else f"{spoken(ago)} ago"


def tiles(*, fresh: bool = False) -> list[Tile]:
    return [Tile(one, LOOKS[one.state], runbook_address(one.check.runbook)) for one in readings(fresh=fresh)]


def runbook_address(name: str) -> str:
    return reverse("admin:runbook", args=[name]) if _file(name).is_file() else ""


@page("health/", "health")
@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    found, state, now = tiles(), snapshot(), timezone.now()
    past = health_strips.strips(now)
    context = {
        "title": "Health",
        "tiles": found,
        "state": state,
        "as_of": max(one.reading.as_of for one in found),
        "unwell": [one for one in found if not one.well],
        "breakers": board(),
        "strips": past,
        "not_well": health_strips.not_well(past),
        "looked": any(strip.seen for strip in past),
        "hours": health_strips.hours(now),
        "may_set_breakers": request.user.has_perm(PERMISSION),
        "may_check": request.user.has_perm("rag.add_job"),
        "as_text": _as_text(found, state.image),
    }
    return shown(request, "console/health/health.html", context)


@page("health/check/", "health_check")
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Ask every part anew. Costs a call to each, Gemini's among them: therefore a POST, and not for everybody."""
    if not request.user.has_perm("rag.add_job"):
        raise PermissionDenied
    unwell = [one for one in tiles(fresh=True) if not one.well]
    if unwell:
        names = ", ".join(f"{one.reading.check.title}: {one.look.word.lower()}" for one in unwell)
        messages.warning(request, f"Asked anew. {names}.")
    else:
        messages.success(request, "Asked anew: every part is well.")
    return HttpResponseRedirect(reverse("admin:health"))


@page("runbooks/", "runbooks")
@require_safe
def runbooks(request: HttpRequest) -> HttpResponse:
    files = sorted(RUNBOOKS.glob("*.md")) if RUNBOOKS.is_dir() else []
    books = [{"title": _title(file), "address": runbook_address(file.stem)} for file in files]
    return shown(request, "console/health/runbooks.html", {"title": "Runbooks", "books": books})


@page("runbooks/<slug:name>/", "runbook")
@require_safe
def runbook(request: HttpRequest, name: str) -> HttpResponse:
    """One of our own files. Raises Http404 for any other name; a slug has neither dot nor slash."""
    if not _file(name).is_file():
        raise Http404
    text = _file(name).read_text(encoding="utf-8")
    context: dict[str, Any] = {"title": _title(_file(name)), "text": as_html(text)}
    return shown(request, "console/health/runbook.html", context)


def _file(name: str) -> Path:
    return RUNBOOKS / f"{name}.md"


def _title(file: Path) -> str:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() or file.stem


def _as_text(found: list[Tile], image: str) -> str:
    """For a ticket."""
    lines = [f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC{f', image {image}' if image else ''}"]
    for one in found:
        more = ", ".join(filter(None, [one.latency, one.detail]))
        lines.append(f"{one.reading.check.title}: {one.look.word.lower()}{f' ({more})' if more else ''}")
    return "\n".join(lines)

"""What operators can do about a breaker: spare a service in every process, and have it asked again."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest

from console.admin.acts import Act, act
from console.admin.breakers import PERMISSION, Line, board
from console.admin.pages import page
from console.models import AuditEvent
from rag.answering import breaker_orders

HEALTH = "admin:health"
Verb = AuditEvent.Verb
WITHOUT = {
    "vector store": "They are answered by text search; nothing is found by meaning.",
    "generator": "Entries answer in their own words; nothing is phrased for the question.",
    "redis": "Answers are not kept, so each takes its full time.",
}


@page("health/breakers/<slug:slug>/trip/", "breaker_trip")
@act(PERMISSION, HEALTH)
def trip(request: HttpRequest, slug: str) -> Act:
    line = _line(slug)

    def do() -> str:
        breaker_orders.order(line.service, tripped=True, by=request.user.get_username())
        return f"{line.title} is spared from now on: each process obeys within seconds of its next question."

    facts = [
        ("Service", line.title),
        ("Askers", WITHOUT[line.service]),
        ("Takes", "some seconds, in every web process"),
        ("Way back", "Reset it here. It does not come back by itself."),
    ]
    why_not = ["It is tripped already."] if line.tripped else []
    return _act(f"Spare {line.title} until somebody resets it?", "Trip", facts, do, why_not, Verb.BREAKER_TRIPPED, line)


@page("health/breakers/<slug:slug>/reset/", "breaker_reset")
@act(PERMISSION, HEALTH)
def reset(request: HttpRequest, slug: str) -> Act:
    line = _line(slug)

    def do() -> str:
        breaker_orders.order(line.service, tripped=False, by=request.user.get_username())
        return f"{line.title} is asked again: each process forgets within seconds what failed before."

    facts = [
        ("Service", line.title),
        ("Askers", "If it still fails they wait for it a few times, and then it is spared again by itself."),
        ("Way back", "Trip it."),
    ]
    return _act(f"Ask {line.title} again?", "Reset", facts, do, [], Verb.BREAKER_RESET, line)


def _act(
    title: str, button: str, facts: list[tuple[str, str]], do: Any, why_not: list[str], verb: str, on: Line
) -> Act:
    return Act(title, button, facts, do, danger=button == "Trip", why_not=why_not, verb=verb, on=on.title)


def _line(slug: str) -> Line:
    """Raises Http404 for a service that has no breaker, or none that can be ordered."""
    found = [one for one in board() if one.slug == slug and one.may_be_set]
    if not found:
        raise Http404
    return found[0]

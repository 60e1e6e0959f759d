"""What operators can do about a breaker: spare a service in every process, and have it asked again."""

from __future__ import annotations

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
    facts = [
        ("Askers", WITHOUT[line.service]),
        ("Takes", "some seconds, in every web process"),
        ("Way back", "Reset it here. It does not come back by itself."),
    ]
    told = f"{line.title} is spared from now on: each process obeys within seconds of its next question."
    return _order(request, line, f"Spare {line.title} until somebody resets it?", facts, told, tripped=True)


@page("health/breakers/<slug:slug>/reset/", "breaker_reset")
@act(PERMISSION, HEALTH)
def reset(request: HttpRequest, slug: str) -> Act:
    line = _line(slug)
    facts = [
        ("Askers", "If it still fails they wait for it a few times, and then it is spared again by itself."),
        ("Way back", "Trip it."),
    ]
    told = f"{line.title} is asked again: each process forgets within seconds what failed before."
    return _order(request, line, f"Ask {line.title} again?", facts, told, tripped=False)


def _order(
    request: HttpRequest, line: Line, title: str, facts: list[tuple[str, str]], told: str, *, tripped: bool
) -> Act:
    def do() -> str:
        breaker_orders.order(line.service, tripped=tripped, by=request.user.get_username())
        return told

    return Act(
        title,
        "Trip" if tripped else "Reset",
        [("Service", line.title), *facts],
        do,
        danger=tripped,
        why_not=["It is tripped already."] if tripped and line.tripped else [],
        verb=Verb.BREAKER_TRIPPED if tripped else Verb.BREAKER_RESET,
        on=line.title,
    )


def _line(slug: str) -> Line:
    """Raises Http404 for a service that has no breaker, or none that can be ordered."""
    found = [one for one in board() if one.slug == slug and one.may_be_set]
    if not found:
        raise Http404
    return found[0]

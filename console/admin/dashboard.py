"""The dashboard: what needs somebody now, how the index stands, what was answered, what is at work.

Everybody on the staff sees it; each part only those who may open what it counts (`rag.view_generation`,
`rag.view_receipt`, `rag.view_job`).
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from console.admin import drift_board
from console.admin.answer_figures import WINDOWS, figures
from console.admin.attention import needs
from console.admin.health import tiles
from console.admin.progress import Progress, progress_of
from faq import pending
from monitoring.snapshot import snapshot
from rag.index.jobs import ACTIVE
from rag.models import Job

SHOWN = 5


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What Unfold's index template is given, beside its own."""
    may = request.user.has_perm
    state, found = snapshot(), tiles()
    mine: dict[str, Any] = {"title": "Dashboard", "tiles": found, "state": state, "as_of": state.as_of}
    if may("rag.view_generation"):
        mine["board"] = drift_board.board(state.coverage, state.as_of)
        mine["store_is_out"] = any(one.reading.check.name == "vector_store" and not one.well for one in found)
    if may("rag.view_job"):
        mine |= {"running": _under_way(), "failed_jobs": _failed()}
    if may("rag.view_receipt"):
        window = request.GET.get("window", "")
        mine |= figures(window if window in WINDOWS else "24h")
    mine["needs"] = needs(found, state, mine.get("board"), may, _edits_for(request.user))
    return context | mine


def _edits_for(user: Any) -> int:
    return pending.for_another(user).count() if user.has_perm("faq.review_entry") else 0


def _under_way() -> list[Progress]:
    rows = Job.objects.filter(state__in=ACTIVE).select_related("requested_by").order_by("-state", "pk")
    return [progress_of(job) for job in rows[:SHOWN]]


def _failed() -> list[Progress]:
    rows = Job.objects.filter(state=Job.State.FAILED).select_related("requested_by").order_by("-finished_at")
    return [progress_of(job) for job in rows[:SHOWN]]

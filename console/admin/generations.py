"""The index: its generations, and the drift board with every row that it counts.

Rights: `rag.view_generation` to look, `rag.add_generation` to build, `rag.change_generation` to promote and roll back,
`rag.delete_generation` to reclaim; `rag.add_job` to reindex, scan and repair.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from console.admin import drift_board, generation_acts
from console.admin.progress import progress_of
from faq.models import Entry
from rag.index.jobs import ACTIVE
from rag.index.recipe import current_recipe
from rag.models import DriftScan, Embedding, Generation, Job
from rag.quality import promotion

LOOKS = {Generation.State.LIVE: "sf-ok", Generation.State.BUILDING: "sf-info", Generation.State.RETIRED: "sf-none"}
SHOWN = 20


@admin.register(Generation)
class GenerationAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Generation | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Generation | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Generation | None = None) -> bool:
        return request.user.has_perm("rag.view_generation")

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        acts = generation_acts
        mine = [
            path("build/", guarded(acts.build), name="rag_generation_build"),
            path("roll-back/", guarded(acts.roll_back), name="rag_generation_roll_back"),
            path("scan/", guarded(acts.scan), name="rag_generation_scan"),
            path("repair/", guarded(acts.repair), name="rag_generation_repair"),
            path("<int:generation_id>/promote/", guarded(acts.promote), name="rag_generation_promote"),
            path("<int:generation_id>/reclaim/", guarded(acts.reclaim), name="rag_generation_reclaim"),
            path("drift/<str:kind>/", guarded(self.drift_view), name="rag_generation_drift"),
        ]
        return [*mine, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        _look(request)
        rows = with_coverage()
        context = {
            "title": "Index",
            "generations": rows,
            "estimate": promotion.estimate(),
            "board": drift_board.board(),
            "running": [progress_of(job) for job in _under_way()],
            "generation_days": settings.GENERATION_DAYS,
            "may_roll_back": any(row["former"] for row in rows),
        }
        return self._page(request, "index", context)

    def drift_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        _look(request)
        if kind not in drift_board.KINDS:
            raise Http404
        rows = drift_board.rows(kind, by_scan=request.GET.get("by") == "scan", page=request.GET.get("page"))
        return self._page(request, "drift_rows", {"title": f"Drift: {drift_board.KINDS[kind].title.lower()}", **rows})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        raise Http404  # a generation has no page of its own: the index page shows them all

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(request, f"console/index/{name}.html", everywhere | context)


def with_coverage() -> list[dict[str, Any]]:
    """Every generation with what it holds, by a number of queries that does not depend on how many there are."""
    rows = list(Generation.objects.order_by("-created_at")[:SHOWN])
    published, current = Entry.objects.published().count(), _current_in([row.pk for row in rows])
    scans = _latest_scans([row.pk for row in rows])
    fingerprint = current_recipe().fingerprint
    kept = [row for row in rows if row.state == Generation.State.RETIRED and row.live_at and row.retired_at]
    former = max(kept, key=lambda row: row.retired_at or row.created_at, default=None)
    return [
        {
            "it": row,
            "look": LOOKS[Generation.State(row.state)],
            "current": current.get(row.pk, 0),
            "published": published,
            "percent": current.get(row.pk, 0) * 100 // published if published else 100,
            "of_this_recipe": row.recipe == fingerprint,
            "scan": scans.get(row.pk),
            "former": former is not None and row.pk == former.pk,
        }
        for row in rows
    ]


def _current_in(generation_ids: list[int]) -> dict[int, int]:
    """How many published entries each of these generations holds with the text that they have now."""
    as_it_reads_now = Entry.objects.published().filter(pk=OuterRef("entry_id"), text_hash=OuterRef("text_hash"))
    rows = Embedding.objects.filter(Exists(as_it_reads_now), generation__in=generation_ids)
    counted = rows.values_list("generation").annotate(Count("pk")).order_by()
    return dict(counted)


def _latest_scans(generation_ids: list[int]) -> dict[int, DriftScan]:
    newest = DriftScan.objects.filter(generation=OuterRef("generation")).order_by("-scanned_at").values("pk")[:1]
    rows = DriftScan.objects.filter(generation__in=generation_ids, pk=Subquery(newest))
    return {row.generation_id: row for row in rows}


def _under_way() -> list[Job]:
    return list(Job.objects.filter(Q(state__in=ACTIVE)).select_related("requested_by").order_by("-pk")[:5])


def _look(request: HttpRequest) -> None:
    if not request.user.has_perm("rag.view_generation"):
        raise PermissionDenied

"""The jobs: all of them, one of them while it goes on, and what can be done about it.

Rights: `rag.view_job` to look, `rag.add_job` to start one (reindex, scan, repair), `rag.change_job` to cancel, resume
and retry.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin

from console.admin import job_acts
from console.admin.progress import progress_of
from faq.models import Entry
from rag.index.coverage import TRIES
from rag.index.jobs import ACTIVE
from rag.models import IndexFailure, Job

A_PAGE = 25
NAMED = 50  # of the entries that failed; the rest are counted
LISTS: dict[str, tuple[str, Q]] = {
    "all": ("All", Q()),
    "active": ("Under way", Q(state__in=ACTIVE)),
    "failed": ("Failed", Q(state=Job.State.FAILED) | Q(failed__gt=0)),
    "cancelled": ("Cancelled", Q(state=Job.State.CANCELLED)),
    "succeeded": ("Succeeded", Q(state=Job.State.SUCCEEDED)),
}
# A running job of these kinds looks up between two batches whether it is to stop.
RESUMABLE = (*(Job.Kind.REINDEX, Job.Kind.BUILD, Job.Kind.SCAN, Job.Kind.BACKUP), Job.Kind.TALLY, Job.Kind.MISSES)


@admin.register(Job)
class JobAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return request.user.has_perm("rag.view_job")

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        mine = [
            path("<int:job_id>/bar/", guarded(bar), name="rag_job_bar"),
            path("<int:job_id>/panel/", guarded(panel), name="rag_job_panel"),
            path("<int:job_id>/cancel/", guarded(job_acts.cancel), name="rag_job_cancel"),
            path("<int:job_id>/resume/", guarded(job_acts.resume), name="rag_job_resume"),
            path("retry-failed/", guarded(job_acts.retry_failed), name="rag_job_retry_failed"),
            path("reindex/", guarded(job_acts.reindex), name="rag_job_reindex"),
            path("reindex-all/", guarded(job_acts.reindex_all), name="rag_job_reindex_all"),
        ]
        return [*mine, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        _look(request)
        chosen = request.GET.get("show", "all")
        kind = request.GET.get("kind", "")
        of_kind = Job.objects.filter(kind=kind) if kind in Job.Kind.values else Job.objects.all()
        rows = of_kind.filter(LISTS.get(chosen, LISTS["all"])[1]).select_related("requested_by").order_by("-pk")
        page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
        context = {
            "title": "Jobs",
            "lists": _counted(of_kind),
            "chosen": chosen if chosen in LISTS else "all",
            "kind": kind,
            "kinds": Job.Kind.choices,
            "page": page,
            "jobs": [progress_of(job) for job in page],
            "there_are_none": not page.paginator.count and not Job.objects.exists(),
        }
        return self._page(request, "list", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        _look(request)
        job = get_object_or_404(
            Job.objects.select_related("requested_by"), pk=object_id if object_id.isdecimal() else 0
        )
        return self._page(request, "job", {"title": f"Job #{job.pk}", **panel_context(request, job)})

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(request, f"console/jobs/{name}.html", everywhere | context)


@never_cache
@require_safe
def bar(request: HttpRequest, job_id: int) -> HttpResponse:
    """The bar as it is now; once the job has ended, one that asks no more."""
    _look(request)
    job = get_object_or_404(Job, pk=job_id)
    place = request.GET.get("place", "")
    context = {"progress": progress_of(job), "place": place if place.isalpha() else ""}
    return TemplateResponse(request, "console/parts/bar.html", context)


@never_cache
@require_safe
def panel(request: HttpRequest, job_id: int) -> HttpResponse:
    _look(request)
    job = get_object_or_404(Job.objects.select_related("requested_by"), pk=job_id)
    return TemplateResponse(request, "console/jobs/panel.html", panel_context(request, job))


def panel_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    progress = progress_of(job)
    failures = failures_during(job)
    shown = list(failures[:NAMED])
    return {
        "progress": progress,
        "failures": _named(shown),
        "more_failures": max(0, failures.count() - NAMED) if len(shown) == NAMED else 0,
        "may_cancel": progress.active and not progress.stopping and request.user.has_perm("rag.change_job"),
        "may_resume": not progress.active and job.state != Job.State.SUCCEEDED and _resumable(request, job),
        "may_retry": bool(shown) and not progress.active and request.user.has_perm("rag.change_job"),
    }


def failures_during(job: Job) -> QuerySet[IndexFailure]:
    """What failed while this job ran and has not been tried again with success since."""
    if job.kind not in (Job.Kind.REINDEX, Job.Kind.BUILD, Job.Kind.SCAN) or not job.started_at:
        return IndexFailure.objects.none()
    during = Q(failed_at__gte=job.started_at)
    if job.finished_at:
        during &= Q(failed_at__lte=job.finished_at)
    return IndexFailure.objects.filter(during).order_by("-failed_at")


def _named(failures: list[IndexFailure]) -> list[dict[str, Any]]:
    entries = Entry.objects.in_bulk([one.entry_id for one in failures])
    return [
        {
            "entry": entries.get(one.entry_id),
            "entry_id": one.entry_id,
            "reason": one.reason,
            "parked": one.tries >= TRIES,
            "tries": one.tries,
            "of": TRIES,
        }
        for one in failures
    ]


def _counted(jobs: QuerySet[Job]) -> list[dict[str, Any]]:
    """The lists with how many are in each, by one query."""
    counts = jobs.aggregate(**{name: Count("pk", filter=where or Q(pk__gt=0)) for name, (_, where) in LISTS.items()})
    return [{"name": name, "title": title, "count": counts[name]} for name, (title, _) in LISTS.items()]


def _resumable(request: HttpRequest, job: Job) -> bool:
    return job.kind in RESUMABLE and request.user.has_perm("rag.change_job")


def _look(request: HttpRequest) -> None:
    if not request.user.has_perm("rag.view_job"):
        raise PermissionDenied

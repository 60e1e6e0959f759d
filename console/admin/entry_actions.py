"""What can be done with many entries at once: status, index, export. Each says how many, and why not others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from console import audit
from faq.models import Entry
from faq.transfer.exporting import CONTENT_TYPES, export_chunks
from faq.transfer.writing import Outcome, set_status
from rag.index import jobs
from rag.models import Job

Status = Entry.Status
VERBS = {
    Status.PUBLISHED.value: audit.Verb.PUBLISHED,
    Status.ARCHIVED.value: audit.Verb.ARCHIVED,
    Status.DRAFT.value: audit.Verb.DRAFTED,
}
NAMED = 100  # entries named in the audit log; of more, the rest is counted


class EntryActions(ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    actions = ("publish", "archive", "make_drafts", "edit_together", "reindex", "export_selected")

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("faq.publish_entry")

    def has_reindex_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("faq.reindex_entry")

    @admin.action(description="Publish", permissions=["change", "publish"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.PUBLISHED)

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.ARCHIVED)

    @admin.action(description="Turn back into drafts", permissions=["change"])
    def make_drafts(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.DRAFT)

    @admin.action(description="Index anew", permissions=["reindex"])
    def reindex(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Only published entries are in the index, so only they are asked for."""
        pks = sorted(numbers(queryset.filter(status=Status.PUBLISHED)))
        if not pks:
            messages.warning(request, "None of these entries is published, and only published ones are indexed.")
            return
        with transaction.atomic():
            job = jobs.request(Job.Kind.REINDEX, {"entries": pks}, user=request.user)
            audit.record(request, audit.Verb.JOB_ASKED, job, after={"kind": job.kind, "entries": len(pks)})
        messages.success(request, f"Started job #{job.pk}: {number_of_entries(len(pks))} indexed anew.")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponseBase:
        audit.record(request, audit.Verb.EXPORTED, number_of_entries(queryset.count()))
        response = StreamingHttpResponse(export_chunks(queryset, "csv"), content_type=CONTENT_TYPES["csv"])
        name = f"entries-{timezone.localdate().isoformat()}-selected.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Entry], status: Entry.Status) -> None:
        pks = numbers(queryset)
        with transaction.atomic():
            outcome = set_status(pks, status.value, user=request.user, reason=f"{status.label} in the console")
            if outcome.changed:
                note_many(request, VERBS[status.value], outcome.changed)
        tell(request, status.label, outcome, of=len(pks), had="this status")


def note_many(request: HttpRequest, verb: str, external_ids: Sequence[str], **values: Any) -> None:
    """One line of the audit log for one act, however many entries it was."""
    named = {"entries": list(external_ids[:NAMED])} | values
    audit.record(request, verb, number_of_entries(len(external_ids)), after=named)


def tell(request: HttpRequest, done: str, outcome: Outcome, *, of: int, had: str) -> None:
    """How many were changed, how many needed it not, and why the others were left as they are."""
    changed, refused = len(outcome.changed), sum(outcome.refused.values())
    same = of - changed - refused
    rest = f" {same:,} had {had} already." if same else ""
    if changed or not refused:
        messages.success(request, f"{done}: {number_of_entries(changed)}.{rest} The index follows by itself.")
    for reason, count in outcome.refused.items():
        messages.warning(
            request, f"Left as {'it is' if count == 1 else 'they are'}: {number_of_entries(count)}. {reason}"
        )


def numbers(queryset: QuerySet[Entry]) -> list[int]:
    return list(queryset.order_by().values_list("pk", flat=True))


def number_of_entries(count: int) -> str:
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"

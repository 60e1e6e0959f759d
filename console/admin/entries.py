"""Entries and their categories: the list, the form, the history, and what can be done with many at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    AllValuesCheckboxFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from console import audit
from console.admin import misses
from console.admin.audited import Audited
from console.admin.entry_actions import VERBS, EntryActions
from console.admin.entry_form import EntryForm, Items, PlainLines
from console.admin.entry_transfer import EntryTransferAdmin
from faq.fields import LinesField
from faq.models import Entry

STATUS_COLOURS = {"Draft": "info", "Published": "success", "Archived": "warning"}
SOON = timedelta(days=30)


class ReviewFilter(DropdownFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("soon", f"Due within {SOON.days} days"), ("none", "No date")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        today = timezone.localdate()
        filters: dict[str, dict[str, Any]] = {
            "overdue": {"review_date__lt": today},
            "soon": {"review_date__range": (today, today + SOON)},
            "none": {"review_date": None},
        }
        return queryset.filter(**filters.get(self.value() or "", {}))


@admin.register(Entry)
class EntryAdmin(Audited, EntryActions, SimpleHistoryAdmin, EntryTransferAdmin, ModelAdmin):
    audited = (*("status", "category", "question", "answer", "variants"), *("language", "tags", "review_date"))
    form = EntryForm
    list_display = ("question", "category", "status_label", "language", "review", "updated")
    list_select_related = ("category",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("category", RelatedDropdownFilter),
        ReviewFilter,
        ("language", AllValuesCheckboxFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("question", "answer", "variants", "tags", "external_id")
    search_help_text = "Searches questions, variants, answers, tags and external IDs."
    autocomplete_fields = ("category",)
    warn_unsaved_form = True
    history_list_display = ("status",)
    formfield_overrides = {
        models.TextField: {"form_class": PlainLines, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 12})},
        LinesField: {"form_class": Items, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
    }
    fieldsets = (
        ("Question", {"fields": ("question", "variants")}),
        ("Answer", {"fields": ("answer",)}),
        ("Where it belongs", {"fields": (("category", "language"), "tags", "external_id")}),
        ("Publication", {"fields": (("status", "review_date"),)}),
    )

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def status_label(self, entry: Entry) -> str:
        return str(entry.get_status_display())

    @display(description="Review", ordering="review_date")
    def review(self, entry: Entry) -> str:
        if entry.review_date is None:
            return "-"
        overdue = entry.review_date < timezone.localdate()
        return f"{entry.review_date.isoformat()}{' (overdue)' if overdue else ''}"

    @display(description="Updated", ordering="updated_at")
    def updated(self, entry: Entry) -> str:
        return f"{timezone.localtime(entry.updated_at):%Y-%m-%d %H:%M}"

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> tuple[str, ...]:
        return ("external_id",) if obj else ()

    def get_form(self, request: HttpRequest, obj: Entry | None = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        form.user = request.user
        return form

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> Any:
        """simple_history lets whoever may look at a version restore it as well; here that takes the right to change."""
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)

    def save_model(self, request: HttpRequest, obj: Entry, form: EntryForm, change: bool) -> None:
        if _is_restoring(request):
            obj._change_reason = "an earlier version restored"  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)
        if not change:
            misses.written(request, obj)

    def verb_of_change(self, request: HttpRequest, before: dict[str, Any], after: dict[str, Any]) -> str:
        if _is_restoring(request):
            return audit.Verb.RESTORED
        return audit.Verb.CHANGED if before["status"] == after["status"] else VERBS[after["status"]]


def _is_restoring(request: HttpRequest) -> bool:
    match = request.resolver_match
    return bool(match and match.url_name == "faq_entry_simple_history")

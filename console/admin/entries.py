"""Entries and their categories: the list, the form, the history, and what can be done with many at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
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

from console.admin.entry_form import EntryForm, Items, PlainLines
from console.admin.entry_transfer import EntryTransferAdmin
from faq.fields import LinesField
from faq.models import Category, Entry
from faq.transfer.writing import set_status

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
class EntryAdmin(SimpleHistoryAdmin, EntryTransferAdmin, ModelAdmin):
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
    actions = ("publish", "archive", "make_drafts")
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

    def save_model(self, request: HttpRequest, obj: Entry, form: EntryForm, change: bool) -> None:
        match = request.resolver_match
        if match and match.url_name == "faq_entry_simple_history":
            obj._change_reason = "an earlier version restored"  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    @admin.action(description="Publish", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Entry.Status.PUBLISHED)

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Entry.Status.ARCHIVED)

    @admin.action(description="Turn back into drafts", permissions=["change"])
    def make_drafts(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Entry.Status.DRAFT)

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Entry], status: Entry.Status) -> None:
        pks = list(queryset.order_by().values_list("pk", flat=True))
        changed = set_status(pks, status.value, user=request.user, reason=f"{status.label} in the console")
        same = len(pks) - changed
        rest = f" {same:,} had this status already." if same else ""
        messages.success(request, f"{status.label}: {changed:,} entries.{rest} The index follows by itself.")


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ("name", "position", "number_of_entries")
    list_editable = ("position",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        found: QuerySet[Category] = super().get_queryset(request)
        return found.annotate(count=Count("entries"))

    @display(description="Entries", ordering="count")
    def number_of_entries(self, category: Any) -> str:
        link = f"{reverse('admin:faq_entry_changelist')}?category__id__exact={category.pk}"
        return format_html('<a href="{}">{}</a>', link, category.count)

"""Entries and their categories: the list, the form, the history, and what can be done with many at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from console import audit
from console.admin import misses
from console.admin.entry_actions import VERBS, EntryActions
from console.admin.entry_bulk_edit import EntryBulkEdit
from console.admin.entry_edits import EntryEdits
from console.admin.entry_filters import AskedFilter, IndexFilter, ReviewFilter, WaitingFilter, empty, tabs
from console.admin.entry_form import EntryForm, Items, PlainLines
from console.admin.entry_history import EntryHistory
from console.admin.entry_transfer import EntryTransferAdmin
from console.admin.entry_words import EDIT_WAITS, INDEX_COLOURS, INDEX_WORDS, STATUS_COLOURS
from console.admin.entry_writing import EntryWriting
from console.admin.known_choice import KnownChoice
from faq import pending
from faq.fields import LinesField
from faq.models import Entry
from rag.index.coverage import with_index_state
from rag.quality.tallies import asks, with_asks


@admin.register(Entry)
class EntryAdmin(EntryEdits, EntryActions, EntryBulkEdit, EntryWriting, EntryHistory, EntryTransferAdmin, ModelAdmin):
    audited = (*("status", "category", "question", "answer", "variants"), *("language", "tags", "review_date"))
    form = EntryForm
    list_display = (
        *("question", "category", "status_label", "index_label"),
        *("number_of_asks", "votes", "review", "updated"),
    )
    list_select_related = ("category",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("category", RelatedDropdownFilter),
        IndexFilter,
        AskedFilter,
        ReviewFilter,
        WaitingFilter,
        ("language", AllValuesCheckboxFilter),
    )
    list_filter_submit = True
    list_filter_sheet = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("question", "answer", "variants", "tags", "external_id")
    search_help_text = "Searches questions, variants, answers, tags and external IDs."
    warn_unsaved_form = True
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

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        if db_field.name in self.autocomplete_fields:
            options.setdefault("widget", KnownChoice(db_field, self.admin_site, using=options.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **options)

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def status_label(self, entry: Any) -> str:
        return f"{entry.get_status_display()}{EDIT_WAITS if entry.edit_waits else ''}"

    @display(description="Index", ordering="index_state", label=INDEX_COLOURS)
    def index_label(self, entry: Any) -> str:
        return INDEX_WORDS[entry.index_state]

    @display(description="Asks", ordering="asks")
    def number_of_asks(self, entry: Any) -> str:
        return f"{entry.asked.asks:,}"

    @display(description="Helpful", ordering="down")
    def votes(self, entry: Any) -> str:
        if not (entry.asked.up or entry.asked.down):
            return "-"
        return format_html('<span class="nowrap">{} yes, {} no</span>', entry.asked.up, entry.asked.down)

    @display(description="Review", ordering="review_date")
    def review(self, entry: Entry) -> str:
        if entry.review_date is None:
            return "-"
        overdue = entry.review_date < timezone.localdate()
        day = entry.review_date.isoformat()
        return format_html('<span class="nowrap">{}</span>{}', day, " (overdue)" if overdue else "")

    @display(description="Updated", ordering="updated_at")
    def updated(self, entry: Entry) -> str:
        return format_html('<span class="nowrap">{}</span>', timezone.localtime(entry.updated_at).date().isoformat())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_asks(with_index_state(super().get_queryset(request)))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The figures shown are of this minute; the list is put in order by those of the last whole hour."""
        changelist = super().get_changelist_instance(request)
        pks = [entry.pk for entry in changelist.result_list]
        found, waiting = asks(pks), pending.among(pks)
        for entry in changelist.result_list:
            entry.asked, entry.edit_waits = found[entry.pk], entry.pk in waiting
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(
            request, {"tab_list": tabs(request), "empty": empty(request)} | (extra_context or {})
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> tuple[str, ...]:
        return ("external_id",) if obj else ()

    def get_form(self, request: HttpRequest, obj: Entry | None = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        form.user = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Entry, form: EntryForm, change: bool) -> None:
        if _is_restoring(request):
            obj._change_reason = "an earlier version restored"  # type: ignore[attr-defined]  # how simple_history is told
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

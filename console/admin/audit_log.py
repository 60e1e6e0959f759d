"""The audit log's page: to be searched and filtered, never written."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RangeDateFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from console.models import AuditEvent

Verb = AuditEvent.Verb
COLOURS = {
    Verb.PUBLISHED.label: "success",
    Verb.PROMOTED.label: "success",
    Verb.DELETED.label: "danger",
    Verb.LOGIN_FAILED.label: "danger",
    Verb.RECLAIMED.label: "danger",
    Verb.ROLLED_BACK.label: "warning",
    Verb.ARCHIVED.label: "warning",
    Verb.PASSWORD.label: "warning",
}
KINDS = {
    "faq.entry": "Entries",
    "faq.category": "Categories",
    "auth.user": "Users",
    "auth.group": "Groups",
    "rag.job": "Jobs",
    "rag.generation": "Generations",
}


class VerbFilter(DropdownFilter):
    title = "what was done"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Verb.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


class KindFilter(DropdownFilter):
    title = "on what"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class DaysFilter(RangeDateFilter):
    """Whole days in the console's own time zone; Unfold's takes them without one."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        first, last = (self._day(f"{self.parameter_name}_{end}") for end in ("from", "to"))
        if first:
            queryset = queryset.filter(at__gte=first)
        return queryset.filter(at__lt=last + timedelta(days=1)) if last else queryset

    def _day(self, name: str) -> datetime | None:
        try:
            day = date.fromisoformat(self.used_parameters.get(name) or "")
        except ValueError:
            return None
        return timezone.make_aware(datetime.combine(day, time.min))


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):
    nothing_yet = "Whatever somebody does in the console, who and from where, is written down here."
    list_display = ("when", "who", "what", "on", "changed", "address")
    list_display_links = ("when",)
    list_filter = (("actor", AutocompleteSelectFilter), VerbFilter, KindFilter, ("at", DaysFilter))
    list_filter_submit = True
    list_per_page = 50
    list_fullwidth = True
    paginator = InfinitePaginator
    show_full_result_count = False
    search_fields = ("actor_name", "object_name", "=object_id", "=request_id", "=address")
    search_help_text = "Searches names of people and things, and whole request IDs and addresses."
    list_before_template = "console/audit/before.html"
    change_form_after_template = "console/audit/values.html"
    fields = ("when", "who", "what", "on_link", "address", "request_id")
    readonly_fields = fields
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        event = self.get_object(request, object_id)
        extra = {"rows": rows(event) if event else []}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    @display(description="When", ordering="at")
    def when(self, event: AuditEvent) -> str:
        return f"{timezone.localtime(event.at):%Y-%m-%d %H:%M:%S}"

    @display(description="Who", ordering="actor_name")
    def who(self, event: AuditEvent) -> str:
        return event.actor_name or ("nobody logged in" if event.request_id else "the system")

    @display(description="What", ordering="verb", label=COLOURS)
    def what(self, event: AuditEvent) -> str:
        return event.verb_label

    @display(description="On")
    def on(self, event: AuditEvent) -> str:
        return event.object_name or "-"

    @display(description="On")
    def on_link(self, event: AuditEvent) -> str | SafeString:
        named = event.object_name or "-"
        try:
            address = reverse(f"admin:{event.kind.replace('.', '_')}_change", args=[event.object_id])
        except NoReverseMatch:
            return named
        return format_html('<a href="{}" class="underline">{}</a>', address, named)

    @display(description="Changed")
    def changed(self, event: AuditEvent) -> str:
        return ", ".join(_words(name) for name in {**event.before, **event.after}) or "-"


def rows(event: AuditEvent) -> list[tuple[str, str, str]]:
    """What it was and what it became, a field a row."""
    names = {**event.before, **event.after}
    return [(_words(name), _text(event.before.get(name)), _text(event.after.get(name))) for name in names]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

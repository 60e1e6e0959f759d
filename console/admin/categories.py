"""The categories' pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from console.admin.audited import Audited
from faq.models import Category


@admin.register(Category)
class CategoryAdmin(Audited, ModelAdmin):
    audited = ("name", "position", "four_eyes")
    nothing_yet = (
        "Categories sort entries, and say where publishing asks for four eyes. An import makes those it names."
    )
    list_display = ("name", "position", "four_eyes_label", "number_of_entries")
    list_editable = ("position",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        found: QuerySet[Category] = super().get_queryset(request)
        return found.annotate(count=Count("entries"))

    def get_readonly_fields(self, request: HttpRequest, obj: Category | None = None) -> tuple[str, ...]:
        """Whoever is held to four eyes must not be able to close two of them."""
        return () if request.user.has_perm("faq.review_entry") else ("four_eyes",)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and db_field.name == "position":
            # Edited in the list as well, where a field has no label of its own.
            field.widget.attrs["aria-label"] = "Position"
        return field

    @display(description="Four eyes", ordering="four_eyes", label={"Four eyes": "info", "-": "default"})
    def four_eyes_label(self, category: Category) -> str:
        return "Four eyes" if category.four_eyes else "-"

    @display(description="Entries", ordering="count")
    def number_of_entries(self, category: Any) -> str:
        link = f"{reverse('admin:faq_entry_changelist')}?category__id__exact={category.pk}"
        return format_html('<a href="{}">{}</a>', link, f"{category.count:,}")

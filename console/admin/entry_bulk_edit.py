"""The pages by which many entries are edited alike: choose, preview, confirm, and take back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from console import audit
from console.admin.entry_actions import note_many, number_of_entries, numbers, tell
from faq import bulk
from faq.fields import LinesFormField, lines
from faq.models import Category, Entry
from faq.transfer.resource import EntryResource


class EditForm(forms.Form):
    """What is left blank stays as it is."""

    category = forms.ModelChoiceField(
        Category.objects.all(), required=False, empty_label="As it is", widget=UnfoldAdminSelectWidget
    )
    language = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="A language tag: en, fr, pt-BR. Blank: as it is.",
    )
    review_date = forms.DateField(required=False, widget=UnfoldAdminSingleDateWidget, help_text="Blank: as it is.")
    no_review_date = forms.BooleanField(label="No review date", required=False, widget=UnfoldBooleanSwitchWidget)
    add_tags = LinesFormField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text="One a line."
    )
    remove_tags = LinesFormField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text="One a line."
    )

    def clean_language(self) -> str:
        try:
            return str(EntryResource().clean_cell("language", self.cleaned_data["language"]))
        except ValueError as error:
            raise forms.ValidationError(f"It {error}.") from None

    def clean_add_tags(self) -> list[str]:
        return lines(self.cleaned_data["add_tags"])

    def clean_remove_tags(self) -> list[str]:
        return lines(self.cleaned_data["remove_tags"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("review_date") and data.get("no_review_date"):
            self.add_error("review_date", "Choose a date or none, not both.")
        if not self.errors and bulk.Edit(**data).says_nothing:
            raise forms.ValidationError("Nothing is chosen: fill in what is to change.")
        return data

    @property
    def edit(self) -> bulk.Edit:
        return bulk.Edit(**self.cleaned_data)


class EntryBulkEdit(ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.take_back)
        return [path("take-back/<slug:token>/", view, name="faq_entry_take_back"), *super().get_urls()]

    @admin.action(description="Edit together", permissions=["change"])
    def edit_together(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        """The form; sent with "preview", what it would do; sent with "confirm", that it be done."""
        pks = numbers(queryset)
        begun = "edit" in request.POST
        form = EditForm(request.POST if begun else None)
        if not begun or not form.is_valid():
            return self._choices(request, pks, form, None)
        if request.POST["edit"] != "confirm":
            return self._choices(request, pks, form, bulk.preview(pks, form.edit, request.user))
        with transaction.atomic():
            outcome, token = bulk.write(pks, form.edit, request.user)
            if outcome.changed:
                note_many(request, audit.Verb.CHANGED, outcome.changed, edit=_in_words(form.edit), token=token)
        tell(request, "Edited", outcome, of=len(pks), had="this")
        if outcome.changed:
            messages.info(request, _way_back(token))
        return None

    def take_back(self, request: HttpRequest, token: str) -> HttpResponse:
        """A GET says what comes back; a POST does it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        pks = bulk.edited_with(token)
        if not pks and request.method != "POST":
            raise Http404
        if request.method == "POST":
            with transaction.atomic():
                outcome = bulk.take_back(token, request.user)
                if outcome.changed:
                    note_many(request, audit.Verb.RESTORED, outcome.changed, token=token)
            tell(request, "Taken back", outcome, of=len(pks), had="this")
            return HttpResponseRedirect(reverse("admin:faq_entry_changelist"))
        context = {"count": number_of_entries(len(pks)), "title": "Take an edit back"}
        return self._response(request, "take_back", context)

    def _choices(
        self, request: HttpRequest, pks: list[int], form: EditForm, found: bulk.Preview | None
    ) -> HttpResponse:
        context = {
            "form": form,
            "found": found,
            "rows": [_row(before, after) for before, after in found.shown] if found else [],
            "refused": list(found.refused.items()) if found else [],
            "more": found.changed - len(found.shown) if found else 0,
            "count": number_of_entries(len(pks)),
            "selected": request.POST.getlist("_selected_action"),
            "across": request.POST.get("select_across", "0"),
            "back": request.get_full_path(),
            "title": "Edit together",
        }
        return self._response(request, "edit_together", context)

    def _response(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"console/entries/{name}.html", everywhere | context)


def _row(before: Entry, after: Entry) -> tuple[Entry, list[tuple[str, str, str]]]:
    """The entry, and each field that would change: its name, what it is, what it would be."""
    written = [
        ("Category", str(before.category), str(after.category)),
        ("Language", before.language, after.language),
        ("Review date", str(before.review_date or "none"), str(after.review_date or "none")),
        ("Tags", ", ".join(before.tags) or "none", ", ".join(after.tags) or "none"),
    ]
    return before, [(name, old, new) for name, old, new in written if old != new]


def _in_words(edit: bulk.Edit) -> dict[str, Any]:
    said = {
        "category": str(edit.category or ""),
        "language": edit.language,
        "review_date": "none" if edit.no_review_date else edit.review_date,
        "add_tags": list(edit.add_tags),
        "remove_tags": list(edit.remove_tags),
    }
    return {name: value for name, value in said.items() if value}


def _way_back(token: str) -> SafeString:
    address = reverse("admin:faq_entry_take_back", args=[token])
    return format_html('Not what you meant? <a href="{}" class="font-semibold underline">Take it back</a>', address)

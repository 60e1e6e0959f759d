"""The stored suite: questions and the entries that should answer them. `run_suite` runs it, promotion asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from console.admin.audited import Audited
from faq.fields import LinesFormField, lines
from faq.models import Entry
from rag.models import Case

if TYPE_CHECKING:
    CaseModelForm = forms.ModelForm[Case]
else:
    CaseModelForm = forms.ModelForm


class CaseForm(CaseModelForm):
    relevant = LinesFormField(
        required=False,
        label="Entries that answer it",
        help_text="External IDs, one a line; leave it empty when the question must not be answered.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    class Meta:
        model = Case
        fields = ("question", "relevant", "note")

    def clean_relevant(self) -> list[str]:
        wanted = lines(self.cleaned_data["relevant"])
        known = set(Entry.objects.filter(external_id__in=wanted).values_list("external_id", flat=True))
        if unknown := [one for one in wanted if one not in known]:
            raise forms.ValidationError(f"There is no entry {', '.join(unknown)}: name external IDs of entries.")
        return wanted


@admin.register(Case)
class CaseAdmin(Audited, ModelAdmin):
    form = CaseForm
    audited = ("question", "relevant", "note")
    nothing_yet = "A case is a question and what should answer it. A generation that loses one of them is not promoted."
    list_display = ("question", "should", "note", "created")
    search_fields = ("question", "note")
    search_help_text = "Searches questions and notes."
    show_full_result_count = False
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}
    warn_unsaved_form = True

    @display(description="Should be answered by")
    def should(self, case: Case) -> str:
        return ", ".join(case.relevant) or "nothing: it must not be answered"

    @display(description="Made", ordering="created_at")
    def created(self, case: Case) -> str:
        return f"{case.created_at:%Y-%m-%d}"

    def save_model(self, request: HttpRequest, obj: Case, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]  # nobody anonymous comes here
        super().save_model(request, obj, form, change)

"""What helps while an entry is written: the answer as askers will see it, entries that ask the same, and its state."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from console.admin import entry_edits
from console.admin.entry_words import INDEX_COLOURS, INDEX_SENTENCES, INDEX_WORDS
from faq import publishing
from faq.fields import lines
from faq.models import ANSWER_LENGTH, QUESTION_LENGTH, Entry
from rag.answering.answers import Answer, Source
from rag.chat.presentation import Shown
from rag.chat.schema import REASON_LENGTH
from rag.index.coverage import with_index_state
from rag.quality.likeness import alike
from rag.quality.tallies import asks


class EntryWriting(ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    change_form_before_template = "console/entries/form_before.html"
    change_form_after_template = "console/entries/form_after.html"

    class Media:
        js = ("console/entry_form.js", "console/variants.js")
        css = {"all": ("console/entries.css",)}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("preview/", view(require_POST(self.preview)), name="faq_entry_preview"),
            path("alike/", view(require_POST(self.alike)), name="faq_entry_alike"),
            *super().get_urls(),
        ]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """The answer to this question as the public page shows it, from the public page's own templates."""
        self._writers_only(request)
        question = request.POST.get("question", "").strip()[:QUESTION_LENGTH]
        answer = request.POST.get("answer", "").replace("\r\n", "\n").strip()[:ANSWER_LENGTH]
        context = {"asked": question, "shown": shown(question, answer), "reason_length": REASON_LENGTH}
        context |= {"theme": _theme(request), "blank": not answer}
        return render(request, "console/entries/preview.html", context)

    def alike(self, request: HttpRequest) -> HttpResponse:
        """Published entries that ask nearly the same as what is in the form."""
        self._writers_only(request)
        wordings = [request.POST.get("question", "")[:QUESTION_LENGTH], *lines(request.POST.get("variants"))]
        own = request.POST.get("entry", "")
        likeness = alike(wordings, but=int(own) if own.isdecimal() else None)
        return render(
            request,
            "console/entries/alike.html",
            {"likeness": likeness, "asked": any(text.strip() for text in wordings)},
        )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        entry = options.get("obj")
        return super().render_change_form(request, context | state_of(request, entry), *args, **options)

    def _writers_only(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied


def shown(question: str, answer: str) -> Shown:
    """What an asker gets who asks exactly this."""
    nobody = uuid.UUID(int=0)
    source = Source(0, "preview", question, 1.0)
    return Shown.of(Answer(nobody, answer, "exact", [], False, 1.0, [source], nobody, "", []))


def state_of(request: HttpRequest, entry: Entry | None) -> dict[str, Any]:
    """For the line above the form: index, asks, votes, who wrote it last, and what keeps it from being published."""
    if entry is None or entry.pk is None:
        return {}
    stored = with_index_state(Entry.objects.filter(pk=entry.pk)).select_related("category").first()
    if stored is None:
        return {}
    return {
        "stored": stored,
        "state_words": INDEX_SENTENCES[stored.index_state],
        "state_colour": INDEX_COLOURS[INDEX_WORDS[stored.index_state]],
        "asked": asks([stored.pk])[stored.pk],
        "newest": stored.history.select_related("history_user").first(),
        **entry_edits.state_of(request, stored),
        "objection": publishing.objections(request.user, [stored], Entry.Status.PUBLISHED).get(stored.pk, ""),
    }


def _theme(request: HttpRequest) -> str:
    return "dark" if request.POST.get("theme") == "dark" else "light"

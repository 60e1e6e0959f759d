"""The answers given: the log of receipts, why one answer is as it is, and the same question asked again now.

Rights: `rag.view_receipt` for all of it. Nothing here writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from console.admin import answer_story
from console.admin.answer_filters import FLAGS, VOTES, WINDOWS, Filter, as_uuid
from console.admin.answer_story import LOOKS, RUNGS
from console.admin.pages import shown
from rag.answering import pipeline
from rag.models import Receipt

A_PAGE = 50
LISTED = (
    *("created_at", "question", "answered_by", "confidence", "cached", "miss", "degraded", "fallbacks"),
    *("vote", "vote_reason", "missed_id", "milliseconds"),
)


@admin.register(Receipt)
class ReceiptAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Receipt | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Receipt | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Receipt | None = None) -> bool:
        return request.user.has_perm("rag.view_receipt")

    def get_urls(self) -> list[URLPattern]:
        again = path("<uuid:answer_id>/again/", self.admin_site.admin_view(ask_again), name="rag_receipt_again")
        return [again, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        look(request)
        chosen = Filter.read(request.GET)
        receipts = chosen.apply(Receipt.objects.only(*LISTED))
        if as_uuid(chosen.text) and (only := _the_only_one(receipts)):
            return HttpResponseRedirect(reverse("admin:rag_receipt_change", args=[only]))
        rows, older = page(receipts, request.GET.get("before", ""))
        context = {
            "title": "Answers",
            "chosen": chosen,
            "rows": [_listed(row) for row in rows],
            "older": older,
            "begun": "before" in request.GET,
            "rungs": RUNGS,
            "flags": FLAGS,
            "votes": VOTES,
            "windows": {name: title for name, (title, _) in WINDOWS.items()},
            "there_are_none": not rows and chosen.is_empty and "before" not in request.GET,
        }
        return shown(request, "console/answers/list.html", {"opts": self.opts} | context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        look(request)
        receipt = _receipt(object_id)
        context = {
            "title": "Why this answer",
            "receipt": receipt,
            "story": answer_story.of_receipt(receipt),
            "opts": self.opts,
        }
        return shown(request, "console/answers/receipt.html", context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404  # a receipt has none: it is never changed


@never_cache
@require_POST
def ask_again(request: HttpRequest, answer_id: UUID) -> HttpResponse:
    """The question as it would be answered now, beside what was answered then. A POST, as it may cost tokens."""
    look(request)
    receipt = _receipt(str(answer_id))
    tried = pipeline.try_out(receipt.question)
    then, now = answer_story.of_receipt(receipt), answer_story.of_receipt(tried.receipt)
    context = {"title": "Asked again", "receipt": receipt, "then": then, "now": now, "changes": _changes(then, now)}
    return shown(request, "console/answers/again.html", context)


def page(receipts: QuerySet[Receipt], before: str) -> tuple[list[Receipt], str]:
    """The next rows after the mark, newest first, and the mark of the page after; "" at the end.

    By the time of the last row and not by counting, so that the thousandth page costs what the first does.
    """
    moment, identity = _mark(before)
    if moment:
        receipts = receipts.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=identity))
        receipts = receipts.filter(created_at__lte=moment)  # so that the index is entered here
    rows = list(receipts.order_by("-created_at", "-pk")[: A_PAGE + 1])
    last = rows[A_PAGE - 1] if len(rows) > A_PAGE else None
    return rows[:A_PAGE], f"{last.created_at.isoformat()}_{last.pk}" if last else ""


def _mark(before: str) -> tuple[datetime | None, UUID | None]:
    moment, _, identity = before.replace(" ", "+").partition("_")
    try:
        found = parse_datetime(moment)
    except ValueError:
        found = None
    known = as_uuid(identity)
    return (found, known) if found and found.tzinfo and known else (None, None)


def _the_only_one(receipts: QuerySet[Receipt]) -> UUID | None:
    found = list(receipts.values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def _listed(receipt: Receipt) -> dict[str, Any]:
    return {
        "it": receipt,
        "rung": receipt.answered_by.replace("_", " "),
        "look": LOOKS.get(receipt.answered_by, ""),
        "fallbacks": answer_story.told(receipt.fallbacks) or receipt.degraded,
        "milliseconds": receipt.milliseconds.get("total"),
    }


def _receipt(object_id: str) -> Receipt:
    identity = as_uuid(object_id)
    return get_object_or_404(Receipt.objects.select_related("missed"), pk=identity)


def _changes(then: answer_story.Story, now: answer_story.Story) -> list[str]:
    changes = []
    if then.answered_by != now.answered_by:
        changes.append(f"It is answered by {_words(now.answered_by)} now, and was by {_words(then.answered_by)}.")
    if then.answer.strip() != now.answer.strip():
        changes.append("The text of the answer is another.")
    first = [rows[0].entry_id if rows else None for rows in (then.sources, now.sources)]
    if first[0] != first[1]:
        changes.append("The first source is another entry.")
    if now.fallbacks:
        changes.append(f"Something is out just now: {'; '.join(now.fallbacks)}.")
    return changes


def _words(rung: str) -> str:
    return rung.replace("_", " ")


def look(request: HttpRequest) -> None:
    if not request.user.has_perm("rag.view_receipt"):
        raise PermissionDenied

"""How the list of entries is narrowed, and the filters that are kept as tabs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from faq import pending
from faq.models import Entry, PendingEdit

SOON = timedelta(days=30)
# The filters that people come back to every morning, by name.
TABS = {
    "All": {},
    "Drafts": {"status__exact": "draft"},
    "Needs review": {"review": "due"},
    "Not indexed": {"index": "behind"},
    "Edits waiting": {"waiting": "any"},
    "Never asked": {"asked": "never"},
    "Disliked": {"asked": "disliked"},
}
FIRST_PAGE = {"q", "o", "p", "all"}  # what narrows nothing away: a tab stays the tab while it is searched or sorted


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """As Unfold wants them. A tab is lit when the list is filtered by just what it stands for."""
    address = reverse("admin:faq_entry_changelist")
    now = {name: value for name, value in request.GET.items() if name not in FIRST_PAGE and value}
    items = [
        {
            "title": title,
            "link": address + ("?" + "&".join(f"{name}={value}" for name, value in wanted.items()) if wanted else ""),
            "has_permission": True,
            "active": now == wanted,
        }
        for title, wanted in TABS.items()
    ]
    return [{"models": ["faq.entry"], "items": items}]


class ReviewFilter(DropdownFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        soon = f"Due within {SOON.days} days"
        return [
            ("due", f"Overdue or due within {SOON.days} days"),
            ("overdue", "Overdue"),
            ("soon", soon),
            ("none", "No date"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        today = timezone.localdate()
        filters: dict[str, dict[str, Any]] = {
            "due": {"review_date__lte": today + SOON},
            "overdue": {"review_date__lt": today},
            "soon": {"review_date__range": (today, today + SOON)},
            "none": {"review_date": None},
        }
        return queryset.filter(**filters.get(self.value() or "", {}))


class IndexFilter(DropdownFilter):
    title = "index"
    parameter_name = "index"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("behind", "Published, and not as it reads now"),
            ("current", "Current"),
            ("outdated", "Outdated: found by an older text"),
            ("missing", "Not yet: cannot be found by meaning"),
            ("failed", "Failed: its text cannot be indexed"),
            ("leaving", "Leaving: no longer published"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "behind":
            return queryset.filter(index_state__in=["outdated", "missing", "failed"])
        return queryset.filter(index_state=self.value()) if self.value() else queryset


class AskedFilter(DropdownFilter):
    """By what askers did, as of the last whole hour."""

    title = "asked"
    parameter_name = "asked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("never", "Published, and never asked"),
            ("disliked", "Disliked as often as liked, or more"),
            ("asked", "Asked"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        filters = {
            "never": Q(asks=0, status=Entry.Status.PUBLISHED),
            "disliked": Q(down__gt=0, down__gte=F("up")),
            "asked": Q(asks__gt=0),
        }
        return queryset.filter(filters.get(self.value() or "", Q()))


class WaitingFilter(DropdownFilter):
    """Published entries of which an edit waits for another person."""

    title = "edits"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("any", "An edit waits for another person"),
            ("others", "An edit that somebody else wrote waits"),
            ("mine", "An edit of mine waits"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        edits = {
            "any": PendingEdit.objects.all(),
            "others": pending.for_another(request.user),
            "mine": PendingEdit.objects.filter(author_id=request.user.pk),
        }
        chosen = edits.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(pk__in=chosen.values("entry_id"))


# What an empty tab means: the good news, or what will fill it.
EMPTY = {
    "Drafts": ("No drafts.", "Everything that was written is published or archived."),
    "Needs review": ("Nothing is due.", f"No entry's review date is past or within the next {SOON.days} days."),
    "Not indexed": ("Everything is indexed.", "Every published entry can be found by meaning, as it reads now."),
    "Edits waiting": (
        "No edit waits.",
        "In a category that asks for four eyes, edits of published entries wait here for another person.",
    ),
    "Never asked": ("Every published entry was asked.", "Counted up to the last whole hour."),
    "Disliked": ("Nothing is disliked.", "No entry has as many votes against it as for it."),
}


def empty(request: HttpRequest) -> dict[str, str]:
    """What to say where the tab that is lit shows nothing; nothing where something is searched for as well."""
    lit = next((item["title"] for item in tabs(request)[0]["items"] if item["active"]), "")
    if request.GET.get("q") or lit not in EMPTY:
        return {}
    title, why = EMPTY[lit]
    return {"title": title, "why": why}

"""What people ask for and do not get: the list of groups, and one group with what could answer it.

Rights: `rag.view_missgroup` to look; for what can be done see `miss_acts`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from console.admin import miss_acts
from console.admin.pages import shown
from faq import text_search
from faq.models import QUESTION_LENGTH, Entry
from rag.errors import ServiceUnavailable
from rag.models import Job, MissGroup, Receipt
from rag.quality import misses
from rag.quality.nearness import Near, near_entries

A_PAGE = 25
WORDINGS = 30
ASKS = 10
NEW = 10  # ungrouped questions shown while they wait
COUNTED = 1_000  # of them; beyond, it says "more than"
PREFILLED = 5  # other wordings that the form of a new entry begins with
LISTS = {
    "open": ("Open", "sf-warn"),
    "snoozed": ("Snoozed", "sf-info"),
    "out_of_scope": ("Out of scope", ""),
    "answered": ("Answered", "sf-ok"),
}


@admin.register(MissGroup)
class MissGroupAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: MissGroup | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: MissGroup | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: MissGroup | None = None) -> bool:
        return request.user.has_perm("rag.view_missgroup")

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        mine = [
            path("group-now/", guarded(miss_acts.group_now), name="rag_missgroup_group_now"),
            path("<int:group_id>/put-aside/", guarded(miss_acts.put_aside), name="rag_missgroup_put_aside"),
            path("<int:group_id>/<slug:verb>/now/", guarded(miss_acts.act), name="rag_missgroup_act"),
        ]
        return [*mine, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        look(request)
        chosen = request.GET.get("show", "open")
        chosen = chosen if chosen in LISTS else "open"
        mine, text = request.GET.get("mine") == "1", request.GET.get("q", "").strip().replace("\0", "")
        groups = MissGroup.objects.filter(state=chosen).select_related("owner").defer("vector")
        if mine:
            groups = groups.filter(owner=request.user.pk)
        if text:
            groups = groups.filter(Q(question__icontains=text))
        page = InfinitePaginator(groups, A_PAGE).get_page(request.GET.get("page"))
        rows = list(page.object_list)
        context = {
            "title": "Misses",
            "lists": _counted(),
            "chosen": chosen,
            "mine": mine,
            "text": text,
            "rows": rows,
            "page": page,
            "more": len(rows) == A_PAGE,
            "waiting": _waiting(),
            "look": LISTS[chosen][1],
            "snoozes": miss_acts.SNOOZES,
            "opts": self.opts,
        }
        return shown(request, "console/misses/list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        look(request)
        number = int(object_id) if object_id.isdecimal() and len(object_id) < 18 else 0
        group = get_object_or_404(MissGroup.objects.select_related("owner"), pk=number)
        questions = list(group.questions.order_by("-asks", "pk").defer("vector")[: WORDINGS + 1])
        near, near_fault = _near(group)
        context = {
            "title": "Miss",
            "group": group,
            "look": LISTS[group.state][1],
            "questions": questions[:WORDINGS],
            "more_questions": len(questions) > WORDINGS,
            "near": near,
            "near_fault": near_fault,
            "asks": Receipt.objects.filter(missed__group=group)
            .only("question", "created_at")
            .order_by("-created_at")[:ASKS],
            "entry": Entry.objects.filter(pk=group.entry_id).first() if group.entry_id else None,
            "write_url": write_url(group, [one.question for one in questions], near),
            "snoozes": miss_acts.SNOOZES,
            "opts": self.opts,
        }
        return shown(request, "console/misses/group.html", context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404  # the audit log has it


def write_url(group: MissGroup, wordings: list[str], near: list[Near]) -> str:
    """The form of a new entry, with what is known filled in; `miss` ties the entry to the group once it is saved."""
    others = [one for one in wordings if misses.key(one) != misses.key(group.question)]
    values = {
        "question": group.question[:QUESTION_LENGTH],
        "variants": "\n".join(one[:QUESTION_LENGTH] for one in others[:PREFILLED]),
        "miss": str(group.pk),
    }
    if near:
        values["category"] = str(near[0].entry.category_id)
    return f"{reverse('admin:faq_entry_add')}?{urlencode(values)}"


def written(request: HttpRequest, entry: Entry) -> None:
    """An entry was saved whose form was opened from a group: the group knows it from now on."""
    number = request.GET.get("miss", "")
    if number.isdecimal() and len(number) < 18:
        MissGroup.objects.filter(pk=int(number)).update(entry_id=entry.pk)


def _counted() -> list[dict[str, Any]]:
    counts = dict(MissGroup.objects.order_by().values_list("state").annotate(Count("pk")))
    return [{"name": name, "title": title, "count": counts.get(name, 0)} for name, (title, _) in LISTS.items()]


def _waiting() -> dict[str, Any]:
    """Misses that no group holds yet: how many, the newest of them, and what keeps them waiting."""
    new = misses.ungrouped().order_by("-created_at")
    count = len(new.values_list("pk")[: COUNTED + 1])
    latest = Job.objects.filter(kind=Job.Kind.MISSES).order_by("-pk").first()
    return {
        "count": min(count, COUNTED),
        "more": count > COUNTED,
        "rows": list(new.only("question", "created_at")[:NEW]) if count else [],
        "job": latest if latest and latest.state in (Job.State.QUEUED, Job.State.RUNNING) else None,
        "fault": latest.outcome if latest and latest.state == Job.State.FAILED else "",
    }


def _near(group: MissGroup) -> tuple[list[Near], str]:
    """The entries nearest to the group; by words alone, and said so, where the index cannot be asked."""
    try:
        return near_entries(misses.vector_of(group)), ""
    except ServiceUnavailable as error:
        entries = Entry.objects.select_related("category").in_bulk(text_search.candidates(group.question, 5))
        return [Near(entry, None) for entry in entries.values()], f"The index cannot be asked ({error.service})."


def look(request: HttpRequest) -> None:
    if not request.user.has_perm("rag.view_missgroup"):
        raise PermissionDenied

"""The command palette (Ctrl K): pages and verbs by their words, for those who may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from console.admin.answer_filters import as_uuid
from rag.models import Job


@dataclass(frozen=True)
class Command:
    title: str
    description: str
    name: str  # of the address in the console
    icon: str
    permission: str = ""
    words: str = ""  # by which it is found as well
    query: str = ""


COMMANDS = [
    Command("Dashboard", "Everything at a glance", "index", "space_dashboard", words="home overview start"),
    Command("Health", "Every part behind, its state and its runbook", "health", "vital_signs", words="status outage"),
    Command("Index", "Generations and drift", "rag_generation_changelist", "hub", "rag.view_generation", "vectors"),
    Command("Jobs", "What runs, waits and has ended", "rag_job_changelist", "work_history", "rag.view_job", "queue"),
    Command(
        "Failed jobs", "What went wrong lately", "rag_job_changelist", "error", "rag.view_job", "errors", "?show=failed"
    ),
    Command(
        "Answers", "Everything that was asked", "rag_receipt_changelist", "receipt_long", "rag.view_receipt", "log"
    ),
    Command(
        "Answers that were missed", "Newest first", "rag_receipt_changelist", "help", "rag.view_receipt", "", "?miss=1"
    ),
    Command(
        "Degraded answers", "Newest first", "rag_receipt_changelist", "warning", "rag.view_receipt", "", "?degraded=1"
    ),
    Command("Misses", "What to write next", "rag_missgroup_changelist", "help_center", "rag.view_missgroup", "gaps"),
    Command("My misses", "Those you took", "rag_missgroup_changelist", "person", "rag.view_missgroup", "", "?mine=1"),
    Command(
        "Edits that wait",
        "For another person",
        "faq_entry_changelist",
        "rate_review",
        "faq.view_entry",
        "review",
        "?waiting=any",
    ),
    Command("Playground", "Ask for trial and compare", "playground", "science", "rag.view_receipt", "try test"),
    Command("Cases", "The stored suite", "rag_case_changelist", "checklist", "rag.view_case", "suite quality"),
    Command("Check the health now", "Ask every part anew", "health", "refresh", words="probe"),
    Command("Reindex what has changed", "Starts a job", "rag_job_reindex", "sync", "rag.add_job", "stale outdated"),
    Command("Reindex every entry", "Starts a job", "rag_job_reindex_all", "restart_alt", "rag.add_job", "all anew"),
    Command("Retry what failed", "Starts a job", "rag_job_retry_failed", "replay", "rag.change_job", "parked failed"),
    Command("Scan for drift", "Starts a job", "rag_generation_scan", "troubleshoot", "rag.add_job", "check orphan"),
    Command("Repair drift", "Starts a job", "rag_generation_repair", "build", "rag.add_job", "fix orphan missing"),
    Command("Build a generation", "Starts a job", "rag_generation_build", "add", "rag.add_generation", "rebuild new"),
    Command("Roll back", "To the former generation", "rag_generation_roll_back", "undo", "rag.change_generation"),
]


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """What Unfold shows for a term; a job also by its number."""
    wanted = term.lower().split()
    found = [_result(one) for one in COMMANDS if _allowed(request, one) and _meant(one, wanted)]
    number = re.fullmatch(r"(?:job\s*)?#?(\d{1,12})", term.strip().lower())
    if number and request.user.has_perm("rag.view_job") and Job.objects.filter(pk=int(number[1])).exists():
        link = reverse("admin:rag_job_change", args=[int(number[1])])
        found.insert(0, SearchResult(f"Job #{number[1]}", "How far it is", link, "work_history"))
    if (identity := as_uuid(term.strip())) and request.user.has_perm("rag.view_receipt"):
        found.insert(0, _receipt(identity))
    return found


def _receipt(identity: UUID) -> SearchResult:
    """By the id that an asker can copy; or whatever else bears this id: a request, a conversation."""
    link = f"{reverse('admin:rag_receipt_changelist')}?q={identity}"
    return SearchResult("Open the receipt", str(identity), link, "receipt_long")


def _meant(command: Command, wanted: list[str]) -> bool:
    text = f"{command.title} {command.description} {command.words}".lower()
    return all(word in text for word in wanted)


def _allowed(request: HttpRequest, command: Command) -> bool:
    return not command.permission or request.user.has_perm(command.permission)


def _result(command: Command) -> SearchResult:
    link = reverse(f"admin:{command.name}") + command.query
    return SearchResult(command.title, command.description, link, command.icon)

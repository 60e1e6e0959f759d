"""What needs somebody now: each with why, and the one thing to do about it. The gravest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.urls import reverse

from console.admin.drift_board import Board
from console.admin.health import Tile
from console.spans import spoken
from monitoring.health import State
from monitoring.snapshot import Snapshot

May = Callable[[str], bool]
PATIENCE_SECONDS = 60.0  # so long the index may be behind an edit before anybody is told


@dataclass(frozen=True)
class Need:
    look: str
    word: str
    what: str
    why: str
    button: str = ""
    address: str = ""
    is_act: bool = False


def needs(tiles: list[Tile], state: Snapshot, board: Board | None, may: May) -> list[Need]:
    return [*_parts(tiles), *_migrations(state), *_index(board, state, may), *_jobs(state, may)]


def _parts(tiles: list[Tile]) -> Iterator[Need]:
    for one in tiles:
        if one.reading.state in (State.DOWN, State.DEGRADED, State.UNKNOWN):
            what = f"{one.reading.check.title}: {one.reading.detail or one.look.word.lower()}"
            name = "Open the runbook" if one.runbook else "Open the health page"
            yield Need(
                one.look.pill,
                one.look.word,
                what,
                one.reading.check.effect,
                name,
                one.runbook or reverse("admin:health"),
            )


def _migrations(state: Snapshot) -> Iterator[Need]:
    if state.pending_migrations:
        why = "The code expects a database that is not there yet. Run manage.py migrate."
        yield Need(
            "sf-bad",
            "Pending",
            _counted(state.pending_migrations, "migration is not applied", "migrations are not applied"),
            why,
        )


def _index(board: Board | None, state: Snapshot, may: May) -> Iterator[Need]:
    if board is None:
        return
    index, now = reverse("admin:rag_generation_changelist"), board.coverage
    if now.parked:
        why = "Their text failed three times. They are found by text search only, until they are edited or tried again."
        yield _act_or_link(
            "sf-bad",
            _counted(now.parked, "entry is parked", "entries are parked"),
            why,
            "Retry failed",
            "rag_job_retry_failed",
            "rag.change_job",
            may,
        )
    behind = state.oldest_behind_seconds or 0.0
    if behind > PATIENCE_SECONDS:
        why = f"{now.missing + now.outdated:,} entries wait, the oldest for {spoken(behind)}. Is a worker at work?"
        yield _act_or_link(
            "sf-warn", "The index is behind the content", why, "Reindex", "rag_job_reindex", "rag.add_job", may
        )
    if board.scan_failed and board.scan:
        yield Need(
            "sf-unknown", "Unknown", "The latest drift scan broke off", board.scan.error, "Open the index", index
        )
    elif board.found:
        why = "The latest scan found points that do not agree with the content."
        yield _act_or_link(
            "sf-warn",
            _counted(board.found, "finding of drift", "findings of drift"),
            why,
            "Repair",
            "rag_generation_repair",
            "rag.add_job",
            may,
        )


def _jobs(state: Snapshot, may: May) -> Iterator[Need]:
    if state.jobs and state.jobs.failed and may("rag.view_job"):
        address = f"{reverse('admin:rag_job_changelist')}?show=failed"
        why = "Within the last 24 hours. What they had done is kept; each says why it stopped."
        yield Need(
            "sf-warn", "Failed", _counted(state.jobs.failed, "job failed", "jobs failed"), why, "See why", address
        )


def _act_or_link(look: str, what: str, why: str, button: str, name: str, permission: str, may: May) -> Need:
    word = {"sf-bad": "Stuck", "sf-warn": "Behind"}[look]
    if may(permission):
        return Need(look, word, what, why, button, reverse(f"admin:{name}"), is_act=True)
    return Need(look, word, what, why, "Open the index", reverse("admin:rag_generation_changelist"))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

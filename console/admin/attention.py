"""What needs somebody now: each with why, and the one thing to do about it. The gravest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.urls import reverse

from console.admin.drift_board import Board
from console.admin.health import Tile
from console.spans import spoken
from monitoring.snapshot import Snapshot
from rag.models import Job

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

    def mended_by(self, button: str, act: str, permission: str, may: May) -> Need:
        """With the button that puts it right, for those who may press it; for others the way to the index."""
        if may(permission):
            return replace(self, button=button, address=reverse(f"admin:{act}"), is_act=True)
        return replace(self, button="Open the index", address=reverse("admin:rag_generation_changelist"))


def needs(tiles: list[Tile], state: Snapshot, board: Board | None, may: May, edits: int = 0) -> list[Need]:
    """`edits` is how many wait for somebody like this user to publish them."""
    index = _index(board, state, may) if board else ()
    return [*_parts(tiles), *_migrations(state), *index, *_jobs(state, may), *_edits(edits)]


def _parts(tiles: list[Tile]) -> Iterator[Need]:
    for one in tiles:
        if not one.well:
            what = f"{one.reading.check.title}: {one.detail or one.look.word.lower()}"
            button = "Open the runbook" if one.runbook else "Open the health page"
            address = one.runbook or reverse("admin:health")
            yield Need(one.look.pill, one.look.word, what, one.reading.check.effect, button, address)


def _migrations(state: Snapshot) -> Iterator[Need]:
    if state.pending_migrations:
        what = _counted(state.pending_migrations, "migration is not applied", "migrations are not applied")
        why = "The code expects a database that is not there yet. Run manage.py migrate."
        yield Need("sf-bad", "Pending", what, why)


def _index(board: Board, state: Snapshot, may: May) -> Iterator[Need]:
    now = board.coverage
    if now.parked:
        what = _counted(now.parked, "entry is parked", "entries are parked")
        why = "Their text failed three times. They are found by text search only, until they are edited or tried again."
        yield Need("sf-bad", "Stuck", what, why).mended_by(
            "Retry failed", "rag_job_retry_failed", "rag.change_job", may
        )
    behind = state.oldest_behind_seconds or 0.0
    at_work = {job.kind for job in state.jobs.at_work} if state.jobs else set()
    if behind > PATIENCE_SECONDS and Job.Kind.REINDEX not in at_work:  # else its bar is on this page, further down
        what = "The index is behind the content"
        why = f"{now.missing + now.outdated:,} entries wait, the oldest for {spoken(behind)}. Is a worker at work?"
        yield Need("sf-warn", "Behind", what, why).mended_by("Reindex", "rag_job_reindex", "rag.add_job", may)
    if board.scan_failed and board.scan:
        what, index = "The latest drift scan broke off", reverse("admin:rag_generation_changelist")
        yield Need("sf-unknown", "Unknown", what, board.scan.error, "Open the index", index)
    elif board.found:
        what = _counted(board.found, "finding of drift", "findings of drift")
        why = "The latest scan found points that do not agree with the content."
        yield Need("sf-warn", "Drift", what, why).mended_by("Repair", "rag_generation_repair", "rag.add_job", may)


def _jobs(state: Snapshot, may: May) -> Iterator[Need]:
    if state.jobs and state.jobs.failed and may("rag.view_job"):
        what = _counted(state.jobs.failed, "job failed", "jobs failed")
        why = "Within the last 24 hours. What they had done is kept; each says why it stopped."
        yield Need("sf-warn", "Failed", what, why, "See why", f"{reverse('admin:rag_job_changelist')}?show=failed")


def _edits(number: int) -> Iterator[Need]:
    if number:
        what = _counted(number, "edit waits to be published", "edits wait to be published")
        why = "Somebody else changed published entries. Askers read the old text until a reviewer publishes the new."
        address = f"{reverse('admin:faq_entry_changelist')}?waiting=others"
        yield Need("sf-info", "To review", what, why, "Read", address)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

"""Backups and rehearsals as rows of the jobs, where the console and the metrics look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from rag.models import Job

GIVEN_UP = timedelta(hours=6)  # what was begun so long ago, and has not ended, was killed outright
WITHIN_JOB = "STEADFAST_JOB"  # set by the job that runs BACKUP_COMMAND: it has a row already


@dataclass
class Record:
    outcome: str = ""


@contextmanager
def recorded(scope: dict[str, Any] | None = None) -> Iterator[Record]:
    """Whatever happens within is kept, with its outcome; a failure goes on upwards."""
    record = Record()
    job = None if os.environ.get(WITHIN_JOB) and not scope else _begun(scope or {})
    try:
        yield record
    except BaseException as error:
        _ended(job, Job.State.FAILED, str(error) or type(error).__name__)
        raise
    _ended(job, Job.State.SUCCEEDED, record.outcome)


def _begun(scope: dict[str, Any]) -> Job | None:
    now = timezone.now()
    key = "rehearsal" if scope else "by hand"
    left = Job.objects.filter(kind=Job.Kind.BACKUP, scope_key=key, state=Job.State.RUNNING)
    left.filter(started_at__lt=now - GIVEN_UP).update(state=Job.State.FAILED, outcome="Killed.", finished_at=now)
    try:
        with transaction.atomic():
            return Job.objects.create(
                kind=Job.Kind.BACKUP,
                scope=scope,
                scope_key=key,
                state=Job.State.RUNNING,
                started_at=now,
                # Nobody else may take it up: it is done by whoever called the command, or not at all.
                heartbeat_at=now.replace(year=now.year + 1, day=1),
                attempts=1,
            )
    except IntegrityError:
        return None


def _ended(job: Job | None, state: str, outcome: str) -> None:
    if job is not None:
        now = timezone.now()
        Job.objects.filter(pk=job.pk).update(state=state, outcome=outcome[:2_000], finished_at=now, heartbeat_at=now)

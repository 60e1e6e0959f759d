"""Backups taken by hand leave a row, and one that was killed outright does not stand in the way for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from console.backup.record import GIVEN_UP, recorded
from rag.models import Job

pytestmark = pytest.mark.django_db


def test_a_failure_is_kept_and_goes_on_upwards() -> None:
    with pytest.raises(OSError, match="full"), recorded():
        raise OSError("the disk is full")
    assert Job.objects.get().outcome == "the disk is full"


def test_one_that_was_killed_is_ended_by_a_later_one() -> None:
    long_ago = timezone.now() - GIVEN_UP - timedelta(minutes=1)
    killed = Job.objects.create(kind="backup", scope_key="by hand", state="running", started_at=long_ago)
    with recorded() as record:
        record.outcome = "Done."
    killed.refresh_from_db()
    assert (killed.state, killed.outcome) == (Job.State.FAILED, "Killed.")
    assert Job.objects.latest("pk").outcome == "Done."


def test_one_that_is_under_way_is_left_alone() -> None:
    begun = Job.objects.create(kind="backup", scope_key="by hand", state="running", started_at=timezone.now())
    with recorded():
        pass
    begun.refresh_from_db()
    assert begun.state == Job.State.RUNNING
    assert Job.objects.count() == 1

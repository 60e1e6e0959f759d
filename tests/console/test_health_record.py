"""The record of health: one row a stretch, written when it can be; and the strips that are drawn of it."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console import health_record
from console.admin import health_strips
from console.admin.health_strips import SEGMENTS, Strip, not_well, strips
from console.health_record import BROKEN_OFF, EVERY_SECONDS, KEPT, Recorder, judged
from console.models import HealthStretch
from monitoring import asking
from monitoring.health import CHECKS, Reading, State
from rag.index.runners import ThreadRunner
from rag.models import Job
from rag.signals import at_work, cleaned_up
from tests.console.test_entries_admin import text
from tests.console.test_jobs_pages import queries
from tests.servers import until

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 26, 12, 7, tzinfo=UTC)
MINUTE = timedelta(seconds=EVERY_SECONDS)
STORE = next(check for check in CHECKS if check.name == "vector_store")


def reading(state: State = State.OK, detail: str = "", latency: float | None = 4.0) -> Reading:
    return Reading(STORE, state, latency, None, NOON, detail)


def watched(recorder: Recorder, begin: datetime, minutes: int, state: State = State.OK, detail: str = "") -> datetime:
    """Looked at each minute; the moment after the last."""
    for n in range(minutes):
        recorder.see([reading(state, detail)], begin + n * MINUTE)
        recorder.write()
    return begin + minutes * MINUTE


def rows() -> list[tuple[str, datetime, datetime]]:
    return list(HealthStretch.objects.order_by("since", "pk").values_list("state", "since", "until"))


def strip(now: datetime) -> Strip:
    return next(one for one in strips(now) if one.title == STORE.title)


# What is written


def test_a_stretch_of_one_state_is_one_row_however_often_one_looks() -> None:
    recorder = Recorder()
    down = watched(recorder, NOON, 30)
    back = watched(recorder, down, 5, State.DOWN, "not reachable")
    end = watched(recorder, back, 30)
    assert rows() == [
        ("ok", NOON, down - MINUTE),
        ("down", down, back - MINUTE),
        ("ok", back, end - MINUTE),
    ]
    assert [row.detail for row in HealthStretch.objects.order_by("since")] == ["", "not reachable", ""]


def test_what_was_seen_while_the_database_was_away_is_written_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    down = watched(recorder, NOON, 2)
    put = health_record._put

    def away(stretch: HealthStretch) -> None:
        raise OperationalError

    monkeypatch.setattr(health_record, "_put", away)
    for n, state in enumerate([State.DOWN, State.DOWN, State.UNKNOWN]):
        recorder.see([reading(state)], down + n * MINUTE)
        with pytest.raises(OperationalError):
            recorder.write()
    monkeypatch.setattr(health_record, "_put", put)
    watched(recorder, down + 3 * MINUTE, 1)
    assert [(state, (until - since) / MINUTE) for state, since, until in rows()] == [
        ("ok", 1),
        ("down", 1),
        ("unknown", 0),
        ("ok", 0),
    ]


def test_another_process_goes_on_with_the_same_row() -> None:
    second = watched(Recorder(), NOON, 3)
    end = watched(Recorder(), second, 3)
    assert rows() == [("ok", NOON, end - MINUTE)]


def test_nothing_is_claimed_of_the_time_in_which_nobody_looked() -> None:
    recorder = Recorder()
    end = watched(recorder, NOON, 3)
    later = end + BROKEN_OFF
    watched(recorder, later, 1)
    assert rows() == [("ok", NOON, end - MINUTE), ("ok", later, later)]


def test_two_processes_that_disagree_are_both_believed() -> None:
    well, ill = Recorder(), Recorder()
    for n in range(3):
        watched(well, NOON + n * MINUTE, 1)
        watched(ill, NOON + n * MINUTE + MINUTE / 2, 1, State.DOWN)
    assert [state for state, _, _ in rows()] == ["ok", "down"] * 3


def test_slow_is_not_well_and_what_is_not_configured_is_not_written() -> None:
    assert judged(reading(latency=1_340.0)) == ("degraded", "answered after 1.3 s")
    assert judged(reading(State.DOWN, "not reachable")) == ("down", "not reachable")
    recorder = Recorder()
    recorder.see([reading(State.OFF)], NOON)
    recorder.write()
    assert rows() == []


def test_old_stretches_are_forgotten_with_everything_else_that_is_old() -> None:
    old, young = timezone.now() - KEPT - MINUTE, timezone.now() - KEPT + MINUTE
    for at in (old, young):
        HealthStretch.objects.create(part="redis", state="ok", since=old, until=at)
    cleaned_up.send(sender=Job)
    assert [until for _, _, until in rows()] == [young]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A loop that looks without rests, three times, and then stands still."""
    looked: list[Any] = []

    def look(recorder: Recorder) -> None:
        if len(looked) >= 3:
            threading.Event().wait()
        looked.append(recorder)
        raise ValueError("a round that goes wrong")

    monkeypatch.setattr(health_record, "look", look)
    monkeypatch.setattr(health_record, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(health_record, "EVERY_SECONDS", asking.HANGS_SECONDS)
    return looked


def test_whoever_does_the_jobs_looks_for_ever(at_once: list[Any]) -> None:
    at_work.send(sender=ThreadRunner)
    until(lambda: len(at_once) == 3, "it looks again after a round that went wrong")
    assert len({id(recorder) for recorder in at_once}) == 1


def test_a_look_asks_the_real_parts_and_writes_what_they_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_record, "HANGS_SECONDS", 0.5)
    health_record.look(Recorder())
    found = dict(HealthStretch.objects.values_list("part", "state"))
    assert found.keys() == {check.name for check in CHECKS if check.wanted()}
    assert found["workers"] == "down"  # no thread does jobs in a test


# What is drawn


def stretch(state: str, since: timedelta, until: timedelta, detail: str = "") -> None:
    HealthStretch.objects.create(part=STORE.name, state=state, since=NOON - since, until=NOON - until, detail=detail)


def test_a_day_in_quarters_of_an_hour() -> None:
    hour = timedelta(hours=1)
    stretch("ok", 30 * hour, 3 * hour)
    stretch("down", 3 * hour, 2 * hour + 30 * MINUTE, "not reachable")
    stretch("ok", 2 * hour + 30 * MINUTE, timedelta())
    drawn = strip(NOON)
    assert drawn.summary == "down for 30 min, OK for 23 h 30 min"
    assert sum(bar.width for bar in drawn.bars) == SEGMENTS * health_strips.STEP
    assert [bar.words for bar in drawn.bars] == [
        "12:15 to 09:00: OK",
        "09:00 to 09:45: down",  # three quarters that it touched
        "09:45 to 12:07: OK",
    ]
    assert [bar.height for bar in drawn.bars] == [12, 24, 12]
    (title, told), *others = not_well([drawn])
    assert (title, told.detail, told.span, others) == (STORE.title, "not reachable", "30 min", [])


def test_where_nobody_looked_it_is_unknown_and_not_well() -> None:
    hour = timedelta(hours=1)
    stretch("ok", 10 * hour, 5 * hour)
    stretch("ok", hour, timedelta())
    drawn = strip(NOON)
    assert drawn.summary == "OK for 6 h 0 min, unknown for 18 h 0 min"
    assert [bar.state for bar in drawn.bars] == ["unknown", "ok", "unknown", "ok"]


def test_between_two_looks_it_is_as_it_was() -> None:
    stretch("ok", 20 * MINUTE, 10 * MINUTE)
    stretch("down", 9 * MINUTE, MINUTE)
    assert strip(NOON).summary == "down for 9 min, OK for 11 min, unknown for 23 h 40 min"


def test_a_state_that_several_saw_is_counted_once() -> None:
    stretch("ok", 60 * MINUTE, 10 * MINUTE)
    stretch("ok", 59 * MINUTE, timedelta())
    assert strip(NOON).summary == "OK for 60 min, unknown for 23 h 0 min"


# The page


def test_the_page_tells_it_in_words_too(client: Client, operator: User) -> None:
    client.force_login(operator)
    address = reverse("admin:health")
    assert "Nothing is written down yet" in text(client.get(address))
    now = timezone.now()
    HealthStretch.objects.create(
        part=STORE.name, state="down", detail="not reachable", since=now - 20 * MINUTE, until=now - MINUTE
    )
    page = text(client.get(address))
    assert "Down for 20 min, unknown for 23 h 40 min" in page
    assert re.search(r"Embedded vectors Down \S+ \S+ \S+ \S+ 20 min not reachable", page)


def test_as_many_questions_to_the_database_however_long_the_record(client: Client, operator: User) -> None:
    client.force_login(operator)
    address = reverse("admin:health")
    client.get(address)
    few = queries(client, address)
    now = timezone.now()
    HealthStretch.objects.bulk_create(
        HealthStretch(part=check.name, state="ok", since=now - n * MINUTE, until=now - n * MINUTE)
        for check in CHECKS
        for n in range(500)
    )
    assert queries(client, address) == few

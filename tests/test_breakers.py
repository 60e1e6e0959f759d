"""Breakers: half of the last twenty, relapses, long rests, and what operators order and see."""

from __future__ import annotations

import logging
import time

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from console.models import AuditEvent
from rag import resilience
from rag.answering import breaker_orders, pipeline
from rag.errors import GeneratorUnavailable, Reason, ServiceUnavailable
from rag.models import BreakerOrder, BreakerReport
from rag.resilience import SUCCESSES_AFTER_RELAPSE, WINDOW, Breaker
from tests.conftest import InRole
from tests.test_resilience import fail


def succeed(breaker: Breaker) -> None:
    with breaker.guard():
        pass


def rested(breaker: Breaker) -> Breaker:
    breaker._closed_again_at = 0.0
    return breaker


def orders_are_read() -> None:
    """As if the two seconds were over."""
    breaker_orders._looked_at = 0.0
    breaker_orders.look()


class TestABreaker:
    def test_opens_when_half_of_the_last_twenty_failed(self) -> None:
        breaker = Breaker("it")
        for _ in range(WINDOW // 2 - 1):
            succeed(breaker)
            fail(breaker)
        succeed(breaker)
        assert not breaker.is_open
        fail(breaker, "timeout")
        assert breaker.is_open
        assert breaker.state.causes == {"refused": WINDOW // 2 - 1, "timeout": 1}
        assert breaker.state.cause == "timeout"

    def test_does_not_open_when_fewer_failed(self) -> None:
        breaker = Breaker("it")
        for _ in range(3 * WINDOW):
            succeed(breaker)
            succeed(breaker)
            fail(breaker)
        assert not breaker.is_open

    def test_forgets_what_is_long_ago(self, monkeypatch: pytest.MonkeyPatch) -> None:
        breaker = Breaker("it")
        for _ in range(WINDOW // 2 - 1):
            succeed(breaker)
            fail(breaker)
        succeed(breaker)
        later = time.monotonic() + resilience.WINDOW_SECONDS + 1
        monkeypatch.setattr("rag.resilience.time.monotonic", lambda: later)
        fail(breaker)
        assert not breaker.is_open

    def test_that_opens_again_soon_wants_several_successes(self) -> None:
        breaker = Breaker("it", failures_to_open=1)
        fail(breaker)
        succeed(rested(breaker))
        assert not breaker.is_open
        fail(breaker)
        for _ in range(SUCCESSES_AFTER_RELAPSE - 1):
            succeed(rested(breaker))
            assert breaker.is_open
        fail(rested(breaker))  # and all of them in a row
        for _ in range(SUCCESSES_AFTER_RELAPSE):
            assert breaker.is_open
            succeed(rested(breaker))
        assert not breaker.is_open

    @pytest.mark.fault(4)
    def test_under_random_loss_does_not_flap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Row 4: half of all calls are lost for ten minutes; no more than six transitions a minute."""
        import random

        dice, now = random.Random(4), [1000.0]
        monkeypatch.setattr("rag.resilience.time.monotonic", lambda: now[0])
        became: list[str] = []
        monkeypatch.setattr(Breaker, "_became", lambda self, state, cause: became.append(state))
        breaker = Breaker("it")
        for _ in range(600 * 20):  # twenty questions a second
            now[0] += 0.05
            try:
                with breaker.guard():
                    if dice.random() < 0.5:
                        raise ServiceUnavailable("it", "refused")
            except ServiceUnavailable:
                pass
        assert became
        assert len(became) / 10 <= 6

    def test_rests_long_for_what_time_does_not_cure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Row 15: one refusal of the key opens it, and it is tried again after a minute, not before."""
        began = time.monotonic()
        breaker = Breaker("it", long_rests={"auth": 60.0})
        assert [fail(breaker, "auth"), fail(breaker, "auth")] == ["auth", "breaker_open"]
        monkeypatch.setattr("rag.resilience.time.monotonic", lambda: began + 59)
        assert fail(breaker, "auth") == "breaker_open"
        monkeypatch.setattr("rag.resilience.time.monotonic", lambda: began + 62)
        assert [fail(breaker, "auth"), fail(breaker, "auth")] == ["auth", "breaker_open"]

    def test_is_not_blamed_for_another_service(self) -> None:
        breaker = Breaker("it", failures_to_open=1)
        with pytest.raises(ServiceUnavailable), breaker.guard():
            raise ServiceUnavailable("database", "timeout")
        assert not breaker.is_open

    def test_says_when_and_why_it_changes(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                with pytest.raises(GeneratorUnavailable), pipeline.GENERATOR_BREAKER.guard():
                    raise GeneratorUnavailable("timeout")
        (line,) = [one for one in caplog.records if one.message.startswith("breaker")]
        assert line.message == "breaker open: generator (timeout)"
        assert (line.__dict__["dependency"], line.__dict__["reason"]) == ("generator", "timeout")


@pytest.mark.django_db
class TestOrders:
    def test_trip_and_reset_reach_the_process(self) -> None:
        breaker = pipeline.GENERATOR_BREAKER
        breaker_orders.order("generator", tripped=True, by="olga")
        orders_are_read()
        assert breaker.state.state == "tripped"
        assert fail_with(breaker) == "breaker_open"
        breaker_orders.order("generator", tripped=False, by="olga")
        orders_are_read()
        assert breaker.state.state == "closed"
        assert fail_with(breaker) == "timeout"

    def test_one_that_is_obeyed_is_not_obeyed_again(self) -> None:
        breaker_orders.order("generator", tripped=False, by="olga")
        orders_are_read()
        for _ in range(5):
            fail_with(pipeline.GENERATOR_BREAKER)
        orders_are_read()
        assert pipeline.GENERATOR_BREAKER.is_open

    def test_each_process_reports_its_state_and_cause(self) -> None:
        orders_are_read()
        for _ in range(5):
            fail_with(pipeline.GENERATOR_BREAKER)
        orders_are_read()
        report = BreakerReport.objects.get(service="generator", process=breaker_orders.process())
        assert (report.state, report.cause) == ("open", "timeout")
        assert BreakerReport.objects.get(service="database").state == "closed"

    def test_a_question_looks_for_orders(self) -> None:
        breaker_orders.order("vector store", tripped=True, by="olga")
        breaker_orders.forget()
        assert pipeline.answer("is anybody there").degraded == ["vector"]


def fail_with(breaker: Breaker, reason: Reason = "timeout") -> str:
    with pytest.raises(ServiceUnavailable) as raised, breaker.guard():
        raise ServiceUnavailable(breaker.service, reason)
    return raised.value.reason


class TestTheHealthPage:
    def test_shows_which_process_and_which_cause(self, client: Client, in_role: InRole) -> None:
        now = timezone.now()
        BreakerReport.objects.create(
            service="generator", process="web-2:41", state="open", cause="auth", since=now, seen_at=now
        )
        client.force_login(in_role("operator"))
        text = client.get("/admin/health/").content.decode()
        assert "web-2:41: open, did not accept our key since" in text
        assert 'aria-label="Trip Gemini"' in text
        assert 'aria-label="Trip Database"' not in text

    def test_trips_and_resets_with_the_permission(self, client: Client, in_role: InRole) -> None:
        client.force_login(in_role("operator"))
        assert client.get("/admin/health/breakers/generator/trip/").status_code == 200
        assert not BreakerOrder.objects.exists()  # a GET only tells
        client.post("/admin/health/breakers/generator/trip/")
        assert BreakerOrder.objects.get().tripped
        assert "Tripped" in client.get("/admin/health/").content.decode()
        client.post("/admin/health/breakers/generator/reset/")
        assert not BreakerOrder.objects.get().tripped
        verbs = list(AuditEvent.objects.filter(verb__startswith="breaker").values_list("verb", "actor_name"))
        assert sorted(verbs) == [("breaker_reset", "operator"), ("breaker_tripped", "operator")]

    @pytest.mark.parametrize("address", ["database/trip", "nothing/trip", "nothing/reset"])
    def test_has_no_orders_for_others(self, client: Client, operator: User, address: str) -> None:
        client.force_login(operator)
        assert client.post(f"/admin/health/breakers/{address}/").status_code == 404

    def test_lets_nobody_else(self, client: Client, editor: User) -> None:
        client.force_login(editor)
        assert client.post("/admin/health/breakers/generator/trip/").status_code == 403
        assert not BreakerOrder.objects.exists()
        assert 'aria-label="Trip' not in client.get("/admin/health/").content.decode()


def test_transitions_are_counted() -> None:
    def opened() -> float:
        labels = {"dependency": "vector_store", "to": "open"}
        return REGISTRY.get_sample_value("faq_breaker_transitions_total", labels) or 0.0

    before = opened()
    pipeline.VECTOR_BREAKER.trip()
    pipeline.VECTOR_BREAKER.trip()
    assert opened() == before + 1

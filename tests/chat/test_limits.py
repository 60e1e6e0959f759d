"""Who is over the limit is told when to come back; who is not, never is."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from django.test import Client, RequestFactory

from rag.chat import limits
from rag.chat.addresses import asker as asker_of
from tests.chat.fake_pipeline import URL, FakePipeline
from tests.servers import Redis

QUESTION = {"question": "How do I import?"}


def ask(asker: Client, **meta: Any) -> Any:
    return asker.post(URL, QUESTION, content_type="application/json", **meta)


@pytest.fixture
def two_an_hour(settings: Any) -> None:
    settings.RATE_LIMIT_CHAT = "2/hour"
    settings.RATE_LIMIT_ENFORCED = True


def test_the_one_above_the_limit_is_429_with_the_seconds_to_wait(
    fake: FakePipeline, asker: Client, two_an_hour: None
) -> None:
    assert [ask(asker).status_code for _ in range(2)] == [200, 200]
    response = ask(asker)
    assert response.status_code == 429
    assert 3500 <= int(response["Retry-After"]) <= 3600
    assert response.json()["error"]["code"] == "rate_limited"
    assert f"in {response['Retry-After']} s" in response.json()["error"]["message"]
    assert len(fake.asked) == 2


def test_one_asker_over_the_limit_does_not_lock_out_another(
    fake: FakePipeline, asker: Client, two_an_hour: None
) -> None:
    statuses = [ask(asker, REMOTE_ADDR="192.0.2.1").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert ask(asker, REMOTE_ADDR="192.0.2.2").status_code == 200


def test_while_limits_only_log_everybody_is_answered_and_the_log_says_who_would_not(
    fake: FakePipeline, asker: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RATE_LIMIT_CHAT = "1/hour"
    settings.RATE_LIMIT_ENFORCED = False
    with caplog.at_level(logging.WARNING, logger="rag.chat.limits"):
        assert [ask(asker).status_code for _ in range(3)] == [200, 200, 200]
    assert [record.message for record in caplog.records if record.name == "rag.chat.limits"] == [
        "rate limit would refuse"
    ] * 2


def test_a_question_that_is_refused_anyway_is_not_counted(fake: FakePipeline, asker: Client, two_an_hour: None) -> None:
    for _ in range(5):
        asker.post(URL, {"question": ""}, content_type="application/json")
    assert ask(asker).status_code == 200


def test_a_stream_counts_like_any_question(fake: FakePipeline, asker: Client, two_an_hour: None) -> None:
    assert [ask(asker, HTTP_ACCEPT="text/event-stream").status_code for _ in range(3)] == [200, 200, 429]


def test_redis_that_is_gone_costs_nobody_an_answer_and_the_limit_still_holds(
    fake: FakePipeline, asker: Client, two_an_hour: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://:hunter2@127.0.0.1:{unused.getsockname()[1]}/0"
        assert [ask(asker).status_code for _ in range(3)] == [200, 200, 429]
    said = [record.getMessage() for record in caplog.records if record.name == "rag.chat.limits"]
    assert sum("Redis did not answer" in line for line in said) == 1
    assert "hunter2" not in "".join(said)


def test_redis_that_hangs_is_asked_once_and_then_left_alone(
    fake: FakePipeline, asker: Client, two_an_hour: None, settings: Any
) -> None:
    """It accepts and never answers; counted are the connections, not the time."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        assert [ask(asker).status_code for _ in range(3)] == [200, 200, 429]
        silent.setblocking(False)
        tries = 0
        while True:
            try:
                silent.accept()[0].close()
            except BlockingIOError:
                break
            tries += 1
    assert tries == 1


def test_processes_count_together_in_redis(redis: Redis) -> None:
    one, other = limits.Counter(redis.url), limits.Counter(redis.url)
    rule = limits._rule("2/minute", 1)
    assert one.wait(rule, "chat", "a") is None
    assert other.wait(rule, "chat", "a") is None
    waits = [one.wait(rule, "chat", "a"), other.wait(rule, "chat", "a")]
    assert all(wait is not None and 1 <= wait <= 60 for wait in waits)
    assert other.wait(rule, "chat", "b") is None


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counted"),
    [
        ([], "192.0.2.1", "", "192.0.2.1"),
        ([], "192.0.2.1", "6.6.6.6", "192.0.2.1"),
        (["10.0.0.0/8"], "192.0.2.1", "6.6.6.6", "192.0.2.1"),
        (["10.0.0.0/8"], "10.0.0.2", "203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.2", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.2", "6.6.6.6, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.2", "", "10.0.0.2"),
        (["10.0.0.0/8"], "10.0.0.2", "junk", "10.0.0.2"),
        (["10.0.0.0/8"], "10.0.0.2", "6.6.6.6, junk, 10.0.0.3", "10.0.0.3"),
        (["10.0.0.2"], "10.0.0.2", "10.0.0.3", "10.0.0.3"),
        (["10.0.0.0/8"], "::ffff:10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ([], "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (["fd00::/8"], "fd00::1", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ([], "", "203.0.113.9", "unknown"),
        (["10.0.0.0/8"], "", "203.0.113.9", "203.0.113.9"),
        ([], "not an address", "", "unknown"),
    ],
)
def test_the_address_is_the_peers_or_whom_a_trusted_proxy_names(
    settings: Any, trusted: list[str], peer: str, forwarded: str, counted: str
) -> None:
    settings.TRUSTED_PROXIES = trusted
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers)
    request.META["REMOTE_ADDR"] = peer
    assert asker_of(request) == counted


def test_a_spoofed_header_does_not_escape_the_limit(fake: FakePipeline, asker: Client, two_an_hour: None) -> None:
    statuses = [ask(asker, HTTP_X_FORWARDED_FOR=f"6.6.6.{n}").status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_feedback_has_a_count_of_its_own(fake: FakePipeline, asker: Client, two_an_hour: None, db: None) -> None:
    assert [ask(asker).status_code for _ in range(3)] == [200, 200, 429]
    path = f"/api/chat/{'0' * 8}-0000-4000-8000-{'0' * 12}/feedback/"
    statuses = [asker.post(path, {"vote": "up"}, content_type="application/json").status_code for _ in range(3)]
    assert statuses == [404, 404, 429]

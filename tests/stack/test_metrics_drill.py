"""Counters over workers that come and go: a sample here, 1,000 recycles by `make drill-metrics`."""

from __future__ import annotations

import os
import platform
import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.servers import Postgresql, Redis, until
from tests.stack.asker import Asker
from tests.stack.scraping import Scrape, scrape, watching
from tests.stack.web import Web

RECYCLES = int(os.environ.get("METRICS_RECYCLES", "10"))
WORKERS = 3
REQUESTS_EACH = 5  # for which a worker lives
ASKERS = 4
KINDS = 4  # files of one slot
SPARE = 2  # the master's slot, and one more: a worker is there before its forerunner is seen to have ended
QUESTIONS = ("How do I import a CSV file?", "How do I publish an entry?", "Is there a moon in the soup?")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, postgresql: Postgresql, redis: Redis) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("recycled")
    (folder / "no-model").mkdir()
    web = Web(
        folder,
        workers=WORKERS,
        DATABASE_URL=postgresql.new_database("recycled"),
        REDIS_URL=redis.url,
        MODEL_DIR=str(folder / "no-model"),
        MAX_REQUESTS=str(REQUESTS_EACH),
        DB_POOL_MAX="8",
    )
    web.prepare()
    with web:
        yield web


def answers(found: Scrape) -> float:
    return found.total("faq_answers_total")


def requests(found: Scrape) -> float:
    return found.total("django_http_requests_before_middlewares_total")


def test_counters_equal_what_was_sent_while_workers_are_recycled(web: Web) -> None:
    web.wait_for_workers(WORKERS)
    before = scrape(web)
    sent, lock = {"requests": 0, "answers": 0}, threading.Lock()

    def ask(number: int) -> None:
        asker = Asker(web.address)  # a connection of its own for each request, as urllib does
        asker.token()
        while exits() < RECYCLES:
            reply = asker.ask(QUESTIONS[number % len(QUESTIONS)])
            assert reply.status == 200, reply.text
            with lock:
                sent["requests"] += 1
                sent["answers"] += 1
        with lock:
            sent["requests"] += 1  # for the token

    def exits() -> float:
        return seen[-1] if (seen := [done.total("faq_web_worker_exits_total") for done in scrapes]) else 0.0

    scrapes: list[Scrape] = []
    with watching(web) as watch:
        look = watch.look
        watch.look = lambda: scrapes.append(look()) or scrapes[-1]  # type: ignore[method-assign, func-returns-value]  # looked at, and kept
        with ThreadPoolExecutor(ASKERS) as askers:
            list(askers.map(ask, range(ASKERS)))
    after = scrape(web)
    assert not watch.wrong
    assert requests(after) - requests(before) == sent["requests"]
    assert answers(after) - answers(before) == sent["answers"]
    assert after.total("faq_web_worker_exits_total") >= RECYCLES
    assert max(watch.files) <= KINDS * (WORKERS + SPARE)
    until(lambda: scrape(web).total("faq_http_requests_in_progress") == 1, "only the scrape itself")
    report(after, sent, watch.files, watch.seconds)


def report(after: Scrape, sent: dict[str, int], files: list[float], seconds: list[float]) -> None:
    """By `make drill-metrics` into docs/drills/metrics.md."""
    tenth = max(1, len(seconds) // 10)
    early, late = statistics.median(seconds[:tenth]), statistics.median(seconds[-tenth:])
    ended = after.total("faq_web_worker_exits_total")
    lines = [
        "# Drill of the metrics",
        "",
        f"Run on {date.today()} with Python {platform.python_version()} on {os.cpu_count()} cores,",
        "which others used too. `make drill-metrics` writes this file anew.",
        "",
        f"- {ended:.0f} workers, {WORKERS} at a time, ended and were replaced under load",
        f"- {sent['requests']} requests sent and as many counted, {sent['answers']} questions asked and as many",
        f"  answers counted; no counter went back in {len(seconds)} scrapes",
        f"- files: {min(files):.0f} at least, {max(files):.0f} at most",
        f"- a scrape over HTTP: {1000 * early:.0f} ms in the first tenth, {1000 * late:.0f} ms in the last (medians)",
        f"- series at the end: {len(after.values)}",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if file := os.environ.get("METRICS_REPORT"):
        Path(file).write_text(text)


def test_counts_outlive_workers_that_are_killed_and_what_they_were_at_does_not(web: Web) -> None:
    for _ in range(5):
        web.ask(QUESTIONS[0])
    before = scrape(web)
    for worker in web.workers():
        worker.kill()
    until(lambda: _exits(web) >= before.total("faq_web_worker_exits_total") + WORKERS, "the workers are replaced")
    after = scrape(web)
    assert answers(after) == answers(before)
    assert after.total("faq_http_requests_in_progress") == 1  # the scrape itself
    assert after.total("faq_web_threads") <= 8 * (WORKERS + 1)


def _exits(web: Web) -> float:
    try:
        return scrape(web).total("faq_web_worker_exits_total")
    except (URLError, OSError):
        return 0.0

"""The index under kill -9, lost queues, switches of generation and many clicks: a sample here, all by `make drill`."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from rag.index.indexing import BATCH
from tests.conftest import drop_collections
from tests.servers import PROJECT, Postgresql, Redis, until
from tests.stack.asker import Asker
from tests.stack.conftest import LIBRARY, Environment
from tests.stack.drills import GUIDE, SEEDS, EndState, Ground, Report, moment
from tests.stack.product import Product

ENTRIES = 2_000 if SEEDS else 200
SIDE_BY_SIDE = 4
RESUMES_WITHIN = 60.0
RESTS = 20.0  # for so long Redis stays away
TODAY = date.today().toordinal()  # another moment every day


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    report = Report()
    yield report
    if file := os.environ.get("DRILL_REPORT"):
        report.write(Path(file))


@pytest.fixture(scope="module")
def ground(
    tmp_path_factory: pytest.TempPathFactory, postgresql: Postgresql, qdrant_url: str, model: Path
) -> Iterator[Ground]:
    ground = Ground(tmp_path_factory.mktemp("ground"), postgresql, qdrant_url, ENTRIES)
    yield ground
    drop_collections(qdrant_url, ground.name)


@pytest.fixture(scope="module")
def undisturbed(ground: Ground) -> EndState:
    """What the index is when nobody is killed."""
    with ground.drill("undisturbed") as drill:
        drill.start("work")
        drill.wait_until_indexed(ENTRIES, 900)
        return drill.end_state()


def seeds() -> list[int]:
    return list(range(SEEDS)) if SEEDS else [TODAY]


def killed_and_resumed(ground: Ground, seed: int) -> tuple[float, float, int, EndState]:
    batches = len(range(0, ENTRIES, BATCH))
    with ground.drill(f"killed_{seed}") as drill:
        worker = drill.start("work")
        batch, seconds = moment(seed, batches)
        drill.wait_for_batch(batch)
        time.sleep(seconds)
        drill.kill(worker)
        killed, before = time.monotonic(), drill.indexed()
        assert before < ENTRIES, "it was killed too late to matter"
        drill.start("work")
        until(lambda: drill.indexed() > before, f"seed {seed}: it resumes", RESUMES_WITHIN, pause=0.1)
        resumed = time.monotonic() - killed
        drill.wait_until_indexed(ENTRIES)
        return resumed, time.monotonic() - killed, drill.texts_embedded(), drill.end_state()


@pytest.mark.fault(22)
def test_a_worker_killed_in_mid_reindex_is_replaced_without_a_trace(
    ground: Ground, undisturbed: EndState, report: Report
) -> None:
    points_an_entry = len(undisturbed.points) / ENTRIES
    with ThreadPoolExecutor(SIDE_BY_SIDE if SEEDS else 1) as pool:
        outcomes = list(pool.map(lambda seed: killed_and_resumed(ground, seed), seeds()))
    for seed, (resumed, ended, texts, state) in zip(seeds(), outcomes, strict=True):
        twice = texts - len(undisturbed.points)  # each point is one text
        report.add(
            f"kill -9 of the worker in mid reindex of {ENTRIES} entries ({ground.content})",
            f"seed {seed}: resumed after {resumed:.1f} s, complete after {ended:.1f} s, {twice} texts embedded twice",
        )
        assert state == undisturbed, f"seed {seed}"
        in_hand = 2 * BATCH  # one is written, the next is embedded
        assert twice <= in_hand * points_an_entry, f"seed {seed}: more than was in hand was embedded twice"


@pytest.mark.fault(24)
def test_a_queue_emptied_in_mid_job_loses_nothing(ground: Ground, undisturbed: EndState, report: Report) -> None:
    for seed in seeds()[:3]:
        with ground.drill(f"flushed_{seed}") as drill:
            drill.start("work")
            drill.wait_for_batch(moment(seed, 5)[0])
            drill.flush_redis()
            drill.wait_until_indexed(ENTRIES)
            assert drill.end_state() == undisturbed, f"seed {seed}"
            drill.database.execute("UPDATE faq_entry SET answer = answer || ' Edited.' WHERE id % 7 = 0")
            began = time.monotonic()
            drill.wait_until_indexed(ENTRIES, 60)
            report.add(
                "FLUSHALL in mid job",
                f"seed {seed}: the end state is the same; later edits were indexed in {time.monotonic() - began:.1f} s",
            )


@pytest.mark.fault(27)
def test_eight_clicks_are_one_job(ground: Ground, report: Report) -> None:
    code = (
        "import time; from rag.index import jobs; from rag.models import Job\n"
        "import pathlib; gate = pathlib.Path({!r})\n"
        "while not gate.exists(): time.sleep(0.001)\n"
        "print('JOB', jobs.request().pk)"
    )
    with ground.drill("clicks") as drill:
        gate = drill.folder / "gate"
        clicks = [drill.start("shell", "--verbosity", "0", "-c", code.format(str(gate))) for _ in range(8)]
        time.sleep(6)  # all of them stand at the gate
        gate.touch()
        for click in clicks:
            assert click.wait(60) == 0, drill.log.read_text()
        numbers = [line for line in drill.log.read_text().splitlines() if line.startswith("JOB")]
        assert len(numbers) == 8
        jobs = drill.rows("SELECT id FROM rag_job")
        report.add("Eight requests from eight processes", f"{len(jobs)} job")
        assert {f"JOB {pk}" for (pk,) in jobs} == set(numbers)
        assert len(jobs) == 1


@pytest.mark.fault(26, 28)
def test_no_interleaving_of_late_jobs_new_edits_and_deaths_leaves_a_stale_point(
    postgresql: Postgresql, report: Report
) -> None:
    rounds = 50 * SEEDS or 25
    environment = {**os.environ, "DATABASE_URL": postgresql.new_database("interleavings"), "LOG_LEVEL": "ERROR"}
    words = [sys.executable, "-m", "tests.stack.interleavings", str(rounds), str(0 if SEEDS else TODAY)]
    done = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3_000:]
    report.add("Late jobs, new edits and deaths interleaved", done.stdout.strip().splitlines()[-1])


class Load(threading.Thread):
    """Asks without pause, each question in words that no cache knows yet."""

    def __init__(self, product: Product, cases: list[tuple[str, set[str]]]) -> None:
        super().__init__(daemon=True)
        self.asker, self.cases = Asker(product.address), cases
        self.stopped = threading.Event()
        self.failed: list[str] = []
        self.empty: list[str] = []
        self.hits: list[list[bool]] = []  # by round through all of the questions

    def run(self) -> None:
        while not self.stopped.is_set():
            self.hits.append([])
            for question, wanted in self.cases:
                self.hits[-1].append(self.ask(question, wanted))

    def ask(self, question: str, wanted: set[str]) -> bool:
        reply = self.asker.ask(question)
        if reply.status != 200 or reply.degraded:
            self.failed.append(f"{question}: {reply.status} {reply.text[:300]}")
            return False
        if not reply.sources:
            self.empty.append(question)
        return bool(wanted & set(reply.sources))

    def recall(self) -> list[float]:
        return [sum(one) / len(self.cases) for one in self.hits if len(one) == len(self.cases)]


def golden() -> tuple[Path, list[tuple[str, set[str]]]]:
    """What to load, and questions with the entries that answer them: the real ones in a drill, where they are."""
    real = PROJECT.parent / "shared" / "data" / "dev"
    if not SEEDS:
        with LIBRARY.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return LIBRARY, [(f"Somebody wants to know: {row['question']}", {row["external_id"]}) for row in rows]
    file, labelled = (
        (real / "faq.csv", real / "golden.csv") if real.exists() else (GUIDE, GUIDE.with_name("questions.csv"))
    )
    with labelled.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["relevant_ids"]]
    chosen = random.Random(TODAY).sample(rows, 100)
    return file, [(row["query"], set(row["relevant_ids"].split())) for row in chosen]


@pytest.mark.fault(40)
def test_nobody_who_asks_notices_a_build_a_promotion_or_a_rollback(
    servers: Callable[[], Environment], tmp_path: Path, report: Report
) -> None:
    file, cases = golden()
    with Product(tmp_path, faq=file, **servers(), CACHE_TTL="0") as product:
        before = Load(product, cases)
        before.hits.append([before.ask(*case) for case in cases])
        load = Load(product, cases)
        load.start()
        for words in (["reindex", "--generation", "new"], ["generations", "--roll-back"]):
            with product.manage(*words) as process:
                said = process.communicate(timeout=900)[0]
                assert process.returncode == 0, said
        rounds = len(load.hits)
        until(lambda: len(load.hits) > rounds + 1, "one more round after the rollback", 120)
        load.stopped.set()
        load.join(120)
    report.add(
        "Asking through build, promotion and rollback",
        f"{sum(map(len, load.hits))} answers, {len(load.failed)} failed, {len(load.empty)} empty;"
        f" recall before {before.recall()[0]:.4f}, least meanwhile {min(load.recall()):.4f}",
    )
    assert load.failed + load.empty + before.failed == []
    assert min(load.recall()) >= before.recall()[0]


SHELVES = """
from faq.models import Category, Entry
category = Category.objects.first()
for number in range(50):
    Entry.objects.create(
        external_id=f"new-{number}", category=category, status="published",
        question=f"Where is shelf number {number}?", answer=f"Shelf {number} is in room {number * 7}.",
    )
"""
MISSING = "from rag.index.coverage import coverage\nprint(coverage().missing)"


@pytest.mark.fault(25)
def test_no_edit_is_lost_while_redis_is_gone(
    servers: Callable[[], Environment], tmp_path: Path, report: Report
) -> None:
    """Gone while the worker starts, too: it must neither end nor take the web server along."""
    with Redis() as redis:
        environment = {**servers(), "REDIS_URL": redis.url, "CACHE_TTL": "0"}
        with Product(tmp_path, faq=LIBRARY, **environment) as product:
            redis.stop()
            product.does(SHELVES)
            time.sleep(RESTS if SEEDS else 0.0)
            redis.start()
            began = time.monotonic()
            until(lambda: product.does(MISSING).strip() == "0", "all of them are indexed", 60, pause=0.5)
            seconds = time.monotonic() - began
            for number in range(50):
                reply = product.ask(f"Please tell me where I find the shelf with number {number}")
                assert (reply.status, reply.degraded) == (200, []), reply.text
                assert f"new-{number}" in reply.sources
            report.add("Redis gone during 50 edits", f"all 50 are indexed {seconds:.1f} s after it is back, and found")

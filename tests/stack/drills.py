"""What the drills of the index stand on: content in a database to copy, workers to kill, and the end state."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import psycopg
from django.conf import settings

from tests.servers import PROJECT, Postgresql, Redis, dies_with_us, until
from tests.stack.remembering import ASKED, MEMORY

GUIDE = PROJECT / "faq" / "guide" / "guide.csv"
SEEDS = int(os.environ.get("DRILL_SEEDS", "0"))  # 0: the small sample of `make test`
Rows = dict[Any, Any]


def write_entries(file: Path, number: int) -> str:
    """Real entries where the shared data is there, else the guide again and again with a number; which of them."""
    maker = PROJECT.parent / "shared" / "data" / "scale" / "generate_faq.py"
    if maker.exists():
        subprocess.run([sys.executable, maker, "--n", str(number), "--out", file], check=True)
        return "real entries"
    with GUIDE.open(encoding="utf-8", newline="") as guide, file.open("w", encoding="utf-8", newline="") as out:
        rows = list(csv.DictReader(guide))
        writer = csv.DictWriter(out, ["external_id", "category", "question", "answer"], extrasaction="ignore")
        writer.writeheader()
        for i in range(number):
            row = rows[i % len(rows)]
            writer.writerow({**row, "external_id": f"e-{i}", "question": f"{row['question']} ({i})"})
    return "the guide's entries, numbered"


@dataclass(frozen=True)
class EndState:
    """All that the index is: the ledger's rows, and the points with their payloads and vectors."""

    ledger: Rows
    points: Rows


class Ground:
    """A database with published entries and no index: each drill gets a copy of it, and a Redis of its own."""

    def __init__(self, folder: Path, postgresql: Postgresql, qdrant_url: str, entries: int) -> None:
        self.folder, self.postgresql, self.qdrant_url = folder, postgresql, qdrant_url
        self.entries = entries
        self.name = f"test_{uuid.uuid4().hex[:8]}"
        self.database = postgresql.new_database(self.name)
        self.content = write_entries(folder / "entries.csv", entries)
        environment = self.environment(self.database, "", folder)
        for words in (["migrate", "--verbosity", "0"], ["import_entries", str(folder / "entries.csv"), "--publish"]):
            subprocess.run(
                [sys.executable, "manage.py", *words],
                cwd=PROJECT,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("DELETE FROM rag_job")  # of the import: each drill begins its own

    def environment(self, database: str, redis_url: str, folder: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(Path.home()),
            "PYTHONPATH": str(PROJECT / "tests" / "stack" / "loopback"),
            "STEADFAST_TEST_ATTEMPTS": str(folder / "attempts"),
            "DJANGO_SETTINGS_MODULE": "tests.stack.drill_settings",
            "MODEL_DIR": str(settings.MODEL_DIR),
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database,
            "REDIS_URL": redis_url,
            "VECTOR_DB_URL": self.qdrant_url,
            "QDRANT_COLLECTION_NAME": f"{self.name}_{folder.name}",
            MEMORY: str(self.folder / "memory.sqlite3"),
            ASKED: str(folder / "asked"),
        }

    @contextmanager
    def drill(self, name: str) -> Iterator[Drill]:
        folder = self.folder / name
        folder.mkdir()
        copy = f"{self.name}_{name}"
        with psycopg.connect(self.postgresql.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{self.name}"')
        with Redis() as redis:
            drill = Drill(folder, redis, self.environment(self.postgresql.url(copy), redis.url, folder))
            try:
                yield drill
            finally:
                drill.close()


class Drill:
    """One copy, and the workers that are started on it."""

    def __init__(self, folder: Path, redis: Redis, environment: dict[str, str]) -> None:
        self.folder, self.redis, self.environment = folder, redis, environment
        self.workers: list[subprocess.Popen[bytes]] = []
        self.database = psycopg.connect(environment["DATABASE_URL"], autocommit=True)
        self.log = folder / "log"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *words],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_us(),
            )
        self.workers.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """-9, with whatever it has started."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def flush_redis(self) -> None:
        subprocess.run(["redis-cli", "-p", str(self.redis.port), "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                self.kill(process)
        self.database.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    def asked(self) -> list[list[str]]:
        """Every batch that was embedded, oldest first; without the worker's word of greeting."""
        file = self.folder / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        return [words for line in lines if len(words := line.split()) > 1]

    def texts_embedded(self) -> int:
        return sum(len(batch) for batch in self.asked())

    def wait_for_batch(self, number: int) -> None:
        until(lambda: len(self.asked()) >= number, f"batch {number} begins", 300, pause=0.002)

    def indexed(self) -> int:
        """Entries whose points are those of their text now."""
        return int(
            self.rows(
                "SELECT count(*) FROM rag_embedding m JOIN rag_generation g ON g.id = m.generation_id"
                " AND g.state = 'live' JOIN faq_entry e ON e.id = m.entry_id AND e.text_hash = m.text_hash"
                " AND e.status = 'published'"
            )[0][0]
        )

    def at_rest(self) -> bool:
        busy = self.rows("SELECT 1 FROM rag_job WHERE kind = 'reindex' AND state IN ('queued', 'running')")
        return not busy

    def wait_until_indexed(self, entries: int, seconds: float = 300.0) -> None:
        until(lambda: self.indexed() == entries and self.at_rest(), f"{entries} are indexed", seconds, pause=0.1)

    def end_state(self) -> EndState:
        ledger = self.rows(
            "SELECT entry_id, text_hash, points FROM rag_embedding m JOIN rag_generation g"
            " ON g.id = m.generation_id WHERE g.state = 'live'"
        )
        recipe_and_name = self.rows("SELECT collection FROM rag_generation WHERE state = 'live'")
        points = scrolled(self.environment["VECTOR_DB_URL"], str(recipe_and_name[0][0]))
        return EndState({row[0]: row[1:] for row in ledger}, points)


def scrolled(url: str, collection: str) -> Rows:
    found: Rows = {}
    offset: Any = None
    while True:
        body = {"limit": 500, "with_payload": True, "with_vector": True, "offset": offset}
        request = Request(
            f"{url}/collections/{collection}/points/scroll",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "api-key": os.environ.get("QDRANT_API_KEY", "")},
        )
        with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
            page = json.load(response)["result"]
        for point in page["points"]:
            found[point["id"]] = (point["payload"], [round(number, 5) for number in point["vector"]])
        if (offset := page["next_page_offset"]) is None:
            return found


def moment(seed: int, batches: int) -> tuple[int, float]:
    """Which batch a seed strikes at, and how many seconds into it."""
    chance = random.Random(seed)
    return chance.randint(1, batches - 1), chance.uniform(0.0, 0.15)


class Report:
    """The drills' figures, one line each; written when DRILL_REPORT names a file."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}

    def add(self, drill: str, line: str) -> None:
        print(f"{drill}: {line}")
        self.lines.setdefault(drill, []).append(line)

    def write(self, file: Path) -> None:
        title = f"# Drills of the index\n\nRun on {time.strftime('%Y-%m-%d')} by `make drill SEEDS={SEEDS}`.\n"
        parts = [f"\n## {drill}\n\n" + "".join(f"- {line}\n" for line in lines) for drill, lines in self.lines.items()]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(title + "".join(parts), encoding="utf-8")

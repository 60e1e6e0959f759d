"""The rehearsal of a restore: beside the product, in a database and collections of its own, asked, and cleared away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

from console.backup import BackupError
from console.environment import current
from faq import versions, wording
from faq.models import Entry
from rag.answering import retrieval
from rag.index import snapshots
from rag.index.vector_store import get_vector_store

QUESTIONS = 100


@dataclass(frozen=True)
class Outcome:
    restored: str  # what the restore said of itself
    asked: int
    alike: int  # answered from the same entry as by the product itself
    clean: bool
    seconds: float

    @property
    def passed(self) -> bool:
        return self.clean and self.alike == self.asked

    @property
    def sentence(self) -> str:
        return f"{self.restored} {self.alike} of {self.asked} questions answered alike, in {self.seconds:.0f} s."


def rehearse(folder: Path) -> Outcome:
    """Raises BackupError when the restore itself fails."""
    began = time.monotonic()
    questions = _questions()
    with _scratch() as (name, environment):
        told = _manage(
            environment, "restore", str(folder), "--beside", name, "--json", "--ask", input=json.dumps(questions)
        )
        there = json.loads(told.splitlines()[-1])
    # Edits since the backup are no fault of it: only what is as it was then can be compared.
    pairs = zip(questions, there["answers"], strict=True)
    alike = sum(nearest(question) == answer for question, answer in pairs)
    return Outcome(there["sentence"], len(questions), alike, bool(there["clean"]), time.monotonic() - began)


def _questions() -> list[str]:
    """The suite that every installation has: its own entries' questions and variants, evenly over all of them."""
    rows = Entry.objects.published().order_by("pk").values_list("question", "variants")
    every = [text for question, variants in rows for text in (question, *variants)]
    step = max(1, len(every) // QUESTIONS)
    return every[::step][:QUESTIONS]


def nearest(question: str) -> str:
    """The entry that is found by meaning, on which everything else rests: no cache, and no Gemini to pay."""
    held = wording.sample(versions.current())
    matches = retrieval.nearest(retrieval.embedded(question), settings.QDRANT_COLLECTION_NAME)
    found = retrieval.rank_by_meaning(question, matches, held).candidates
    return found[0].entry.external_id if found else ""


@contextmanager
def _scratch() -> Iterator[tuple[str, dict[str, str]]]:
    """A name, and the environment of a process that works beside the product."""
    name = f"rehearsal_{uuid.uuid4().hex[:10]}"
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as data:
        own = {
            "QDRANT_COLLECTION_NAME": name,
            "DATA_DIR": data,
            "DB_POOL_MAX": "0",
            # Its queue and its kept answers are the product's: not for a copy of it.
            **({"REDIS_URL": "redis://127.0.0.1:1/0"} if settings.REDIS_URL else {}),
            "MODEL_DIR": str(settings.MODEL_DIR),
        }
        environment = {key: value for key, value in os.environ.items() if key not in REPLACED} | own
        try:
            yield name, environment | {"DATABASE_URL": _new_database(name, Path(data))}
        finally:
            _clear_away(name)


REPLACED = (
    "REDIS_URL_FILE",
    "DATABASE_URL_FILE",
    "DATABASE_DIRECT_URL",
    "DATABASE_DIRECT_URL_FILE",
    "DB_POOL_MAX_FILE",
)


def _new_database(name: str, data: Path) -> str:
    if connection.vendor != "postgresql":
        return f"sqlite:///{data}/rehearsal.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    known = current().direct_database or current().database
    who = f"{quote(known.user, safe='')}:{quote(known.password, safe='')}"
    options = {**known.options, "host": known.host}
    return f"postgresql://{who}@:{known.port or 5432}/{name}?{urlencode(options)}"


def _clear_away(name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    if snapshots.possible():
        for number in range(10):
            if get_vector_store().describe(f"{name}_{number}") is not None:
                get_vector_store().drop(f"{name}_{number}")


def _manage(environment: dict[str, str], *words: str, input: str) -> str:
    done = subprocess.run(  # noqa: S603  # every word of it is ours
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=environment,
        input=input,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BackupError(f"The rehearsal's restore failed: {last}")
    return done.stdout

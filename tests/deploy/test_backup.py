"""Backups with PostgreSQL's own tools: taken, damaged, put back, rehearsed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from console.backup import BackupError, database, manifest, taking
from console.backup.manifest import Manifest
from console.environment.database import Database
from tests.conftest import drop_collections
from tests.servers import PROJECT, Postgresql

ENTRIES = """\
external_id,category,question,answer,variants
keys,Access,How do I get a key?,Ask at the desk on the ground floor.,Where are the keys? | I lost my key
hours,Opening,When are you open?,Every day from nine to six.,What are your opening hours?
parking,Visit,Where can I park?,"Behind the house, „free“; ä 🅿.",Is there a car park?
"""


class Installation:
    """`manage.py` in an environment of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(Path.home()),
            "MODEL_DIR": str(settings.MODEL_DIR),
            "DATA_DIR": str(folder / "data"),
            "BACKUP_DIR": str(folder / "backups"),
            "HF_HUB_OFFLINE": "1",
            **environment,
        }

    def manage(self, *words: str | Path, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=PROJECT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fill(self) -> None:
        entries = self.folder / "entries.csv"
        entries.write_text(ENTRIES)
        self.does(f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("import_entries", {str(entries)!r}, publish=True)
call_command("reindex")
""")

    def does(self, code: str) -> str:
        return self.manage("shell", "-v0", "-c", code).strip()

    @property
    def backups(self) -> list[Path]:
        return sorted((self.folder / "backups").iterdir())


@pytest.fixture
def sqlite(tmp_path: Path, model: Path) -> Installation:
    made = Installation(tmp_path)
    made.fill()
    return made


@pytest.fixture
def deployed(tmp_path: Path, model: Path, postgresql: Postgresql, qdrant_url: str) -> Iterator[Installation]:
    """On PostgreSQL and Qdrant's stand-in, which has no snapshots: so the vectors are made anew."""
    name = f"backup_{uuid.uuid4().hex[:10]}"
    made = Installation(
        tmp_path,
        DATABASE_URL=postgresql.new_database(name),
        VECTOR_DB_URL=qdrant_url,
        QDRANT_COLLECTION_NAME=name,
    )
    made.fill()
    yield made
    drop_collections(qdrant_url, name)


SHOW = """
from faq.models import Entry
from rag.models import Job
print(list(Entry.objects.order_by("pk").values_list("external_id", "answer", "text_hash")))
print([(job.state, bool(job.scope), job.outcome) for job in Job.objects.filter(kind="backup").order_by("pk")])
"""
LOSE = "from faq.models import Entry; Entry.objects.all().delete()"
RENAME = "from faq.models import Entry; Entry.objects.filter(external_id='hours').update(external_id='times')"


def test_taken_rehearsed_lost_and_put_back_on_postgresql(deployed: Installation, postgresql: Postgresql) -> None:
    """Feature: production-deployment, Property 14: Backup Tool Compatibility"""
    assert "3 entries" in deployed.manage("backup")
    (folder,) = deployed.backups
    said = json.loads((folder / "manifest.json").read_text())
    assert said["counts"]["published"] == 3 and said["engine"] == "postgresql"
    assert said["migrations"]["faq"].startswith("00") and len(said["recipe"]) == 16
    assert said["vectors"].startswith("none: ")
    assert "7 of 7 questions answered alike" in deployed.manage("rehearsal")
    with psycopg.connect(postgresql.url("postgres")) as connection:
        assert not connection.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'rehearsal%'").fetchall()
    before, jobs = deployed.does(SHOW + LOSE).splitlines()
    assert "parking" in before
    assert jobs.count("('succeeded', False, ") == jobs.count("('succeeded', True, ") == 1
    assert "--replace" in deployed.manage("restore", folder, status=1)
    restored = deployed.manage("restore", folder, "--replace")
    assert "3 published entries" in restored and "no drift" in restored
    assert deployed.does(SHOW).splitlines()[0] == before


def test_sqlite_has_its_own_and_a_rehearsal_tells_what_would_be_otherwise(sqlite: Installation) -> None:
    sqlite.manage("backup")
    (folder,) = sqlite.backups
    assert json.loads((folder / "manifest.json").read_text())["vectors"] == "in the database"
    before = sqlite.does(SHOW + RENAME).splitlines()[0]
    assert "5 of 7 questions answered alike" in sqlite.manage("rehearsal", status=1)
    assert "('failed', True, 'Not as it was" in sqlite.does(SHOW + LOSE)
    assert "no drift" in sqlite.manage("restore", folder, "--replace")
    assert sqlite.does(SHOW).splitlines()[0] == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup that is whole, as far as a manifest can tell."""
    made = tmp_path / "2026-01-02T03-04-05Z"
    made.mkdir()
    (made / "database.dump").write_bytes(bytes(range(256)))
    Manifest(
        taken_at="2026-01-02T03:04:05+00:00",
        engine="postgresql",
        server="15.1",
        migrations={},
        recipe="0" * 16,
        collection="",
        vectors="none",
        counts={},
    ).write(made)
    return made


@pytest.mark.parametrize("harm", ["one bit", "cut short", "gone"])
def test_a_damaged_backup_is_refused(folder: Path, harm: str) -> None:
    assert manifest.read(folder).engine == "postgresql"
    dump = folder / "database.dump"
    content = dump.read_bytes()
    if harm == "gone":
        dump.unlink()
    else:
        dump.write_bytes(content[:-1] if harm == "cut short" else bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(BackupError, match="is damaged"):
        manifest.read(folder)


def test_what_is_no_backup_or_of_another_release_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    facts = json.loads(path.read_text())
    for content, told in ((json.dumps(facts | {"format": 2}), "another release"), ("{}", "cannot be understood")):
        path.write_text(content)
        with pytest.raises(BackupError, match=told):
            manifest.read(folder)
    path.unlink()
    with pytest.raises(BackupError, match="is no backup"):
        manifest.read(folder)


def test_only_the_latest_are_kept(folder: Path, settings: Any) -> None:
    settings.BACKUP_DIR, settings.BACKUP_KEEP = folder.parent, 2
    for day in ("2020-01-01", "2020-01-02", "2026-02-01"):
        shutil.copytree(folder, folder.with_name(f"{day}T00-00-00Z"))
    (folder.parent / "2021-01-01T00-00-00Z").mkdir()  # without a manifest: not one of ours
    assert [path.name for path in taking.forget_old()] == ["2020-01-01T00-00-00Z", "2020-01-02T00-00-00Z"]
    assert [path.name for path in taking.kept()] == [folder.name, "2026-02-01T00-00-00Z"]


def test_a_password_is_not_among_the_words_of_a_command() -> None:
    told = Database(
        engine="postgresql", name="it's", user="u", password="hunter2", host="db", options={"sslmode": "require"}
    )
    assert database._conninfo(told) == r"host='db' user='u' dbname='it\'s' sslmode='require'"


def test_tools_that_are_too_old_are_told() -> None:
    with pytest.raises(BackupError, match="postgresql-client-99"):
        database._program("pg_dump", 99)

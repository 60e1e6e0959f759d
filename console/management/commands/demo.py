"""The verb `demo`: from an empty data directory to a running product. `make run` calls it."""

from __future__ import annotations

import csv
import secrets
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction

from console.environment import current
from console.processes import run_until_interrupted
from faq.models import Entry, EntryQuerySet
from faq.transfer.writing import set_status
from rag.index.work import index_is_behind

GUNICORN = ("--config", "python:console.gunicorn")
GUIDE = Path(settings.BASE_DIR) / "faq" / "guide" / "guide.csv"


class Command(BaseCommand):
    help = "Prepare everything that is missing, then run every process until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--faq", type=Path, help="Answer from this file instead of the user guide.")
        parser.add_argument("--prepare-only", action="store_true", help="Prepare, and do not start to serve.")

    def handle(self, *, faq: Path | None, prepare_only: bool, **options: Any) -> None:
        try:
            self._prepare(faq)
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. What is done stays done; the next start goes on.", returncode=130
            ) from None
        if not prepare_only:
            sys.exit(run_until_interrupted(_processes()))

    def _prepare(self, faq: Path | None) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        self._fetch_model()
        self._load(faq)
        self._index()
        self._welcome()
        connection.close()

    def _fetch_model(self) -> None:
        try:
            call_command("fetch_model", stdout=self.stdout)
        except CommandError as error:
            self.stderr.write(self.style.WARNING(f"No model yet, so answers come by text search. {error}"))

    def _load(self, faq: Path | None) -> None:
        """Ends with exit status 1, and nothing changed, when a row of the file is refused."""
        if faq is not None:
            with transaction.atomic():
                guide = self._retire_the_guide()
                call_command("import_entries", faq, publish=True, stdout=self.stdout)  # what it names, it publishes
            if count := guide.filter(status=Entry.Status.ARCHIVED).count():
                self.stdout.write(f"{count} entries of the user guide are archived: answers come from your file.")
        elif not Entry.objects.exists():
            call_command("import_entries", GUIDE, publish=True, stdout=self.stdout)

    def _retire_the_guide(self) -> EntryQuerySet:
        """A file of one's own replaces the sample: the guide's entries are archived, not deleted."""
        with GUIDE.open(encoding="utf-8", newline="") as file:
            ids = [row["external_id"] for row in csv.DictReader(file)]
        guide = Entry.objects.filter(external_id__in=ids)
        published = list(guide.published().values_list("pk", flat=True))
        set_status(published, Entry.Status.ARCHIVED, user=None, reason="replaced by a file of one's own")
        return guide

    def _index(self) -> None:
        if index_is_behind():
            try:
                call_command("reindex", stdout=self.stdout)
            except CommandError as error:
                self.stderr.write(self.style.WARNING(f"Not indexed yet, so answers come by text search. {error}"))

    def _welcome(self) -> None:
        address = f"http://{_clickable(current().HOST)}:{current().PORT}"
        self.stdout.write("")
        self.stdout.write(self.style.SUCCESS(f"  Ask a question   {address}/"))
        self.stdout.write(self.style.SUCCESS(f"  Console          {address}/admin/"))
        users = get_user_model()._default_manager
        if not users.filter(is_superuser=True).exists():
            password = secrets.token_urlsafe(12)
            get_user_model().objects.create_superuser("admin", password=password)
            self.stdout.write(f"                   user admin, password {password} (shown this once)")
        self.stdout.write("  Stop with Ctrl-C.\n")
        self.stdout.flush()


def _processes() -> dict[str, list[str]]:
    processes = {"web": [*_pool(current().DB_POOL_MAX or 8), sys.executable, "-m", "gunicorn", *GUNICORN]}
    if settings.REDIS_URL:
        # Without a pool, and so with the time that jobs may take.
        processes["worker"] = [*_pool(0), sys.executable, "manage.py", "work"]
    return processes


def _pool(connections: int) -> list[str]:
    if connection.vendor != "postgresql":
        return []
    return ["env", "-u", "DB_POOL_MAX_FILE", f"DB_POOL_MAX={connections}"]


def _clickable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  # compared, not bound

"""The verb `restore`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from console.backup import BackupError, rehearsal, restoring


class Command(BaseCommand):
    help = "Put a backup back. Stop the web servers and workers before, and start them afterwards."
    requires_system_checks = []  # of a database that may be empty

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="The backup: a folder of BACKUP_DIR.")
        parser.add_argument("--replace", action="store_true", help="In place of what the database holds.")
        parser.add_argument("--beside", default="", help="A name for its collections, for a rehearsal.")
        parser.add_argument("--json", action="store_true", help="The outcome as one line for programs.")
        parser.add_argument("--ask", action="store_true", help="Answer a JSON list of questions from standard input.")

    def handle(self, *, folder: Path, replace: bool, beside: str, json: bool, ask: bool, **options: Any) -> None:
        try:
            restored = restoring.restore(folder, self._tell, replace=replace, beside=beside)
        except BackupError as error:
            raise CommandError(str(error)) from error
        if json:
            self.stdout.write(_line(restored, _answers() if ask else []))
        else:
            self.stdout.write(self.style.SUCCESS(restored.sentence))

    def _tell(self, sentence: str) -> None:
        self.stderr.write(sentence, self.style.NOTICE)


def _answers() -> list[str]:
    """The first source of each question."""
    return [rehearsal.nearest(question) for question in json.load(sys.stdin)]


def _line(restored: restoring.Restored, answers: list[str]) -> str:
    return json.dumps({"sentence": restored.sentence, "clean": restored.clean is True, "answers": answers})

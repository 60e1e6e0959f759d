"""The verb `run_suite`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from rag.quality import asking
from rag.quality.suite import Case, SuiteError, measure, read_cases, stored


class Command(BaseCommand):
    help = "Ask labelled questions; print hit@1, hit@3, MRR and how well the others were turned down."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            nargs="?",
            help="CSV with the columns query and relevant_ids; without it the stored suite.",
        )
        parser.add_argument("--out-of-scope", type=Path, help="CSV of questions that must not be answered.")
        parser.add_argument("--bar", type=Path, help="JSON of least figures; below one of them the exit status is 1.")
        parser.add_argument("--url", help="Ask a running server, for example http://127.0.0.1:8000")

    def handle(
        self, *, file: Path | None, out_of_scope: Path | None, bar: Path | None, url: str | None, **options: Any
    ) -> None:
        cases = (self._read(file) if file else self._stored()) + (self._read(out_of_scope) if out_of_scope else [])
        least = json.loads(bar.read_text()) if bar else {}
        ask = asking.at(url) if url else asking.in_this_process
        with Progress(console=Console(file=sys.stderr), transient=True) as bar_shown:
            task = bar_shown.add_task("Asking", total=len(cases))
            figures = measure(cases, ask, progress=lambda: bar_shown.advance(task))
        self.stdout.write(f"{len(cases)} questions")
        missed = [name for name, value in least.items() if figures.get(name, 0.0) < value]
        for name, value in figures.items():
            wanted = f"   at least {least[name]}" if name in least else ""
            line = f"{name:<30} {value:.4f}{wanted}"
            self.stdout.write(self.style.ERROR(line + "   MISSED") if name in missed else line)
        if missed:
            raise CommandError("Below the bar: " + ", ".join(missed), returncode=1)

    def _stored(self) -> list[Case]:
        if cases := stored():
            return cases
        raise CommandError("The stored suite is empty: make cases in the console's playground, or name a file.")

    def _read(self, path: Path) -> list[Case]:
        try:
            return read_cases(path)
        except (OSError, SuiteError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error

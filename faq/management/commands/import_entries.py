"""`manage.py import_entries FILE`: check a file of entries, show what it would change, and write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from faq.transfer import ImportReport, import_file

SHOWN = 20
PHASES = {"check": "Checking", "write": "Writing"}


class Command(BaseCommand):
    help = "Import entries from a CSV, XLSX or JSON file: everything, or nothing where a row is refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV (also separated by tabs or semicolons), XLSX, JSON or JSONL")
        parser.add_argument("--publish", action="store_true", help="publish the rows that name no status")
        parser.add_argument("--dry-run", action="store_true", help="only check and show; write nothing")

    def handle(self, *, file: Path, publish: bool, dry_run: bool, **_: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(file=self.stdout, soft_wrap=True, highlight=False)  # type: ignore[arg-type]  # it writes
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(PHASES["check"], total=1.0)

            def progress(phase: str, rows: int, fraction: float) -> None:
                bar.update(task, description=f"{PHASES[phase]}: {rows:,} rows", completed=fraction)

            report = import_file(file, publish=publish, dry_run=dry_run, progress=progress)
        self._show(console, report)
        if report.refused:
            console.print(
                "Nothing was written. Mend the file and run the same command again.", style="bold red", markup=False
            )
            raise SystemExit(1)
        console.print(_next(report, publish, dry_run), style="bold green", markup=False)

    def _show(self, console: Any, report: ImportReport) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(report.file), title_justify="left")
        for name in ("new", "changed", "unchanged", "duplicate", "refused"):
            table.add_column(name, justify="right")
        counts = (report.new, report.changed, report.unchanged, report.duplicate, report.refused_count)
        table.add_row(*(f"{count:,}" for count in counts))
        console.print(table)
        if report.ignored_columns:
            console.print(f"Ignored columns: {', '.join(report.ignored_columns)}", markup=False)
        if report.new_categories:
            console.print(f"New categories: {_some(report.new_categories)}", markup=False)
        _list(console, "Duplicates", [(item.line, item.reason) for item in report.duplicates], report.duplicate)
        _list(console, "Refused", [(item.line, item.reason) for item in report.refused], report.refused_count)


def _list(console: Any, title: str, rows: list[tuple[int | None, str]], count: int) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=title, title_justify="left")
    table.add_column("line", justify="right")
    table.add_column("reason", overflow="fold")
    for line, reason in rows[:SHOWN]:
        table.add_row("" if line is None else f"{line:,}", Text(reason))
    console.print(table)
    if count > SHOWN:
        console.print(f"… and {count - SHOWN:,} more", markup=False)


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" … and {rest:,} more" if rest > 0 else "")


def _next(report: ImportReport, publish: bool, dry_run: bool) -> str:
    if not report.rows:
        return "The file has a header and no rows: there is nothing to import."
    if not report.new and not report.changed:
        return "The database holds all of this already: nothing was to be written."
    if dry_run:
        return "Nothing was written yet. Run the same command without --dry-run to write it."
    written = f"Written: {report.new:,} new and {report.changed:,} changed entries."
    if report.new and not publish:
        written += " Those without a status are drafts: publish them in the console, or import with --publish."
    return f"{written} The index follows by itself; `manage.py reindex` brings it up to date now."

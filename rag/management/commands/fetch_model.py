"""Brings the embedding model to this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from rag.index import model_files


class Command(BaseCommand):
    help = "Fetch the embedding model, verify it, and keep it in MODEL_DIR."
    requires_system_checks = []  # the first thing run on a new machine, before anything else is there

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reference",
            action="store_true",
            help="also the files of the reference engine, sentence-transformers (90 MB more)",
        )

    def handle(self, **options: Any) -> None:
        directory = model_files.model_directory()
        try:
            with _progress(self.stdout) as report:
                model_files.fetch(directory, report=report, reference=options["reference"])
        except model_files.ModelFileError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"The model is complete and verified, in {directory}"))


@contextmanager
def _progress(out: OutputWrapper) -> Iterator[model_files.Report]:
    if not out.isatty():
        yield _Lines(out)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=cast("IO[str]", out._out))) as bars:
        yield _Bars(bars)


class _Lines:
    """For a log: one line per step, however many pieces it comes in."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._step = ""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if step != self._step:
            self._out.write(step)
            self._step = step


class _Bars:
    """For a terminal: a bar of bytes per step."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if total == 0:
            self._bars.console.print(step, markup=False, highlight=False)
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)

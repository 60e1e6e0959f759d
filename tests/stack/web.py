"""The web server alone, as a container runs it: gunicorn, its workers, and nothing that prepares."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types

from tests.servers import until
from tests.stack.product import Product

GUIDE = Path("faq/guide/guide.csv")


class Web(Product):
    """Without a model where `MODEL_DIR` is an empty folder, and then its workers are there in a moment."""

    def __init__(self, folder: Path, *, workers: int = 2, **environment: str) -> None:
        super().__init__(folder, faq=None, WEB_CONCURRENCY=str(workers), LOG_LEVEL="ERROR", **environment)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gunicorn", "--config", "python:console.gunicorn"]

    def prepare(self) -> None:
        for words in (["migrate", "--verbosity", "0"], ["import_entries", str(GUIDE), "--publish"]):
            with self.manage(*words) as process:
                printed = process.communicate(timeout=120)[0]
            assert process.returncode == 0, printed

    def workers(self) -> list[psutil.Process]:
        master, *_ = self.processes()
        return list(master.children())

    def wait_for_workers(self, number: int) -> None:
        until(lambda: len(self.workers()) == number, f"{number} workers")

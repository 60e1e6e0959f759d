"""The whole product as its users start it: real processes, in an environment that says everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil  # type: ignore[import-untyped]  # it brings no types
from django.conf import settings

from tests.servers import PROJECT, dies_with_us, free_port, until
from tests.stack.asker import Asker
from tests.stack.secrecy import secrets_in

BOOT_SECONDS = 240.0
STOP_SECONDS = 45.0

running: list[Product] = []


class Product(Asker):
    """`with Product(folder, faq=file, REDIS_URL=...) as product:` serves, and takes questions."""

    def __init__(self, folder: Path, *, faq: Path | None = None, **environment: str) -> None:
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.folder, self.faq = folder, faq
        self.attempts = folder / "attempts"
        self._log = folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(Path.home()),
            "PYTHONPATH": str(PROJECT / "tests" / "stack" / "loopback"),
            "STEADFAST_TEST_ATTEMPTS": str(self.attempts),
            "MODEL_DIR": str(settings.MODEL_DIR),
            "DATA_DIR": str(folder / "data"),
            "PORT": str(self.port),
            "RATE_LIMIT_CHAT": "100000/second",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "demo", *(["--faq", str(self.faq)] if self.faq else [])]

    @property
    def place(self) -> Path:
        """Where it is started."""
        return PROJECT

    def begin(self) -> Self:
        """Start, and do not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.place,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal of its own, so to say, with its own Ctrl-C
                preexec_fn=dies_with_us(),
            )
        running.append(self)
        return self

    def wait_until_it_serves(self) -> Self:
        try:
            until(self._serves, "the product serves", BOOT_SECONDS, pause=0.1)
        except AssertionError as error:  # shown here, as it is closed before the report is made
            raise AssertionError(f"{error}\n{self.log()}") from None
        return self

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def processes(self) -> list[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def interrupt(self) -> None:
        """Ctrl-C. AssertionError where something of it lives on."""
        assert self._process is not None
        processes = self.processes()
        if processes:
            os.killpg(self._process.pid, signal.SIGINT)
        _, left = psutil.wait_procs(processes, timeout=STOP_SECONDS)
        for process in left:
            process.kill()
        self._process.wait()
        self._process = None
        running.remove(self)
        assert not left, f"Ctrl-C left behind: {left}"

    def close(self) -> None:
        if self._process is not None:
            self.interrupt()
        assert not self.attempts.exists(), f"left this machine: {self.attempts.read_text()}"
        told = secrets_in(self.log(), self.environment)
        assert not told, f"its log tells {', '.join(told)}"

    @contextmanager
    def begun(self) -> Iterator[Self]:
        """Begins, and ends however it goes on."""
        try:
            yield self.begin()
        finally:
            self.close()

    def __enter__(self) -> Self:
        try:
            return self.begin().wait_until_it_serves()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc: object) -> None:
        self.close()

    def breakers_open(self) -> bool:
        """Whether any web process spares anything yet."""
        lines = self.get("/metrics").text.splitlines()
        return any(line.startswith("faq_breaker_open{") and not line.endswith(" 0.0") for line in lines)

    def manage(self, *words: str | Path) -> subprocess.Popen[str]:
        """A verb of manage.py in another process, with the same environment."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=dies_with_us(),
        )

    def does(self, code: str, **values: Any) -> str:
        """Python within Django, in another process; what it prints."""
        given = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        with self.manage("shell", "--verbosity", "0", "-c", f"{given}\n{code}") as process:
            printed = process.communicate(timeout=60)[0]
        assert process.returncode == 0, printed
        return printed

"""When the product itself notices that something broke: in its health, by a breaker, or in what its master tells."""

from __future__ import annotations

import threading
import time
from typing import Self

from tests.faults.ground import Ground

WORDS = {"breaker open": "breaker", "was sent SIGKILL": "log", "dependency down": "log"}


class Notice:
    """Looks ten times a second from the beginning of a fault to its end."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._began, self._read = time.monotonic(), len(ground.product.log())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self.seconds: float | None = None
        self.by = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while self.seconds is None and not self._over.is_set():
            if found := self._in_log() or self._in_health():
                self.seconds, self.by = time.monotonic() - self._began, found
            time.sleep(0.1)

    def _in_log(self) -> str:
        told = self._ground.product.log()[self._read :]
        return next((by for word, by in WORDS.items() if word in told), "")

    def _in_health(self) -> str:
        try:
            checks: dict[str, str] = self._ground.product.get("/readyz").json["checks"]
        except OSError:  # a worker was killed under it
            return ""
        return "health" if "down" in checks.values() else ""

"""Steady requests from several askers at once, every failure kept."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field

ASKERS = 6


@dataclass
class Load:
    """`with Load(...) as load:` asks until it is left, and at least `least` times."""

    port: int
    trust: ssl.SSLContext
    question: str
    least: int
    done: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(ASKERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(300)

    def _ask(self) -> None:
        """Keeps its connection, as browsers do; every fourth request asks a question."""
        connection = self._connected()
        try:
            self._go_on(connection, self._cookie(connection))
        finally:
            connection.close()

    def _go_on(self, connection: http.client.HTTPSConnection, cookie: str) -> None:
        number = 0
        while not self._over.is_set() or self.done < self.least:
            number += 1
            try:
                told = self._once(connection, cookie, question=number % 4 == 0)
            except (OSError, http.client.HTTPException) as error:
                told = f"{type(error).__name__}: {error}"
                connection.close()  # the next request opens it again
            with self._lock:
                self.done += 1
                if told:
                    self.failures.append(told)

    def _connected(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=self.trust, timeout=60)

    def _cookie(self, connection: http.client.HTTPSConnection) -> str:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return str(response.headers["Set-Cookie"]).partition(";")[0]

    def _once(self, connection: http.client.HTTPSConnection, cookie: str, *, question: bool) -> str:
        if question:
            headers = {
                "Cookie": cookie,
                "X-CSRFToken": cookie.partition("=")[2],
                "Content-Type": "application/json",
                "Referer": f"https://localhost:{self.port}/",
            }
            connection.request("POST", "/api/chat/", json.dumps({"question": self.question}), headers)
        else:
            connection.request("GET", "/")  # not /readyz, which may rightly say 503 of a service behind
        response = connection.getresponse()
        body = response.read()
        closing = response.headers.get("Connection") == "close"
        if closing:
            connection.close()
        return "" if response.status == 200 else f"{response.status}: {body[:200]!r}"

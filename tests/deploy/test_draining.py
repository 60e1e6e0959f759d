"""What happens to those who connect while a container is told to end."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

from tests.deploy.containers import HOST, begin, ended, environment, messages
from tests.deploy.test_start import answers, new_database
from tests.servers import Postgresql, Redis, until

CALLERS = 6
REQUEST = f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()


@dataclass
class Callers:
    """Each connects, asks, and connects again, until it is refused: as nginx does, which then asks another replica."""

    port: int
    answered: int = 0
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)

    def _call(self) -> None:
        while (connection := self.connected()) is not None:
            with connection:
                told = self._ask(connection)
            with self._lock:
                self.answered += told.startswith("HTTP/1.1 200 ")
                if not told.startswith("HTTP/1.1 200 "):
                    self.lost.append(told)

    def connected(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self.port), timeout=30)
        except OSError:
            return None

    def _ask(self, connection: socket.socket) -> str:
        try:
            connection.sendall(REQUEST)
            return connection.recv(4096).decode()
        except OSError as error:
            return type(error).__name__


def test_whoever_could_connect_is_answered_and_all_others_are_refused_while_it_ends(
    postgresql: Postgresql, redis: Redis
) -> None:
    environ = environment(new_database(postgresql), f"redis://127.0.0.1:{redis.port}/9", WEB_CONCURRENCY="2")
    web = begin("web", environ)
    until(lambda: answers(environ["PORT"], "/readyz") == 200, "the web server answers", 60)
    callers = Callers(int(environ["PORT"]))
    until(lambda: callers.answered > 100, "requests are answered")
    slow = [callers.connected() for _ in range(2)]  # say nothing, and so keep whoever took them from ending
    web.terminate()
    callers.join()
    ending = web.poll() is None
    status, log = ended(web)
    for one in slow:
        assert one is not None
        one.close()
    assert status == 0, messages(log)
    assert callers.lost == []
    assert ending, "they were refused only when all was over"

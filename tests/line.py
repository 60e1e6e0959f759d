"""A TCP line between a client and a server that a test can cut, hold up and mend."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

Spoil = Callable[[bytes], Iterable[bytes]]


class Ended(Exception):
    """This connection ends here."""


def slowly(seconds: float, *, at_once: int = 65_536) -> Spoil:
    """A pause before every so many bytes: one pause is a delay, one a byte is a drip."""

    def spoil(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), at_once):
            time.sleep(seconds)
            yield data[start : start + at_once]

    return spoil


def cut_short(kept: int) -> Spoil:
    """No more than the first bytes, and then the line is closed."""

    def spoil(data: bytes) -> Iterator[bytes]:
        yield data[:kept]
        raise Ended

    return spoil


def rewritten(body: bytes, *, kind: str = "application/json") -> Spoil:
    """Another body in place of each reply's, with status 200."""

    def spoil(data: bytes) -> Iterator[bytes]:
        if data.startswith(b"HTTP/"):
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            yield head.encode() + body

    return spoil


class Line:
    """Passes on what it gets until it is cut (nobody listens) or held (nothing comes through)."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._scheme = parts.scheme
        self._flowing = threading.Event()
        self._flowing.set()
        self._spoilt: Spoil | None = None
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._port = 0

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """As when the server is killed: open connections close, new ones are refused."""
        listener, self._listener = self._listener, None
        for end in [listener, *self._ends] if listener else self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if listener:
            listener.close()

    def hold(self) -> None:
        """As when the server hangs: connections are accepted, and nothing is ever answered."""
        self._flowing.clear()

    def spoil(self, spoil: Spoil) -> None:
        """Each stretch of bytes that the server sends goes through this first; `slowly`, `cut_short` and
        `rewritten` make some. The requests pass as they are.
        """
        self._spoilt = spoil

    def mend(self) -> None:
        self._spoilt = None
        self._flowing.set()
        if self._listener is None:
            self._listen()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *exc: object) -> None:
        self._flowing.set()
        self.cut()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # cut
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            for end in (client, server):  # it passes on at once, and adds no wait of its own
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ends |= {client, server}
            try:
                back = threading.Thread(target=self._pass, args=(server, client, True), daemon=True)
                back.start()
                self._pass(client, server)
                back.join()
            finally:
                self._ends -= {client, server}

    def _pass(self, source: socket.socket, sink: socket.socket, back: bool = False) -> None:
        with suppress(OSError, Ended):
            while data := source.recv(65_536):
                self._flowing.wait()
                for piece in self._spoilt(data) if back and self._spoilt else [data]:
                    sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

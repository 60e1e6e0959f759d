"""HTTP calls of which the whole, and not only each read, takes no longer than it may.

The SDKs of Gemini and Qdrant bring httpx2 and httpx, which limit single reads: a server that sends a byte a second is
never too late for them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rag.errors import AskerGone
from rag.resilience import Deadline

if TYPE_CHECKING:
    import ssl

    import httpx2

LONGEST_REPLY = 2_000_000  # bytes
SLICE = 16_384
LOOK_SECONDS = 0.25  # a silent server hides neither the end of the time nor that the asker has left


class Call:
    """`with call:` around every use of the client; it may be entered again, as pieces of a stream come in."""

    def __init__(self, seconds: float, gone: Callable[[], bool] = lambda: False) -> None:
        self.deadline = Deadline(seconds)
        self._gone = gone
        self._bytes = 0

    def __enter__(self) -> None:
        self.left()
        _running.call = self

    def __exit__(self, *exc: object) -> None:
        _running.call = None

    def left(self) -> float:
        if (left := self.deadline.left()) <= 0:
            raise TimeoutError("no whole reply in the time for it")
        if self._gone():
            raise AskerGone
        return left

    def count(self, data: bytes) -> bytes:
        self._bytes += len(data)
        if self._bytes > LONGEST_REPLY:
            raise ValueError(f"the reply is longer than {LONGEST_REPLY} bytes")
        return data


_running = threading.local()


def client(base_url: str) -> httpx2.Client:
    """For requests to that address only: certificates checked, redirects off, by the company's proxy if any."""
    import httpcore2
    import httpx2

    transport = httpx2.HTTPTransport(proxy=proxy(base_url), limits=httpx2.Limits(keepalive_expiry=60))
    bound(transport, httpcore2)
    return httpx2.Client(transport=transport, follow_redirects=False, trust_env=False, timeout=None)


def bound(transport: Any, core: ModuleType) -> None:
    """From now on each use of this HTTPTransport, which `core` works for, wants a Call around it."""
    # No public door leads there. Should this one close, the tests with slow servers fail.
    transport._pool._network_backend = _Network(core)


def fault(error: Exception) -> Literal["timeout", "refused"] | None:
    """What went wrong on the way; None where the way was good and the reply was not."""
    import httpx2

    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        return "timeout"
    if isinstance(error, (OSError, httpx2.NetworkError, httpx2.ProxyError)):
        return "refused"
    return None


class _Network:
    """Stands between the connection pool and its sockets."""

    def __init__(self, core: ModuleType) -> None:
        self._core, self._plain = core, core.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *options: Any, **named: Any) -> _Line:
        call: Call = _running.call
        *first, last = _look_up(host, port, call.left())
        for address in first:  # a dead one must leave time for the next
            with suppress(self._core.ConnectError, self._core.ConnectTimeout):
                return _Line(self._plain.connect_tcp(address, port, call.left() / 2, *options, **named), self._core)
        return _Line(self._plain.connect_tcp(last, port, call.left(), *options, **named), self._core)


class _Line:
    """One connection. The time limits that the pool gives are per read, so the call's own stand in for them."""

    def __init__(self, plain: Any, core: ModuleType) -> None:
        self._plain, self._core = plain, core

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """In short waits, between which the call looks at its time and its asker."""
        call: Call = _running.call
        while True:
            try:
                return call.count(self._plain.read(max_bytes, min(call.left(), LOOK_SECONDS)))
            except self._core.ReadTimeout:
                call.left()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), SLICE):
            self._plain.write(buffer[start : start + SLICE], _running.call.left())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Line:
        return _Line(self._plain.start_tls(ssl_context, server_hostname, _running.call.left()), self._core)

    def close(self) -> None:
        self._plain.close()

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a name, asked for in a thread of its own, as the resolver knows no time limit."""
    found: list[str] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            found.extend(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"the name {host} was not found in time")
    return found


def proxy(url: str) -> str | None:
    """From the usual variables: HTTPS_PROXY, HTTP_PROXY, NO_PROXY."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)

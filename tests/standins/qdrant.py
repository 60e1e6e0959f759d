"""A stand-in for a Qdrant server: the REST calls that we use, over Qdrant's own embedded engine.

What it does not know it answers with 501, never with a guess.
"""

from __future__ import annotations

import argparse
import hmac
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.standins.qdrant_collections import Collection, Json, Refused, Store

VERSION = "1.20.0"
OPEN = {"/": {"title": "qdrant stand-in", "version": VERSION}, "/healthz": {}, "/livez": {}, "/readyz": {}}
Fault = Literal["hang", "slow", "500", "refuse", "garbage", "full"]
Call = Callable[[Store, Json, str], Any]


def reading(method: Callable[[Collection, Json], Any]) -> Call:
    return lambda store, body, name: method(store.find(name), body)


def writing(method: Callable[[Collection, Json], None]) -> Call:
    def call(store: Store, body: Json, name: str) -> Json:
        method(store.find(name), body)
        return {"operation_id": 0, "status": "completed"}  # even where the caller would not have waited

    return call


COLLECTION = "/collections/{name}"
ROUTES: dict[tuple[str, str], Call] = {
    ("GET", "/collections"): lambda s, b, n: {"collections": [{"name": one} for one in sorted(s.collections)]},
    ("GET", "/aliases"): lambda s, b, n: s.list_aliases(),
    ("POST", "/collections/aliases"): lambda s, b, n: s.change_aliases(b),
    ("GET", COLLECTION): lambda s, b, n: s.find(n).info(),
    ("PUT", COLLECTION): lambda s, b, n: s.create(n, b),
    ("DELETE", COLLECTION): lambda s, b, n: s.drop(n),
    ("GET", f"{COLLECTION}/exists"): lambda s, b, n: {"exists": s.aliases.get(n, n) in s.collections},
    ("GET", f"{COLLECTION}/aliases"): lambda s, b, n: s.list_aliases(s.find(n).folder.name),
    ("PUT", f"{COLLECTION}/index"): writing(Collection.index),
    ("PUT", f"{COLLECTION}/points"): writing(Collection.upsert),
    ("POST", f"{COLLECTION}/points/delete"): writing(Collection.delete),
    ("POST", f"{COLLECTION}/points/payload"): writing(Collection.set_payload),
    ("POST", f"{COLLECTION}/points"): reading(Collection.retrieve),
    ("POST", f"{COLLECTION}/points/scroll"): reading(Collection.scroll),
    ("POST", f"{COLLECTION}/points/count"): reading(Collection.count),
    ("POST", f"{COLLECTION}/points/query"): reading(Collection.query),
    ("POST", f"{COLLECTION}/points/query/batch"): reading(
        lambda collection, body: [collection.query(one) for one in body["searches"]]
    ),
}
WRITES = {("PUT", "points"), ("POST", "delete"), ("POST", "payload")}
# `wait` makes no difference here, the others are about clusters and time limits.
OPTIONS = {"wait", "ordering", "timeout", "consistency"}


def route(method: str, path: str) -> tuple[Call, str]:
    """What to call, and the collection's name in the path."""
    for (verb, pattern), call in ROUTES.items():
        found = re.fullmatch(pattern.replace("{name}", "([^/]+)"), path)
        if found and verb == method:
            return call, unquote(found[1]) if found.groups() else ""
    raise Refused(501, f"{method} {path} is not known to this stand-in")


def no_constant(name: str) -> None:
    raise Refused(400, f"Format error in JSON body: {name} is no JSON")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    standin: QdrantStandIn


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def setup(self) -> None:
        super().setup()
        self.standin = self.server.standin
        self.standin.connections.add(self.connection)

    def finish(self) -> None:
        self.standin.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.standin.suffer()
        if fault == "500":
            self._send(500, b'{"status": {"error": "Service internal error: a test wants it so"}}')
        elif fault == "full" and (self.command, urlsplit(self.path).path.rpartition("/")[2]) in WRITES:
            self._send(500, b'{"status": {"error": "Service internal error: No space left on device"}}')
        elif fault == "garbage":
            self._send(200, b'{"result": {"points": [{"id"')
        else:
            self._answer(raw)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _answer(self, raw: bytes) -> None:
        began = time.perf_counter()
        try:
            code, said = 200, self._result(raw)
        except Refused as error:
            code, said = error.code, {"status": {"error": str(error)}}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            code, said = 400, {"status": {"error": f"Format error in JSON body: {error!r}"}}
        except Exception as error:  # the engine's own are of no narrower kind
            code, said = 500, {"status": {"error": f"Service internal error: {error}"}}
        self._send(code, json.dumps({**said, "time": time.perf_counter() - began}).encode())

    def _result(self, raw: bytes) -> Json:
        url = urlsplit(self.path)
        if self.command == "GET" and url.path in OPEN:
            return OPEN[url.path]
        given = self.headers.get("api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.standin.api_key.encode()) and self.standin.api_key:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        if unknown := parse_qs(url.query).keys() - OPTIONS:
            raise Refused(501, f"{', '.join(sorted(unknown))}: not known to this stand-in")
        call, name = route(self.command, url.path)
        body = json.loads(raw, parse_constant=no_constant) if raw else {}
        with self.standin.store.lock:
            return {"result": call(self.standin.store, body, name), "status": "ok"}

    def _send(self, code: int, body: bytes) -> None:
        with suppress(OSError):  # the caller may have left meanwhile
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


class QdrantStandIn:
    """`with QdrantStandIn(folder) as qdrant:` and `qdrant.url`. The folder keeps everything, also after kill -9."""

    def __init__(self, storage: Path, *, port: int = 0, api_key: str = "") -> None:
        self.api_key = api_key
        self.store = Store(storage)
        self.connections: set[socket.socket] = set()
        self._fault: Fault | None = None
        self._delay = 0.0
        self._heals = threading.Timer(0, self.fault, [None])
        self._server: _Server | None = None
        self._port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def fault(self, kind: Fault | None, *, seconds: float | None = None, delay: float = 0.5) -> None:
        """From now on, for so many seconds or until the next call; None heals.

        hang: no answer before it is healed. slow: each answer after `delay`. 500, garbage: instead of the answer.
        full: 500 for whatever would write points.
        refuse: nobody listens, and open connections are closed.
        """
        self._heals.cancel()
        was, self._fault, self._delay = self._fault, kind, delay
        if kind == "refuse":
            self._stop_listening()
        elif was == "refuse":
            self._listen()
        if kind and seconds is not None:
            self._heals = threading.Timer(seconds, self.fault, [None])
            self._heals.start()

    def suffer(self) -> Fault | None:
        """Waits as the present fault demands, and tells which one is left."""
        while self._fault == "hang":
            time.sleep(0.01)
        if self._fault == "slow":
            time.sleep(self._delay)
        return self._fault

    def start(self) -> Self:
        self._listen()
        return self

    def stop(self) -> None:
        self._heals.cancel()
        self._fault = None
        self._stop_listening()
        self.store.close()

    __enter__ = start

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.standin = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, and prints it")
    parser.add_argument("--storage", type=Path, required=True, help="the folder that keeps everything")
    parser.add_argument("--api-key", default="")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with QdrantStandIn(options.storage, port=options.port, api_key=options.api_key) as standin:
        print(standin.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

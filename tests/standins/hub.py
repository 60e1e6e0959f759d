"""A model hub on loopback: serves bytes under the hub's paths, and misbehaves as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What it serves, how it fails, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)  # the path after the revision
    cuts: list[int] = field(default_factory=list)  # close after so many bytes, once each
    hangs: bool = False  # at a cut, say nothing more instead of closing
    statuses: list[int] = field(default_factory=list)  # answer with these, once each; 0 = as it should
    knows_ranges: bool = True
    address: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)  # path and Range
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.ended.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        hub = self.hub
        if "/resolve/" in self.path:  # as the hub does: it sends on to where the bytes are
            self._answer(302, location=self.path.replace("/resolve/", "/stored/"))
            return
        hub.requests.append((self.path, self.headers.get("Range", "")))
        content = hub.files.get("/".join(self.path.split("/")[5:]))
        if hub.statuses and (status := hub.statuses.pop(0)):
            self._answer(status)
        elif content is None:
            self._answer(404)
        else:
            self._serve(content)

    def _serve(self, content: bytes) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.hub.knows_ranges else 0
        if asked and self.hub.knows_ranges and start >= len(content):
            self._answer(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not self.hub.cuts:
            self.wfile.write(body)
            return
        self.wfile.write(body[: self.hub.cuts.pop(0)])
        if self.hub.hangs:
            self.wfile.flush()
            self.hub.ended.wait(30)

    def _answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests read `requests`."""

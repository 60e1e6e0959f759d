"""One request as bytes over a socket, as no library would send it; and what came back."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

PATIENCE = 30.0
NO_REPLY = 599  # in all that time: as bad as an error


@dataclass
class Sent:
    """A request of the fuzzer; `door` is the part of the product that it knocks at."""

    door: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.door}: {self.method} {self.path[:200]} {self.headers} {self.body[:300]!r}"


@dataclass(frozen=True)
class Got:
    status: int
    text: str


class Line:
    """Requests over one connection while the product keeps it open, as a browser sends them."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port
        self._open: http.client.HTTPConnection | None = None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def send(self, sent: Sent) -> Got:
        """Status 0 where the server hung up without a word, as it may on what is no HTTP."""
        used_before = self._open is not None
        got = self._exchange(sent)
        # A connection that was used may have been at its end for other reasons than this request.
        return self._exchange(sent) if got.status == 0 and used_before else got

    def _exchange(self, sent: Sent) -> Got:
        line = self._open or http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
        self._open = None
        try:
            _write(line, sent)
            reply = line.getresponse()
            got = Got(reply.status, reply.read().decode(errors="replace"))
        except (http.client.HTTPException, ConnectionError):
            line.close()
            return Got(0, "")
        except TimeoutError:
            line.close()
            return Got(NO_REPLY, "")
        if line.sock is not None:  # else the server asked to close it
            self._open = line
        return got


def _write(line: http.client.HTTPConnection, sent: Sent) -> None:
    path = quote(sent.path, safe="/?&=%;:@+,.~-_", errors="replace")
    line.putrequest(sent.method, path, skip_host="Host" in sent.headers)
    for name, value in ({"Content-Length": str(len(sent.body))} | sent.headers).items():
        line.putheader(name, re.sub(r"[\r\n\0]", " ", value).encode("utf-8", "replace"))
    line.endheaders(sent.body)

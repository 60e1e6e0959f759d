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


def send(address: str, sent: Sent) -> Got:
    """Status 0 where the server hung up without a word, as it may on what is no HTTP."""
    parts = urlsplit(address)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        line.putrequest(
            sent.method, quote(sent.path, safe="/?&=%;:@+,.~-_", errors="replace"), skip_host="Host" in sent.headers
        )
        headers = {"Content-Length": str(len(sent.body))} | sent.headers
        for name, value in headers.items():
            line.putheader(name, re.sub(r"[\r\n\0]", " ", value).encode("utf-8", "replace"))
        line.endheaders(sent.body)
        reply = line.getresponse()
        return Got(reply.status, reply.read().decode(errors="replace"))
    except (http.client.HTTPException, ConnectionError):
        return Got(0, "")
    except TimeoutError:
        return Got(NO_REPLY, "")
    finally:
        line.close()

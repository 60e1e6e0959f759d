"""Somebody who asks over HTTP, with a cookie and its token, as the contract says."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

PATIENCE = 60.0


@dataclass(frozen=True)
class Reply:
    """What came back, and after how many seconds."""

    status: int
    text: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def answer(self) -> str:
        return str(self.json["answer"])

    @property
    def answered_by(self) -> str:
        return str(self.json["answered_by"])

    @property
    def degraded(self) -> list[str]:
        return [str(stage) for stage in self.json["degraded"]]

    @property
    def sources(self) -> list[str]:
        """External ids, best first."""
        return [str(one["external_id"]) for one in self.json["sources"]]


class Asker:
    def __init__(self, address: str) -> None:
        self.address = address
        self._cookies = CookieJar()
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies))

    def ask(self, question: str, conversation: str | None = None) -> Reply:
        body = {"question": question, **({"conversation": conversation} if conversation else {})}
        headers = {"Content-Type": "application/json", "X-CSRFToken": self.token(), "Origin": self.address}
        return self.send(Request(f"{self.address}/api/chat/", json.dumps(body).encode(), headers))

    def get(self, path: str) -> Reply:
        return self.send(Request(self.address + path))

    def post(self, path: str, *, request_id: str = "", **fields: str) -> Reply:
        """A form, sent from the page at the same address; with the id that nginx would give it."""
        self.get(path)
        fields["csrfmiddlewaretoken"] = self.token()
        headers = {"Referer": self.address + path, **({"X-Request-ID": request_id} if request_id else {})}
        return self.send(Request(self.address + path, urlencode(fields).encode(), headers))

    def token(self) -> str:
        """Kept once it is there, so that asking goes on when nothing but asking is left."""
        if not (found := self._csrf_cookie()):
            self.get("/")
            found = self._csrf_cookie()
        return found

    def _csrf_cookie(self) -> str:
        return next((cookie.value or "" for cookie in self._cookies if cookie.name.endswith("csrftoken")), "")

    def send(self, request: Request) -> Reply:
        began = time.monotonic()
        try:
            with self._opener.open(request, timeout=PATIENCE) as response:
                status, body = response.status, response.read()
        except HTTPError as error:
            with error:
                status, body = error.code, error.read()
        return Reply(status, body.decode(), time.monotonic() - began)

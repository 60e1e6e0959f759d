"""Requests out of a seed: from the OpenAPI document, the console's forms, and bad input of all families."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.fuzz.sending import Sent
from tests.fuzz.words import LISTS, METHODS, ODD_PATHS, PAGES, TYPES, files, naughty

BOUNDARY = "steadfast-fuzz"


def multipart(fields: dict[str, str], name: str, content: bytes) -> bytes:
    """A form with a file; whatever it is called, its name ends no line and no quotation."""
    said = re.sub(r'[\r\n"]', "_", name).encode("utf-8", "replace")
    parts = [
        f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode("utf-8", "replace")
        for key, value in fields.items()
    ]
    parts.append(b'Content-Disposition: form-data; name="file"; filename="' + said + b'"\r\n\r\n' + content)
    edge = f"--{BOUNDARY}".encode()
    return b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"


@dataclass
class Signed:
    """A session of somebody who may do everything."""

    cookie: str
    token: str


class Maker:
    """`make(number)` is the same request for the same seed, document and number."""

    def __init__(self, seed: int, document: dict[str, Any], session: Signed) -> None:
        self._seed, self._document, self._session = seed, document, session
        self._texts, self._files = naughty(), files()
        # Out of a thousand. A login costs half a second of hashing whatever the name, a page of the console fifty
        # times an answer of 4xx: most knock at cheap doors, and of a hundred thousand still hundreds at the dearest.
        self._kinds: dict[Callable[[], Sent], int] = {
            self._operation: 270,
            self._raw: 250,
            self._page: 220,
            self._headers: 180,
            self._console: 40,
            self._form: 27,
            self._upload: 10,
            self._login: 3,
        }

    def make(self, number: int) -> Sent:
        self._dice = random.Random(f"{self._seed}:{number}")
        return self._dice.choices(list(self._kinds), list(self._kinds.values()))[0]()

    # Values

    def _text(self) -> str:
        text = self._dice.choice(self._texts)
        return text + self._dice.choice(self._texts) if self._dice.random() < 0.2 else text

    def _anything(self, depth: int = 0) -> Any:
        kinds: list[Callable[[], Any]] = [
            self._text,
            lambda: None,
            lambda: True,
            lambda: self._dice.choice([0, -1, 1e308]),
        ]
        if depth < 3:
            kinds += [lambda: [self._anything(depth + 1)], lambda: {self._text(): self._anything(depth + 1)}]
        return self._dice.choice(kinds)()

    def _of_schema(self, schema: dict[str, Any]) -> Any:
        """What the schema allows, or nearly; one time in four something else altogether."""
        if self._dice.random() < 0.25:
            return self._anything()
        if "$ref" in schema:
            return self._of_schema(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._of_schema(self._dice.choice(options))
        if "enum" in schema:
            return self._dice.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            given = {name: self._of_schema(one) for name, one in schema.get("properties", {}).items()}
            return {name: value for name, value in given.items() if self._dice.random() < 0.9}
        if kind == "string":
            return str(self._uuid()) if schema.get("format") == "uuid" else self._text()
        return self._anything()

    def _uuid(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"

    # Doors

    def _signed(self, **more: str) -> dict[str, str]:
        return {"Cookie": self._session.cookie, "X-CSRFToken": self._session.token} | more

    def _operation(self) -> Sent:
        path, methods = self._dice.choice(list(self._document["paths"].items()))
        method, operation = self._dice.choice(list(methods.items()))
        path = path.replace(
            "{id}", self._dice.choice([self._uuid(), quote(self._text()[:80], safe="", errors="replace"), "1"])
        )
        content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] = next((one["schema"] for one in content.values()), {})
        body = json.dumps(self._of_schema(schema)).encode("utf-8", "surrogatepass") if schema else b""
        accept = self._dice.choice(["application/json", "text/event-stream", "*/*", self._text()[:60]])
        headers = self._signed(**{"Content-Type": "application/json", "Accept": accept})
        return Sent("API, by its document", method.upper(), path, body, headers)

    def _raw(self) -> Sent:
        bodies: list[Callable[[], bytes]] = [
            lambda: b"[" * 10_000,
            lambda: b'{"question": NaN}',
            lambda: b'{"question": "a", "question": "b"}',
            lambda: "\ufeff{}".encode(),
            lambda: '{"question": "x"}'.encode("utf-16"),
            lambda: b'{"question": "' + self._dice.randbytes(200) + b'"}',
            lambda: self._dice.randbytes(self._dice.randint(0, 400)),
            lambda: b'{"question": "' + b"x" * self._dice.choice([999, 1_001, 20_000, 200_000]) + b'"}',
            lambda: b'{"question": "\\ud800"}',
            lambda: b"\x1f\x8b\x08" + self._dice.randbytes(50),
        ]
        headers = self._signed(**{"Content-Type": self._dice.choice(TYPES)})
        return Sent(
            "API, raw bodies", self._dice.choice(["POST", *METHODS]), "/api/chat/", self._dice.choice(bodies)(), headers
        )

    def _page(self) -> Sent:
        path = self._dice.choice(
            PAGES + ODD_PATHS + [f"/entries/{quote(self._text()[:60], safe='', errors='replace')}/"]
        )
        query = (
            urlencode({self._text()[:20] or "q": self._text()}, errors="replace") if self._dice.random() < 0.5 else ""
        )
        return Sent("pages", self._dice.choice(METHODS), f"{path}?{query}"[:4_000])

    def _console(self) -> Sent:
        where = self._dice.choice(LISTS)
        names = [
            "q",
            "p",
            "o",
            "e",
            "all",
            "_facets",
            "status__exact",
            "category__id__exact",
            "id__in",
            "pk",
            "degraded",
            "at__gte",
        ]
        query = {self._dice.choice(names): self._text()[:300] for _ in range(self._dice.randint(0, 3))}
        tail = self._dice.choice(
            [
                "",
                "",
                f"{quote(self._text()[:40], safe='', errors='replace')}/change/",
                "1/history/",
                "999999999999999999999/change/",
            ]
        )
        path = f"/admin/{where}/{tail}?{urlencode(query, errors='replace')}"
        return Sent("console, reading", "GET", path, headers=self._signed())

    def _form(self) -> Sent:
        where = self._dice.choice(
            ["faq/entry/add", "faq/entry/1/change", "faq/category/add", "faq/entry/import", "faq/entry"]
        )
        names = [
            "question",
            "answer",
            "category",
            "language",
            "tags",
            "status",
            "review_date",
            "variants",
            "external_id",
            "id",
        ]
        names += [
            "name",
            "slug",
            "action",
            "_selected_action",
            "select_across",
            "index",
            "is_superuser",
            "file",
            "format",
            "_save",
        ]
        fields = {name: self._text() for name in names if self._dice.random() < 0.6}
        body = urlencode(fields | {"csrfmiddlewaretoken": self._session.token}, errors="replace").encode()
        headers = self._signed(**{"Content-Type": "application/x-www-form-urlencoded"})
        return Sent("console, forms", "POST", f"/admin/{where}/", body, headers)

    def _upload(self) -> Sent:
        """A file of entries: the nasty ones as they are, cut off, or with bytes changed."""
        content = bytearray(self._dice.choice(self._files))
        for _ in range(self._dice.choice([0, 0, 1, 5, 50])):
            if content:
                content[self._dice.randrange(len(content))] = self._dice.randrange(256)
        if self._dice.random() < 0.2:
            del content[self._dice.randint(0, len(content)) :]
        name = self._dice.choice(["a.csv", "a.xlsx", "a.tsv", "a", "../a.csv", "a.csv\0", self._text()[:60]])
        fields = {"csrfmiddlewaretoken": self._session.token, "format": self._text()[:9], "publish": self._text()[:9]}
        body = multipart(fields, name, bytes(content))
        headers = self._signed(**{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        return Sent("console, files", "POST", "/admin/faq/entry/import/", body, headers)

    def _login(self) -> Sent:
        fields = {"username": self._text(), "password": self._text(), "next": self._text()}
        body = urlencode(fields | {"csrfmiddlewaretoken": self._session.token}, errors="replace").encode()
        csrf = self._session.cookie.partition(";")[0]
        headers = {"Cookie": csrf, "Content-Type": "application/x-www-form-urlencoded"}
        return Sent("login", "POST", "/admin/login/", body, headers)

    def _headers(self) -> Sent:
        names = [
            "Host",
            "Cookie",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "Forwarded",
            "Accept",
            "Accept-Language",
            "Referer",
        ]
        names += [
            "Range",
            "If-Modified-Since",
            "If-None-Match",
            "X-Request-ID",
            "Origin",
            "Last-Event-ID",
            "Authorization",
        ]
        given = {name: self._text()[:2_000] for name in self._dice.sample(names, self._dice.randint(1, 5))}
        return Sent("headers", self._dice.choice(["GET", "POST"]), self._dice.choice(PAGES), headers=given)

"""Two ways of asking a suite's questions: in this process, or at a running server's door."""

from __future__ import annotations

import json
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener

from rag.answering import pipeline
from rag.quality.suite import Ask, Reply

SECONDS = 30


def in_this_process(question: str) -> Reply:
    """Leaves no receipt: a suite is nobody's question."""
    given = pipeline.answer(question, channel="suite")
    return Reply(tuple(one.external_id for one in given.sources), given.answered_by != "suggestions")


def at(url: str) -> Ask:
    """Through POST /api/chat/, as any asker does, with a cookie and its token."""
    cookies = CookieJar()
    opener = build_opener(HTTPCookieProcessor(cookies))
    base = url.rstrip("/")
    opener.open(f"{base}/", timeout=SECONDS).read()
    token = next((cookie.value for cookie in cookies if cookie.name.endswith("csrftoken")), "") or ""
    headers = {"Content-Type": "application/json", "X-CSRFToken": token, "Origin": base}

    def ask(question: str) -> Reply:
        body = json.dumps({"question": question}).encode()
        asked = Request(f"{base}/api/chat/", data=body, headers=headers, method="POST")  # noqa: S310  # the operator's own URL
        with opener.open(asked, timeout=SECONDS) as response:
            given: dict[str, Any] = json.load(response)
        ranked = tuple(one["external_id"] for one in given["sources"])
        return Reply(ranked, given["answered_by"] != "suggestions")

    return ask

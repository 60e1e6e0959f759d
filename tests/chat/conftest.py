"""A pipeline that answers as it is told to, so that these tests are about the door and not about what is behind."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from rag.answering import pipeline
from rag.answering.pipeline import Answer, Delta, Meta, Source
from rag.chat import events, limits

URL = "/api/chat/"


def an_answer(**changes: Any) -> Answer:
    plain = Answer(
        id=uuid4(),
        answer="Open the console and choose Import.",
        answered_by="verbatim",
        degraded=[],
        cached=False,
        confidence=0.9,
        sources=[Source(7, "import-csv", "How do I import a CSV file?", 0.87)],
        conversation=uuid4(),
        request_id="",
        did_you_mean=[],
    )
    return dataclasses.replace(plain, **changes)


class FakePipeline:
    """Gives `answer`, in `pieces` when it streams; remembers what it was asked and whether it was closed."""

    def __init__(self) -> None:
        self.given = an_answer()
        self.pieces: list[str] | None = None
        self.fails: Exception | None = None
        # Cleared by a test, it holds a stream back after its first piece.
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[dict[str, Any]] = []
        self.closed = 0

    @property
    def questions(self) -> list[str]:
        return [asked["question"] for asked in self.asked]

    def answer(self, question: str, **how: Any) -> Answer:
        self.asked.append({"question": question, **how})
        if self.fails:
            raise self.fails
        return self._given(how)

    def stream(self, question: str, **how: Any) -> Iterator[Meta | Delta | Answer]:
        self.asked.append({"question": question, **how})
        given = self._given(how)
        try:
            yield Meta(given.id, given.conversation, given.request_id)
            for piece in [given.answer] if self.pieces is None else self.pieces:
                yield Delta(piece)
                self.gate.wait(timeout=10)
            if self.fails:
                raise self.fails
            yield given
        finally:
            self.closed += 1

    def _given(self, how: dict[str, Any]) -> Answer:
        conversation: UUID = how["conversation"] or self.given.conversation
        return dataclasses.replace(self.given, conversation=conversation, request_id=how["request_id"])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setattr(pipeline, "answer", fake.answer)
    monkeypatch.setattr(pipeline, "stream", fake.stream)
    return fake


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> events.Slots:
    """For every test afresh: one stream at a time, and none left open by another test."""
    slots = events.Slots(1)
    monkeypatch.setattr(events, "slots", slots)
    return slots


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> Iterator[None]:
    """Limits are counted per process; a test must not find the counts of the one before."""
    limits._counter_at.cache_clear()
    yield
    limits._counter_at.cache_clear()


@pytest.fixture
def asker() -> Client:
    """A program with a CSRF token, as the contract asks for."""
    client = Client(enforce_csrf_checks=True)
    client.get(URL)
    client.defaults["HTTP_X_CSRFTOKEN"] = client.cookies["csrftoken"].value
    return client


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of our own: on a free port, without a file, gone afterwards."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; on Debian: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine, so the page was not tried; on Debian: apt-get install chromium")
    # Playwright keeps an event loop in this thread, and Django would take the tests' queries for its own.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """Opens the site in a fresh browser, and remembers every complaint of its console, CSP violations included."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def __call__(self, path: str = "/", *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = self._browser.new_context(
            base_url=self._address, viewport={"width": width, "height": height}, **options
        )
        context.set_default_timeout(8_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path)
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer) -> Iterator[Visit]:
    visit = Visit(chromium, live_server.url)
    yield visit
    visit.close()
    assert visit.complaints == []

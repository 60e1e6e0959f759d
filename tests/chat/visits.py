"""Visits to the site in a real browser, and what their tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page
from pytest_django.live_server_helper import LiveServer

from faq.models import Category, Entry
from rag.answering.pipeline import Source
from tests.chat.fake_pipeline import FakePipeline
from tests.conftest import CHROMIUM

CHOICES = [Source(1, "a", "How do I pay?", 0.5), Source(2, "b", "How do I cancel?", 0.4)]
LONG = "Acknowledgement_" * 12


class Visit:
    """Opens the site in a fresh browser, and remembers every complaint of its console, CSP violations included."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self.address = address
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def __call__(self, path: str = "/", *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = self._browser.new_context(
            base_url=self.address, viewport={"width": width, "height": height}, **options
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
def visit(request: pytest.FixtureRequest, live_server: LiveServer) -> Iterator[Visit]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM} here, so the page was not tried; on Debian: apt-get install chromium")
    visit = Visit(request.getfixturevalue("browser"), live_server.url)
    yield visit
    visit.close()
    assert visit.complaints == []


@pytest.fixture
def entries(transactional_db: None) -> None:
    for name, question in (("Billing", "How do I pay?"), ("Import", "How do I import a CSV file?")):
        category = Category.objects.create(name=name)
        text = {"question": question, "answer": f"{LONG}\nOpen it."}
        Entry.objects.create(external_id=name.lower(), category=category, status="published", **text)


@pytest.fixture
def page(visit: Visit, entries: None, fake: FakePipeline) -> Iterator[Page]:
    yield visit()


def type_and_send(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def answer(page: Page) -> Locator:
    return page.locator("#log article").last


def failing(visit: Visit) -> None:
    """Chromium itself says in the console that a request failed; that much is expected here."""
    visit.complaints[:] = [one for one in visit.complaints if "Failed to load resource" not in one]

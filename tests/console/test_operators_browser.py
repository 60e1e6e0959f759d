"""The operators' journeys in a real browser, and every screen of theirs looked at by axe in both themes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, Request, expect

from console.admin import health as health_page
from console.models import HealthStretch
from monitoring.health import CHECKS, Reading, State
from rag.index import drift, generations
from rag.models import Job
from tests.chat.visits import Visit
from tests.chat.visits import visit as visit  # the fixture
from tests.conftest import Index, Publish
from tests.console.operating import Worker, serious, signed_in
from tests.console.operating import worker as worker
from tests.console.test_dashboard import receipts
from tests.console.test_jobs_pages import a_job

pytestmark = pytest.mark.django_db(transaction=True)
INDEX, DASHBOARD = "/admin/rag/generation/", "/admin/"


@pytest.fixture
def twelve(published: Publish) -> None:
    for number in range(12):
        published(f"What is number {number}?", f"It is {number}.")
    Job.objects.all().delete()


def press(page: Page, button: str, confirm: str) -> None:
    """Open an act by its button, and confirm it in the dialog."""
    page.get_by_role("link", name=button, exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=confirm, exact=True).click()


def test_reindex_progress_cancel_resume(visit: Visit, operator: User, twelve: None, worker: Worker) -> None:
    page = signed_in(visit, operator, INDEX)
    press(page, "Every entry anew", "Reindex all")
    expect(page.get_by_text("Started: job #")).to_be_visible()
    expect(page).to_have_url(re.compile(INDEX))
    page.get_by_role("link", name=re.compile(r"^job #\d+$")).click()

    bar = page.get_by_role("progressbar")
    worker.let()
    expect(bar).to_have_attribute("aria-valuetext", "4 of 12")
    press(page, "Cancel", "Cancel the job")
    expect(page.get_by_text(re.compile(r"Job #\d+ was asked to stop"))).to_be_visible()
    worker.let(2)  # what is in hand, and what was begun after it
    expect(page.locator(".sf-state").first).to_have_text("Cancelled")
    expect(page.get_by_text("Cancelled; what was done is kept.")).to_be_visible()

    press(page, "Resume", "Resume")
    page.get_by_role("link", name=re.compile(r"^job #\d+$")).click()
    worker.let()
    expect(bar).to_have_attribute("aria-valuetext", re.compile("4 of [48]"))
    worker.let(10)
    expect(page.locator(".sf-state").first).to_have_text("Succeeded")
    expect(page.locator("#job-status")).to_have_text(re.compile(r"reindex #\d+: succeeded"))

    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request))
    page.wait_for_timeout(2_500)  # longer than the pause between two polls
    assert polls == []


def test_promote_roll_back(visit: Visit, operator: User, twelve: None, worker: Worker) -> None:
    worker.let(100)
    page = signed_in(visit, operator, INDEX)
    press(page, "What has changed", "Reindex")
    live = page.locator("li", has=page.locator(".sf-state", has_text="Live")).locator("code")
    until_shown(page, live)
    first = live.inner_text()

    press(page, "Build beside the live one", "Build")
    expect(page.locator("#generations li")).to_have_count(2)  # by itself: nobody loads the page again
    promote = page.get_by_role("link", name="Promote ")
    until_shown(page, promote.and_(page.locator(":not([disabled])")))
    _wait_for_jobs(page)
    promote.click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    _wait_for_jobs(page)
    expect(live).not_to_have_text(first)
    second = live.inner_text()

    press(page, "Roll back", "Roll back")
    _wait_for_jobs(page)
    expect(live).to_have_text(first)
    assert first != second


def until_shown(page: Page, wanted: Any) -> None:
    for _ in range(40):
        if wanted.count():
            return
        page.wait_for_timeout(150)
        page.reload()
    raise AssertionError(f"never shown: {page.locator('main, #content').inner_text()}")


def _wait_for_jobs(page: Page) -> None:
    """By the page's own bars: loaded anew when the last has ended."""
    expect(page.locator("[hx-trigger]:not(input)")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Under way")).to_have_count(0)


class TestDialogs:
    def test_the_focus_goes_to_cancel_and_back_to_what_opened_it(self, visit: Visit, operator: User) -> None:
        page = signed_in(visit, operator, INDEX)
        opener = page.get_by_role("link", name="Scan now")
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="Scan for drift now?")).to_be_visible()
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        for leave in ("Enter", "Escape"):
            page.keyboard.press(leave)
            expect(page.get_by_role("dialog")).to_have_count(0)
            expect(opener).to_be_focused()
            page.keyboard.press("Enter")
            expect(page.get_by_role("dialog")).to_be_visible()
        assert not Job.objects.exists()

    def test_an_act_is_a_page_of_its_own_too_as_the_palette_opens_it(self, visit: Visit, operator: User) -> None:
        page = signed_in(visit, operator, DASHBOARD)
        page.keyboard.press("Control+k")
        page.locator("#search-input-command").press_sequentially("scan for drift", delay=20)
        page.get_by_text("Starts a job").first.click()
        page.get_by_role("button", name="Scan").click()
        expect(page.get_by_text("Started: job #")).to_be_visible()
        assert Job.objects.get().kind == "scan"


@pytest.fixture
def full(published: Publish, indexed: Index, operator: User) -> None:
    """Something of everything: findings, generations, jobs of each state, receipts, a part that was in each state."""
    now = timezone.now()
    for hours, state in enumerate(["ok", "degraded", "unknown", "down"]):
        since, until = now - timedelta(hours=hours + 1), now - timedelta(hours=hours)
        HealthStretch.objects.create(part="vector_store", state=state, detail="so", since=since, until=until)
    first = published("What is first?", "It.")
    published("What is second?", "That.")
    indexed()
    live = generations.live()
    assert live is not None
    type(first).objects.filter(pk=first.pk).update(status="archived")
    drift.scan(live)
    generations.beside()
    for state in ("running", "failed", "cancelled", "succeeded"):
        a_job(state=state, failed=3, requested_by=operator, outcome="" if state == "running" else "So it ended.\nThus.")
    receipts(30, 2, "generated", vote="up")
    receipts(30, 5, "text_search", fallbacks=[["vector_store", "timeout"]], degraded=["vector_store"], miss=True)


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One part in every state."""

    def told(*, fresh: bool = False) -> list[Reading]:
        states = [State.OK, State.DOWN, State.UNKNOWN, State.DEGRADED, State.OFF, State.OK, State.OK]
        return [Reading(*pair, 3.0, None, timezone.now(), "so") for pair in zip(CHECKS, states, strict=True)]

    monkeypatch.setattr(health_page, "readings", told)


SCREENS = (
    DASHBOARD,
    INDEX,
    f"{INDEX}drift/unpublished/",
    f"{INDEX}roll-back/",
    f"{INDEX}build/",
    "/admin/rag/job/",
    "/admin/rag/job/?show=active",
    "/admin/health/",
    "/admin/runbooks/",
    "/admin/runbooks/database-down/",
    "/admin/health/breakers/vector-store/trip/",
    "/admin/rag/job/reindex-all/",
)


@pytest.mark.parametrize(
    ("theme", "filled"),
    [(theme, filled) for filled in ("with nothing", "with everything") for theme in ("light", "dark")],
)
def test_axe_finds_nothing_serious(
    request: pytest.FixtureRequest, visit: Visit, operator: User, theme: Any, filled: str, out: None
) -> None:
    screens = list(SCREENS)
    if filled == "with everything":
        request.getfixturevalue("full")
        screens.append(f"/admin/rag/job/{Job.objects.get(state='failed').pk}/change/")
    page = signed_in(visit, operator, DASHBOARD, color_scheme=theme)
    found = {}
    for screen in screens:
        page.goto(screen)
        assert page.evaluate("document.documentElement.classList.contains('dark')") == (theme == "dark")
        found[screen] = serious(page)
    page.goto(INDEX)
    page.get_by_role("link", name="Scan now").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["a dialog"] = serious(page)
    assert {screen: faults for screen, faults in found.items() if faults} == {}


@pytest.mark.parametrize(("width", "what"), [(390, "a telephone"), (320, "1280 at 400 %")])
def test_nothing_sticks_out_of_a_narrow_window(
    visit: Visit, operator: User, full: None, out: None, width: int, what: str
) -> None:
    page = signed_in(visit, operator, DASHBOARD, width=width)
    wide = []
    for screen in (*SCREENS, f"/admin/rag/job/{Job.objects.get(state='failed').pk}/change/"):
        page.goto(screen)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(screen)
    assert wide == [], what

"""The chat page for everybody: keyboard, screen reader, themes, narrow phones, no script."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from rag.answering.pipeline import Source
from tests.chat.fake_pipeline import FakePipeline, an_answer
from tests.chat.visits import CHOICES, LONG, Visit, answer, failing, type_and_send

pytestmark = pytest.mark.django_db(transaction=True)


def test_everything_can_be_done_with_the_keyboard_alone(page: Page, fake: FakePipeline) -> None:
    fake.given = an_answer(did_you_mean=CHOICES)
    expect(page.get_by_label("Your question")).to_be_focused()
    for _ in ("theme", "name", "skip"):
        page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Skip to the question box")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("line more?")
    page.keyboard.press("Enter")
    expect(answer(page)).to_contain_text("Open the console")
    assert fake.questions == ["One\nline more?"]
    expect(page.get_by_label("Your question")).to_be_focused()
    stops = []
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
        stops.append(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", stops
    assert stops == [
        "Copy answer ID",
        "Not helpful",
        "Helpful",
        "How do I cancel?",
        "How do I pay?",
        "How do I import a CSV file?",
    ]
    page.get_by_role("button", name="How do I pay?").press("Enter")
    expect(page.locator("#log article")).to_have_count(2)
    expect(page.get_by_label("Your question")).to_be_focused()


def test_enter_that_ends_a_composition_does_not_send(page: Page, fake: FakePipeline) -> None:
    question = page.get_by_label("Your question")
    question.fill("か")
    question.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(question).to_have_value("か")
    expect(page.locator("#log article")).to_have_count(0)
    assert fake.asked == []


def test_a_screen_reader_is_told_the_finished_answer_once(page: Page, fake: FakePipeline) -> None:
    page.evaluate(
        """() => {
            window.added = [];
            new MutationObserver((records) => records.forEach((record) =>
                record.addedNodes.forEach((node) => window.added.push(node.textContent))
            )).observe(document.querySelector("[role=log]"), { childList: true, subtree: true });
        }"""
    )
    fake.pieces = ["Open "] * 5
    type_and_send(page, "How?")
    expect(answer(page)).to_contain_text("Open the console")
    added = page.evaluate("window.added")
    assert len(added) == 1
    assert "You asked: How?" in added[0]
    assert fake.given.answer in added[0]


def test_the_theme_is_the_systems_until_it_is_chosen_and_then_stays(visit: Visit, entries: None) -> None:
    def background(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark, light = (visit(color_scheme=scheme) for scheme in ("dark", "light"))
    assert background(dark) != background(light)
    button = light.get_by_role("button", name="Dark theme")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    assert background(light) == background(dark)
    light.reload()
    assert background(light) == background(dark)
    expect(light.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(("width", "height"), [(320, 640), (320, 256)])
def test_nothing_is_wider_than_a_narrow_phone_or_400_percent(
    visit: Visit, entries: None, fake: FakePipeline, width: int, height: int
) -> None:
    page = visit(width=width, height=height)
    assert overflow(page) == 0
    fake.given = an_answer(answer=LONG, did_you_mean=[Source(1, "a", LONG, 0.1)], sources=[Source(1, "a", LONG, 0.1)])
    type_and_send(page, LONG)
    expect(answer(page).locator(".tools")).to_be_visible()
    assert overflow(page) == 0
    page.goto("/entries/import/")
    assert overflow(page) == 0


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_every_control_is_large_enough_to_hit(page: Page, fake: FakePipeline) -> None:
    fake.given = an_answer(did_you_mean=CHOICES)
    type_and_send(page, "How?")
    expect(answer(page).locator(".tools")).to_be_visible()
    for control in page.locator("a:visible:not(.skip), button:visible, textarea:visible").all():
        box = control.bounding_box()
        assert box and box["width"] >= 24 and box["height"] >= 24, control.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend(visit: Visit, entries: None, fake: FakePipeline, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    check = Axe()
    assert serious(check, page) == []
    fake.given = an_answer(did_you_mean=CHOICES, degraded=["generate"], answer="See https://example.org/a")
    type_and_send(page, "How?")
    expect(answer(page).locator(".tools")).to_be_visible()
    assert serious(check, page) == []
    page.context.set_offline(True)
    type_and_send(page, "Gone?")
    expect(answer(page)).to_contain_text("The connection failed.")
    assert serious(check, page) == []
    page.context.set_offline(False)
    for path in ("/entries/import/", "/nothing"):
        page.goto(path)
        assert serious(check, page) == []
    failing(visit)


def serious(check: Axe, page: Page) -> list[str]:
    found = check.run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in {"serious", "critical"}]


def test_without_a_script_the_first_question_is_answered(visit: Visit, entries: None, fake: FakePipeline) -> None:
    fake.given = an_answer(did_you_mean=CHOICES)
    page = visit(java_script_enabled=False)
    page.get_by_label("Your question").fill("How do I import?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(answer(page)).to_contain_text("Open the console")
    expect(answer(page).locator(".tools")).to_be_hidden()
    page.get_by_role("button", name="How do I pay?").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("You asked: How do I pay?")
    assert fake.asked[1]["conversation"] == fake.given.conversation

"""Answers, misses and the playground as people use them: real Chromium, both themes, wide and narrow, by keyboard."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from faq.models import Entry
from rag.answering.pipeline import answer
from rag.index import jobs, work
from rag.models import Job, MissGroup, Receipt
from tests.chat.visits import Visit
from tests.chat.visits import visit as visit  # the fixture
from tests.console.operating import serious, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]
BICYCLE = ["Where can I park my bicycle?", "where can I park my bike", "Is there a place to park a bicycle?"]
SCREENS = ["/admin/rag/receipt/", "/admin/rag/missgroup/", "/admin/playground/"]


@pytest.fixture
def asked(published: Published) -> MissGroup:
    """A few entries, questions that they answer, and three that ask for what is missing."""
    published("How do I reset my password?", "Choose Forgot password on the login page.")
    published("Where can I have lunch?", "In the canteen.")
    work.run(jobs.request().pk)
    for question in ["my password is gone, how can I get a new one", *BICYCLE]:
        answer(question)
    work.run(jobs.request("misses").pk)
    Job.objects.all().delete()  # so long ago that the sweep asks for the next at once
    return MissGroup.objects.get()


def ask(page: Page) -> None:
    page.get_by_role("button", name="Ask", exact=True).click()


def test_from_a_miss_to_the_entry_that_closes_it(visit: Visit, asked: MissGroup, editor: User) -> None:
    page = signed_in(visit, editor, "/admin/rag/missgroup/")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name=asked.question)).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Write the entry").click()
    expect(page.get_by_label("Question", exact=False).first).to_have_value(asked.question)
    page.locator("#id_answer").fill("In the yard behind the house.")
    page.locator("#id_status").select_option("published")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    work.run_waiting()  # the index follows ...
    work.sweep()
    work.run_waiting()  # ... and the misses after it
    page.goto("/admin/rag/missgroup/?show=answered")
    expect(page.get_by_text("now answers 3 of 3")).to_be_visible()
    page.get_by_role("link", name=asked.question).click()
    expect(page.get_by_text("answered now")).to_have_count(3)


def test_the_playground_compares_two_settings(visit: Visit, asked: MissGroup, editor: User) -> None:
    page = signed_in(visit, editor, "/admin/playground/")
    expect(page.get_by_role("group", name="Setting B")).to_be_hidden()
    page.get_by_label("Question").fill("my password is gone, how can I get a new one")
    page.get_by_label("Compare with a second setting").check()
    page.get_by_role("group", name="Setting B").get_by_label("Floor on the cosine").fill("0.95")
    ask(page)
    expect(page.locator("[data-try=a]").get_by_text("gave the answer")).to_be_visible()
    row = page.get_by_role("row", name="Answered by")
    expect(row.get_by_role("cell").nth(0)).to_have_text("verbatim")
    expect(row.get_by_role("cell").nth(1)).to_have_text("suggestions")
    page.get_by_role("button", name="Make this a case").click()
    expect(page.get_by_text("Kept as case")).to_be_visible()
    expect(page.get_by_role("group", name="Setting B").get_by_label("Floor on the cosine")).to_have_value("0.95")
    assert not Receipt.objects.filter(created_at__gt=asked.looked_at, answered_by="trial").exists()


def test_an_answer_is_explained_and_asked_again(visit: Visit, asked: MissGroup, editor: User) -> None:
    page = signed_in(visit, editor, "/admin/rag/receipt/")
    page.get_by_role("link", name="my password is gone").click()
    expect(page.get_by_role("heading", name="By meaning")).to_be_visible()
    Entry.objects.filter(question__startswith="How do I reset").update(status="archived")
    page.get_by_role("button", name="Ask again now").click()
    expect(page.get_by_text("It is answered by suggestions now, and was by verbatim.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_screen_is_in_anybodys_way(visit: Visit, asked: MissGroup, operator: User, theme: str) -> None:
    """Axe finds nothing serious; nothing sticks out sideways; the console of the browser stays silent."""
    receipt = Receipt.objects.filter(answered_by="verbatim").first()
    assert receipt is not None
    answer("Where do I leave my umbrella?")  # waits to be grouped
    page = signed_in(visit, operator, "/admin/", color_scheme=theme, width=1400)
    group = f"/admin/rag/missgroup/{asked.pk}"
    screens = [*SCREENS, f"{group}/change/", f"{group}/put-aside/", f"/admin/rag/receipt/{receipt.pk}/change/"]
    found = {}
    for address in [*screens, *(f"{one}?q=nothing" for one in SCREENS[:2])]:
        page.goto(address)
        found[address] = serious(page) + sticking_out(page)
    page.goto(f"/admin/playground/?question={receipt.question}&compare=on")
    ask(page)
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    page.get_by_text("The prompt").first.click()
    found["playground, asked"] = serious(page) + sticking_out(page)
    assert {address: faults for address, faults in found.items() if faults} == {}


def test_at_four_hundred_percent_everything_is_still_within_reach(
    visit: Visit, asked: MissGroup, operator: User
) -> None:
    page = signed_in(visit, operator, "/admin/", width=320, height=256)
    for address in [*SCREENS, f"/admin/rag/missgroup/{asked.pk}/change/"]:
        page.goto(address)
        assert sticking_out(page) == []


def test_with_nothing_asked_each_screen_says_what_will_fill_it(visit: Visit, operator: User) -> None:
    page = signed_in(visit, operator, "/admin/rag/receipt/")
    expect(page.get_by_text("Nothing has been asked yet")).to_be_visible()
    page.goto("/admin/rag/missgroup/")
    expect(page.get_by_text("Nothing is missing")).to_be_visible()
    assert serious(page) == []


def test_the_palette_knows_the_pages_and_a_receipt_by_its_id(visit: Visit, operator: User) -> None:
    one = Receipt.objects.create(
        conversation=uuid.uuid4(), question="How?", answer="So", answered_by="exact", confidence=1
    )
    page = signed_in(visit, operator, "/admin/")
    for term, title in (("misses", "What to write next"), (str(one.pk), "Open the receipt")):
        found = page.request.get("/admin/search/", params={"s": term, "extended": "1"}).text()
        assert title in found


def sticking_out(page: Page) -> list[str]:
    """What makes the page wider than its window."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{wide} pixels too wide"] if wide > 0 else []

"""The chat page as people use it: in a real browser, against a live server."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from rag.answering.pipeline import Source
from rag.models import Receipt
from tests.chat.fake_pipeline import FakePipeline, an_answer
from tests.chat.visits import CHOICES, Visit, answer, failing, type_and_send

pytestmark = pytest.mark.django_db(transaction=True)


# Asking


def test_an_answer_comes_piece_by_piece_and_ends_as_the_whole(page: Page, fake: FakePipeline) -> None:
    fake.pieces = ["Open ", "the con…"]
    fake.gate.clear()
    type_and_send(page, "How do I import?")
    expect(page.locator("#pending [data-part=text]")).to_have_text("Open ")
    expect(page.locator("#status")).to_have_text("Looking…")
    expect(page.locator("#pending").get_by_text("Looking…")).to_be_visible()
    fake.gate.set()
    expect(answer(page).locator("[data-part=text]")).to_have_text(fake.given.answer)
    expect(page.locator("#status")).to_have_text("")
    expect(page.get_by_text("Looking…").filter(visible=True)).to_have_count(0)
    expect(answer(page).get_by_role("heading", level=2)).to_have_text("You asked: How do I import?")
    expect(answer(page).get_by_role("link", name="How do I import a CSV file?")).to_have_attribute(
        "href", "/entries/import-csv/"
    )
    assert fake.asked[0]["channel"] == "sse"


def test_a_follow_up_keeps_its_conversation(page: Page, fake: FakePipeline) -> None:
    type_and_send(page, "One?")
    expect(answer(page)).to_contain_text("One?")
    type_and_send(page, "Two?")
    expect(answer(page)).to_contain_text("Two?")
    assert fake.asked[0]["conversation"] is None
    assert fake.asked[1]["conversation"] == fake.given.conversation
    expect(page.locator("#log article")).to_have_count(2)


def test_where_streams_are_blocked_the_answer_comes_as_json(page: Page, fake: FakePipeline) -> None:
    """A proxy that cuts the stream off after the first piece."""

    def cut(route: Route) -> None:
        if "event-stream" in route.request.headers["accept"]:
            route.fulfill(body='event: delta\ndata: {"text": "Op"}\n\n', content_type="text/event-stream")
        else:
            route.continue_()

    page.route("**/api/chat/?*", cut)
    type_and_send(page, "How?")
    expect(answer(page).locator("[data-part=text]")).to_have_text(fake.given.answer)
    assert [asked["channel"] for asked in fake.asked] == ["json"]


def test_an_example_is_asked_with_one_click(page: Page, fake: FakePipeline) -> None:
    page.get_by_role("button", name="How do I import a CSV file?").click()
    expect(answer(page)).to_contain_text("Open the console")
    expect(page.locator(".examples")).to_be_hidden()
    assert fake.questions == ["How do I import a CSV file?"]


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (an_answer(did_you_mean=CHOICES), "Did you mean"),
        (
            an_answer(answered_by="suggestions", sources=CHOICES, answer="So:\n• How do I pay?"),
            "You asked: money",
        ),
    ],
)
def test_another_question_that_was_meant_is_asked_with_one_click(
    page: Page, fake: FakePipeline, given: Any, title: str
) -> None:
    fake.given = given
    type_and_send(page, "money")
    expect(answer(page).get_by_role("heading", name=title)).to_be_visible()
    expect(answer(page).get_by_text("How do I pay?")).to_have_count(1)
    answer(page).get_by_role("button", name="How do I cancel?").click()
    expect(page.locator("#log article")).to_have_count(2)
    assert fake.questions == ["money", "How do I cancel?"]


def test_stop_ends_the_work_and_the_question_can_be_asked_again(page: Page, fake: FakePipeline) -> None:
    fake.pieces = ["word "] * 1000
    fake.gate.clear()
    type_and_send(page, "A long one?")
    expect(page.locator("#pending [data-part=text]")).to_have_text("word ")
    page.get_by_role("button", name="Stop").click()
    fake.gate.set()
    expect(answer(page)).to_contain_text("Stopped.")
    eventually(lambda: fake.closed == 1)
    fake.pieces = None
    page.get_by_role("button", name="Try again").click()
    expect(answer(page).locator("[data-part=text]")).to_have_text(fake.given.answer)
    assert fake.questions == ["A long one?"] * 2


def eventually(true: Any) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


# What can go wrong


def test_too_many_questions_counts_down_to_the_next_try(
    visit: Visit, page: Page, fake: FakePipeline, settings: Any
) -> None:
    settings.RATE_LIMIT_CHAT, settings.RATE_LIMIT_ENFORCED = "1/minute", True
    type_and_send(page, "One?")
    expect(answer(page)).to_contain_text("One?")
    type_and_send(page, "Two?")
    expect(answer(page)).to_contain_text("Too many questions. Try again in")
    expect(answer(page).locator("[data-retry]")).to_be_disabled()
    expect(answer(page).locator("[data-retry]")).to_contain_text("Try again in 5")
    failing(visit)


def test_a_lost_network_is_told_and_the_question_is_not_lost(visit: Visit, page: Page, fake: FakePipeline) -> None:
    page.context.set_offline(True)
    type_and_send(page, "Are you there?")
    expect(answer(page)).to_contain_text("The connection failed.")
    page.context.set_offline(False)
    answer(page).get_by_role("button", name="Try again").click()
    expect(answer(page).locator("[data-part=text]")).to_have_text(fake.given.answer)
    assert fake.questions == ["Are you there?"]
    failing(visit)


def test_a_failure_behind_can_be_tried_again(visit: Visit, page: Page, fake: FakePipeline) -> None:
    fake.fails = RuntimeError("4711")
    type_and_send(page, "Broken?")
    expect(answer(page)).to_contain_text("Something went wrong on our side.")
    expect(page.locator("body")).not_to_contain_text("4711")
    failing(visit)


def test_a_cookie_that_was_deleted_is_fetched_again(visit: Visit, page: Page, fake: FakePipeline) -> None:
    page.context.clear_cookies()
    type_and_send(page, "Still me?")
    expect(answer(page).locator("[data-part=text]")).to_have_text(fake.given.answer)
    failing(visit)


def test_a_question_that_is_too_long_is_told_before_it_is_sent(page: Page, fake: FakePipeline) -> None:
    type_and_send(page, "\U0001f600" * 1003)
    expect(page.locator("#hint")).to_have_text("3 characters too many.")
    expect(page.locator("#log article")).to_have_count(0)


# Texts


def test_markup_in_an_answer_is_text_and_only_web_addresses_are_links(page: Page, fake: FakePipeline) -> None:
    hostile = "<img src=x onerror=alert(1)> **b** [x](javascript:alert(2)) https://example.org/a.\nsecond line"
    fake.given = an_answer(answer=hostile, sources=[Source(1, "x", "<b>bold</b>?", 1.0)])
    dialogs: list[str] = []

    def opened(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", opened)
    type_and_send(page, "<script>alert(3)</script>")
    text = answer(page).locator("[data-part=text]")
    assert text.evaluate("element => element.textContent") == hostile
    expect(text.locator("*")).to_have_count(1)
    link = text.get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.org/a")
    expect(link).to_have_attribute("rel", "noopener nofollow ugc")
    expect(answer(page).get_by_role("link", name="<b>bold</b>?")).to_be_visible()
    assert dialogs == []


def test_a_degraded_answer_says_so_quietly(page: Page, fake: FakePipeline) -> None:
    fake.given = an_answer(degraded=["generate", "vector"])
    type_and_send(page, "How?")
    expect(answer(page).locator(".note")).to_have_text(
        "Answered without the AI that words answers and search by meaning, which cannot be reached right now."
    )


# Feedback


def test_an_answer_can_be_rated_with_a_reason_and_the_rating_taken_back(page: Page, fake: FakePipeline) -> None:
    receipt = Receipt.objects.create(conversation=uuid.uuid4(), answered_by="exact", confidence=1)
    fake.given = an_answer(id=receipt.pk)
    type_and_send(page, "How?")
    down = answer(page).get_by_role("button", name="Not helpful")
    down.click()
    expect(down).to_have_attribute("aria-pressed", "true")
    answer(page).get_by_label("What was missing or wrong?").fill("Out of date")
    answer(page).get_by_role("button", name="Send").click()
    expect(answer(page).locator("[data-part=reason]")).to_be_hidden()
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("down", "Out of date")
    down.click()
    expect(down).to_have_attribute("aria-pressed", "false")
    receipt.refresh_from_db()
    assert receipt.vote == ""


def test_an_answer_without_a_receipt_cannot_be_rated_and_says_so(visit: Visit, page: Page, fake: FakePipeline) -> None:
    type_and_send(page, "How?")
    answer(page).get_by_role("button", name="Helpful", exact=True).click()
    expect(answer(page).locator(".told")).to_have_text("This answer can no longer be rated.")
    failing(visit)


def test_the_id_of_an_answer_can_be_copied(page: Page, fake: FakePipeline) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_and_send(page, "How?")
    answer(page).get_by_role("button", name="Copy answer ID").click()
    expect(answer(page).locator(".told")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == str(fake.given.id)

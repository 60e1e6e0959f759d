"""The list of entries: what each row tells, its tabs, and that it asks no more of the database when there is more."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console.admin.entry_filters import EMPTY, TABS
from faq.models import Entry
from rag.index.coverage import STATES, TRIES, coverage, with_index_state
from rag.models import Embedding, EntryTally, Generation, IndexFailure, Receipt
from tests.conftest import Publish
from tests.console.test_entries_admin import LIST, as_editor, text

pytestmark = pytest.mark.django_db
__all__ = ["as_editor"]  # a fixture


@pytest.fixture
def live(db: None) -> Generation:
    return Generation.objects.create(collection="live", recipe="r", model="m", dimension=3, state="live")


def embed(entry: Entry, live: Generation, text_hash: str = "") -> None:
    now = Entry.objects.get(pk=entry.pk).text_hash
    Embedding.objects.create(generation=live, entry_id=entry.pk, text_hash=text_hash or now, points=2)


@pytest.fixture
def one_of_each(published: Publish, live: Generation) -> dict[str, Entry]:
    """An entry in each state, named by it."""
    entries = {state: published(f"{state}?", state) for state in STATES}
    for state in ("current", "leaving"):
        embed(entries[state], live)
    embed(entries["outdated"], live, "an older hash")
    now = Entry.objects.get(pk=entries["failed"].pk).text_hash
    IndexFailure.objects.create(generation=live, entry_id=entries["failed"].pk, text_hash=now, tries=TRIES)
    Entry.objects.filter(question__in=["unpublished?", "leaving?"]).update(status="draft")
    return entries


def listed(client: Client, query: str = "") -> set[str]:
    return {entry.question for entry in client.get(LIST + query).context["cl"].result_list}


# Index state


def test_each_entry_s_index_state_is_as_the_ledger_says(one_of_each: dict[str, Entry]) -> None:
    found = dict(with_index_state(Entry.objects.all()).values_list("question", "index_state"))
    assert found == {f"{state}?": state for state in STATES}
    now = coverage()
    assert (now.current, now.outdated, now.missing, now.parked, now.unpublished) == (1, 1, 2, 1, 1)


def test_without_a_generation_everything_published_is_missing(published: Publish) -> None:
    published("How?", "So")
    assert with_index_state(Entry.objects.all()).get().index_state == "missing"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("behind", {"outdated?", "missing?", "failed?"}),
        *((state, {f"{state}?"}) for state in STATES if state != "unpublished"),
    ],
)
def test_the_list_is_filtered_by_index_state(
    as_editor: Client, one_of_each: dict[str, Entry], value: str, found: set[str]
) -> None:
    assert listed(as_editor, f"?index={value}") == found


def test_the_list_says_the_state_in_words(as_editor: Client, one_of_each: dict[str, Entry]) -> None:
    page = text(as_editor.get(LIST))
    for words in ("Current", "Outdated", "Not yet", "Failed", "Not published", "Leaving"):
        assert words in page


# Asks and votes


def test_asks_and_votes_are_of_this_minute(as_editor: Client, published: Publish) -> None:
    entry = published("How?", "So")
    EntryTally.objects.create(entry_id=entry.pk, asks=1200, up=3, down=1)
    Receipt.objects.create(
        conversation="7a1f6a52-6d6f-4b0c-9d3f-0d6b1b1b1b1b",
        question="how",
        answer="So",
        answered_by="exact",
        confidence=1,
        entry_id=entry.pk,
    )
    page = text(as_editor.get(LIST))
    assert "1,201" in page
    assert "3 yes, 1 no" in page


def test_the_list_is_put_in_order_by_asks(as_editor: Client, published: Publish) -> None:
    for n in range(3):
        EntryTally.objects.create(entry_id=published(f"{n}?", "x").pk, asks=[5, 50, 0][n])
    column = as_editor.get(LIST).context["cl"].list_display.index("number_of_asks")
    rows = as_editor.get(f"{LIST}?o=-{column}").context["cl"].result_list
    assert [row.question for row in rows] == ["1?", "0?", "2?"]


# Tabs


@pytest.fixture
def morning(published: Publish, live: Generation) -> None:
    """One entry for each tab."""
    for question in ("Asked?", "Late?", "Not indexed?", "Silent?", "Bad?", "Draft?"):
        entry = published(question, "x")
        if question != "Not indexed?":
            embed(entry, live)
        if question != "Silent?":
            EntryTally.objects.create(entry_id=entry.pk, asks=5, up=2, down=2 if question == "Bad?" else 0)
    Entry.objects.filter(question="Late?").update(review_date=date(2020, 1, 1))
    Entry.objects.filter(question="Asked?").update(review_date=timezone.localdate() + timedelta(days=90))
    Entry.objects.filter(question="Draft?").update(status="draft")
    Embedding.objects.filter(entry_id=Entry.objects.get(question="Draft?").pk).delete()


@pytest.mark.parametrize(
    ("tab", "found"),
    [
        ("All", {"Asked?", "Late?", "Not indexed?", "Silent?", "Bad?", "Draft?"}),
        ("Drafts", {"Draft?"}),
        ("Needs review", {"Late?"}),
        ("Not indexed", {"Not indexed?"}),
        ("Never asked", {"Silent?"}),
        ("Disliked", {"Bad?"}),
    ],
)
def test_a_tab_leads_to_just_its_entries_and_is_lit(
    as_editor: Client, morning: None, tab: str, found: set[str]
) -> None:
    items = as_editor.get(LIST).context["tab_list"][0]["items"]
    address = next(item["link"] for item in items if item["title"] == tab)
    page = as_editor.get(address)
    assert {entry.question for entry in page.context["cl"].result_list} == found
    lit = [item["title"] for item in page.context["tab_list"][0]["items"] if item["active"]]
    assert lit == [tab]
    assert [item["title"] for item in items] == list(TABS)


def test_filters_are_kept_after_an_action(as_editor: Client, morning: None) -> None:
    entry = Entry.objects.get(question="Silent?")
    response = as_editor.post(f"{LIST}?asked=never", {"action": "archive", "_selected_action": [entry.pk]})
    assert response["Location"] == f"{LIST}?asked=never"


def test_export_of_those_selected_is_just_those(as_editor: Client, morning: None) -> None:
    entry = Entry.objects.get(question="Bad?")
    response: Any = as_editor.post(LIST, {"action": "export_selected", "_selected_action": [entry.pk]})
    sheet = b"".join(response.streaming_content).decode("utf-8-sig")
    assert sheet.count("\n") == 2
    assert "Bad?" in sheet


def test_only_published_entries_are_indexed_anew(as_editor: Client, morning: None) -> None:
    entry = Entry.objects.get(question="Draft?")
    page = as_editor.post(LIST, {"action": "reindex", "_selected_action": [entry.pk]}, follow=True)
    assert "None of these entries is published" in text(page)


# Nothing to show


def test_no_entries_say_what_to_do_next_to_whom_may(as_editor: Client, client: Client) -> None:
    page = text(as_editor.get(LIST))
    assert "There are no entries yet." in page
    assert "Write the first entry" in page
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(*_view())
    client.force_login(looker)
    assert "You may look at entries, and not write them" in text(client.get(LIST))


def _view() -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=["view_entry", "view_category"])


@pytest.mark.parametrize("tab", sorted(EMPTY))
def test_an_empty_tab_says_what_that_means(as_editor: Client, published: Publish, tab: str) -> None:
    Entry.objects.filter(pk=published("How?", "So").pk).update(status="archived")
    query = "?" + "&".join(f"{name}={value}" for name, value in TABS[tab].items())
    assert EMPTY[tab][0] in text(as_editor.get(LIST + query))
    assert "No entry fits." in text(as_editor.get(f"{LIST}{query}&q=nothing"))


# Its cost


def test_the_number_of_questions_to_the_database_does_not_grow(
    as_editor: Client, published: Publish, live: Generation
) -> None:
    counted = []
    for size in (3, 40):
        while Entry.objects.count() < size:
            n = Entry.objects.count()
            entry = published(f"{n}?", f"answer {n}", category=f"C{n % 7}")
            embed(entry, live)
            EntryTally.objects.create(entry_id=entry.pk, asks=n)
        with CaptureQueriesContext(connection) as asked:
            assert as_editor.get(LIST).status_code == 200
        counted.append(len(asked))
    assert counted[0] == counted[1]
    assert counted[0] < 25


def test_the_form_asks_the_same_number_of_questions_however_long_the_history(
    as_editor: Client, published: Publish, live: Generation
) -> None:
    entry = published("How?", "So")
    counted: list[int] = []
    for name in ("change", "history"):
        as_editor.get(reverse(f"admin:faq_entry_{name}", args=[entry.pk]))  # what a process asks only once
    for _ in range(2):
        for n in range(5):
            entry.answer = f"So {n} {len(counted)}"
            entry.save()
        for name in ("change", "history"):
            with CaptureQueriesContext(connection) as asked:
                assert as_editor.get(reverse(f"admin:faq_entry_{name}", args=[entry.pk])).status_code == 200
            counted.append(len(asked))
    assert counted[:2] == counted[2:]

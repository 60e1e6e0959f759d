"""What people see without a script: the page, an answer on it, an entry, an error."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from faq.models import Category, Entry
from rag.answering.pipeline import Source
from tests.chat.fake_pipeline import FakePipeline, an_answer

HOSTILE = '"><script>alert(1)</script>'


class Page(HTMLParser):
    """What the tests ask of a page: its tags, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def entry(db: None) -> Entry:
    category = Category.objects.create(name="Import")
    return Entry.objects.create(
        external_id="import-csv",
        category=category,
        question="How do I import a CSV file?",
        answer="Open the console.\nSee https://example.org/guide.",
        status="published",
    )


def post(client: Client, question: str, **fields: str) -> Any:
    """As the form does: with the token that is on the page."""
    return client.post("/", {"question": question, "csrfmiddlewaretoken": token(client), **fields})


def token(client: Client) -> str:
    html = client.get("/").content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
    assert found
    return found[1]


@pytest.fixture
def reader() -> Client:
    return Client(enforce_csrf_checks=True)


def test_the_page_offers_a_question_of_each_category(reader: Client, entry: Entry) -> None:
    Entry.objects.create(category=entry.category, question="A draft?", answer="a", status="draft")
    Entry.objects.create(category=entry.category, question="A second?", answer="a", status="published")
    empty = Category.objects.create(name="Empty")
    Entry.objects.create(category=empty, question="x" * 200, answer="a", status="published")
    page = Page(reader.get("/").content.decode())
    assert [button["value"] for button in page.all("button") if button.get("class") == "choice"] == [entry.question]
    assert "Import" in page.text


def test_the_page_opens_while_the_database_does_not_answer(
    reader: Client, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(Entry.objects, "published", lambda: _Broken())
    response = reader.get("/")
    assert response.status_code == 200
    assert "What would you like to know?" in response.content.decode()


class _Broken:
    """A query that fails only once it runs, as queries do."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self

    def __getitem__(self, key: object) -> Any:
        raise OperationalError("no database")


def test_a_question_is_answered_on_the_page_without_a_script(reader: Client, fake: FakePipeline, entry: Entry) -> None:
    fake.given = an_answer(answer="Open it.\nSee https://example.org/a.", degraded=["generate"])
    response = post(reader, " How do I import? ")
    page = Page(response.content.decode())
    assert response.status_code == 200
    assert fake.asked[0]["question"] == "How do I import?"
    assert fake.asked[0]["channel"] == "page"
    assert "How do I import?" in page.text
    assert "Open it.\nSee https://example.org/a." in page.text
    assert "Answered without the AI that words answers" in page.text
    links = {link["href"]: link for link in page.all("a")}
    assert links["https://example.org/a"]["rel"] == "noopener nofollow ugc"
    assert "/entries/import-csv/" in links
    assert {"type": "hidden", "name": "conversation", "value": str(fake.given.conversation)} in page.all("input")


def test_a_follow_up_goes_on_with_its_conversation(reader: Client, fake: FakePipeline, db: None) -> None:
    conversation = str(uuid.uuid4())
    post(reader, "And then?", conversation=conversation)
    assert str(fake.asked[0]["conversation"]) == conversation


@pytest.mark.parametrize("nonsense", ["", "x", "\x00", "1" * 900])
def test_a_conversation_that_is_none_begins_a_new_one(
    reader: Client, fake: FakePipeline, db: None, nonsense: str
) -> None:
    assert post(reader, "And then?", conversation=nonsense).status_code == 200
    assert fake.asked[0]["conversation"] is None


def test_suggestions_can_be_asked_without_a_script(reader: Client, fake: FakePipeline, db: None) -> None:
    fake.given = an_answer(answered_by="suggestions", sources=[Source(1, "a", "How do I pay?", 0.3)])
    page = Page(post(reader, "money").content.decode())
    assert {"class": "choice", "name": "question", "value": "How do I pay?", "dir": "auto"} in page.all("button")
    assert page.text.count(str(fake.given.conversation)) == 0


@pytest.mark.parametrize(
    ("question", "says"),
    [(" \u200b ", "is empty"), ("x" * 1001, "is longer than 1,000 characters"), ("a\x00b", "NUL")],
)
def test_a_question_that_cannot_be_asked_is_told_why_and_kept(
    reader: Client, fake: FakePipeline, db: None, question: str, says: str
) -> None:
    response = post(reader, question)
    assert response.status_code == 400
    assert says in response.content.decode()
    if question.startswith("x"):
        assert question in response.content.decode()
    assert fake.asked == []


def test_too_many_questions_are_told_when_to_come_back(
    reader: Client, fake: FakePipeline, db: None, settings: Any
) -> None:
    settings.RATE_LIMIT_CHAT, settings.RATE_LIMIT_ENFORCED = "1/hour", True
    assert post(reader, "a").status_code == 200
    response = post(reader, "b")
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "Too many questions" in response.content.decode()


def test_a_failure_behind_is_told_on_the_page_without_its_details(reader: Client, fake: FakePipeline, db: None) -> None:
    fake.fails = RuntimeError("the secret is 4711")
    response = post(reader, "a")
    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()
    assert "4711" not in response.content.decode()


@pytest.mark.parametrize("where", ["answer", "question", "source", "note", "id"])
def test_markup_in_any_text_is_shown_and_not_run(reader: Client, fake: FakePipeline, db: None, where: str) -> None:
    fake.given = {
        "answer": an_answer(answer=HOSTILE),
        "source": an_answer(sources=[Source(1, HOSTILE, HOSTILE, 0.5)], did_you_mean=[Source(1, "b", HOSTILE, 0.5)]),
        "note": an_answer(degraded=[HOSTILE]),
    }.get(where, an_answer())
    html = post(reader, HOSTILE if where == "question" else "a").content.decode()
    assert "<script>alert" not in html
    assert all(script.get("src") for script in Page(html).all("script"))


def test_no_page_has_an_inline_script_style_or_handler(reader: Client, fake: FakePipeline, entry: Entry) -> None:
    for html in (
        reader.get("/").content.decode(),
        post(reader, "a").content.decode(),
        reader.get("/entries/import-csv/").content.decode(),
        reader.get("/nothing").content.decode(),
    ):
        page = Page(html)
        assert page.all("style") == []
        assert all(script.get("src") for script in page.all("script"))
        for _, attributes in page.tags:
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_pages_are_sent_with_the_strict_policy(reader: Client, db: None) -> None:
    policy = reader.get("/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_page_with_a_token_is_kept_by_no_shared_cache(reader: Client, db: None) -> None:
    response = reader.get("/")
    assert "private" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_a_form_without_its_token_is_403_as_a_page(reader: Client, fake: FakePipeline) -> None:
    response = reader.post("/", {"question": "a"})
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
    assert "open for too long" in response.content.decode()
    assert fake.asked == []


def test_the_page_by_another_method_is_405(reader: Client) -> None:
    response = Client().delete("/")
    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


# Entries


def test_a_published_entry_has_a_page(reader: Client, entry: Entry) -> None:
    page = Page(reader.get("/entries/import-csv/").content.decode())
    assert entry.question in page.text
    assert "Open the console.\nSee https://example.org/guide." in page.text
    assert "https://example.org/guide" in [link["href"] for link in page.all("a")]


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_an_entry_that_is_not_published_has_none(reader: Client, entry: Entry, status: str) -> None:
    Entry.objects.filter(pk=entry.pk).update(status=status)
    response = reader.get("/entries/import-csv/")
    assert response.status_code == 404
    assert entry.question not in response.content.decode()


@pytest.mark.parametrize("path", ["/entries/nothing/", "/entries/%00/", "/entries/a%0ab/", "/entries/%ff/", "/x"])
def test_an_address_of_nothing_is_a_small_page(reader: Client, db: None, path: str) -> None:
    response = reader.get(path)
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert "There is nothing at this address" in response.content.decode()


@pytest.mark.parametrize("external_id", ["a/b", "a b", "é", "a\nb", "?#%2f"])
def test_the_address_of_a_source_opens_its_entry(
    reader: Client, entry: Entry, fake: FakePipeline, external_id: str
) -> None:
    Entry.objects.filter(pk=entry.pk).update(external_id=external_id)
    fake.given = an_answer(sources=[Source(entry.pk, external_id, entry.question, 1.0)])
    page = Page(post(reader, "a").content.decode())
    address = next(link["href"] for link in page.all("a") if (link["href"] or "").startswith("/entries/"))
    assert address and reader.get(address).status_code == 200


def test_the_contact_is_a_link_where_it_can_be_one(reader: Client, db: None, settings: Any) -> None:
    settings.CONTACT = "help@example.org"
    assert "mailto:help@example.org" in [link["href"] for link in Page(reader.get("/").content.decode()).all("a")]


def test_large_forms_are_refused_before_they_are_read(fake: FakePipeline) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post("/", {"question": "x" * 20_000})
    assert (page.status_code, page["Content-Type"]) == (413, "text/html; charset=utf-8")
    api = client.post("/api/chat/", {"question": "x" * 20_000})
    assert (api.status_code, api.json()["error"]["code"]) == (413, "body_too_large")

"""The playground: values for one try, two side by side, and what can be made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from faq.models import Entry
from rag import metrics
from rag.answering import pipeline, prompt
from rag.answering.tuning import Tuning
from rag.index import jobs, work
from rag.models import Case, Receipt
from tests.conftest import InRole
from tests.console.test_entries_admin import text
from tests.standins.gemini import API_KEY, GeminiStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
PLAYGROUND = reverse("admin:playground")
ASKED = "my password is gone, how can I get a new one"
Published = Callable[..., Entry]


@pytest.fixture(autouse=True)
def entry(published: Published) -> Entry:
    entry = published("How do I reset my password?", "Choose Forgot password on the login page.")
    published("Where do I find my invoice?", "Under Billing.")
    work.run(jobs.request().pk)
    return entry


@pytest.fixture
def as_editor(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def values(prefix: str, **changed: Any) -> dict[str, Any]:
    usual = {"threshold": 0.5, "text_weight": 0.2, "likely": 0.5, "sure": 0.75, "top_k": 5}
    return {f"{prefix}-{name}": value for name, value in (usual | changed).items()}


def ask(client: Client, **more: Any) -> Any:
    return client.post(PLAYGROUND, {"question": ASKED, "generate": "on", **values("a"), **values("b"), **more})


class TestTrying:
    def test_every_rung_and_what_lies_behind_it(self, as_editor: Client) -> None:
        page = text(ask(as_editor))
        for part in ("no such question", "gave the answer", "cuts: likely 0.50", "as it would be sent", "answered_by"):
            assert part in page

    def test_two_settings_are_told_apart(self, as_editor: Client) -> None:
        response = ask(as_editor, compare="on", **{"b-threshold": 0.95})
        assert [one.story.answered_by for one in response.context["tries"]] == ["verbatim", "suggestions"]
        assert ("Answered by", "verbatim", "suggestions") in response.context["differences"]
        assert response.context["tries"][1].changed == ["floor on the cosine 0.95, usually 0.5"]

    def test_the_weights_reach_the_ranking(self) -> None:
        words = pipeline.try_out(ASKED, Tuning(0.0, 5, 1.0, 0.75, 0.5)).receipt.looks[0]
        meaning = pipeline.try_out(ASKED, Tuning(0.0, 5, 0.0, 0.75, 0.5)).receipt.looks[0]
        score, cosine = meaning["entries"][0][1:]
        assert score == cosine
        assert words["entries"][0][1] != words["entries"][0][2]

    def test_nothing_is_left_behind(self, as_editor: Client) -> None:
        before = {name: getattr(settings, name) for name in ("RAG_SIMILARITY_THRESHOLD", "RAG_TOP_K", "RAG_SURE")}
        counted = metrics.ANSWERS.labels("verbatim", "trial")._value.get()
        ask(as_editor, **{"a-threshold": 0.9, "a-top_k": 1, "a-sure": 0.9})
        assert not Receipt.objects.exists()
        assert {name: getattr(settings, name) for name in before} == before
        assert metrics.ANSWERS.labels("verbatim", "trial")._value.get() == counted
        assert pipeline.answer(ASKED).answered_by == "verbatim"

    def test_a_kept_answer_is_passed_by(self, as_editor: Client) -> None:
        pipeline.answer(ASKED)
        assert pipeline.answer(ASKED).cached
        assert ask(as_editor, **{"a-threshold": 0.95}).context["tries"][0].story.answered_by == "suggestions"

    @pytest.mark.parametrize(
        ("changed", "fault"),
        [
            ({"question": " "}, "Write a question to ask."),
            ({"a-threshold": "2"}, "less than or equal to 1"),
            ({"a-top_k": "0"}, "greater than or equal to 1"),
            ({"a-likely": "0.9"}, "At most what it is sure from."),
            ({"a-sure": "nan"}, "Enter a number."),
        ],
    )
    def test_a_value_that_cannot_be_is_named_at_its_field(
        self, as_editor: Client, changed: dict[str, Any], fault: str
    ) -> None:
        response = ask(as_editor, **changed)
        assert fault in text(response)
        assert response.context["tries"] == []

    def test_the_prompt_is_shown_without_its_mark_and_the_model_only_asked_when_wanted(
        self, as_editor: Client, gemini: GeminiStandIn, settings: Settings
    ) -> None:
        settings.GENERATOR = "rag.answering.generation.GeminiGenerator"
        settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = API_KEY, gemini.url
        shown = ask(as_editor).context["tries"][0]
        assert shown.story.answered_by == "generated"
        assert shown.sent
        assert prompt.CANARY not in shown.prompt.system
        asked = len(gemini.requests)
        assert ask(as_editor, generate="").context["tries"][0].story.answered_by == "verbatim"
        assert len(gemini.requests) == asked

    def test_a_get_only_fills_in_the_form(self, as_editor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pipeline, "try_out", lambda *_, **__: pytest.fail("it was asked"))
        page = as_editor.get(PLAYGROUND, {"question": ASKED, "a-threshold": "0.7"})
        assert page.context["form"]["question"].value() == ASKED
        assert page.context["settings"][0][1]["threshold"].value() == "0.7"


class TestMaking:
    def test_a_case_names_the_entries_that_should_answer(self, as_editor: Client, entry: Entry, editor: User) -> None:
        said = as_editor.post(
            reverse("admin:playground_case"), {"question": ASKED, "entry": entry.pk, **values("a", threshold=0.7)}
        )
        case = Case.objects.get()
        assert (case.question, case.relevant, case.created_by) == (ASKED, [entry.external_id], editor)
        assert "a-threshold=0.7" in said.headers["Location"]
        again = as_editor.post(reverse("admin:playground_case"), {"question": ASKED, "entry": entry.pk}, follow=True)
        assert "is a case already" in text(again)

    def test_a_case_that_must_not_be_answered(self, as_editor: Client) -> None:
        path = reverse("admin:playground_case")
        assert "say that it must not be answered" in text(as_editor.post(path, {"question": "Who?"}, follow=True))
        as_editor.post(path, {"question": "Who?", "none": "1"})
        assert Case.objects.get().relevant == []

    def test_a_variant_makes_it_exact(self, as_editor: Client, entry: Entry) -> None:
        as_editor.post(reverse("admin:playground_variant"), {"question": ASKED, "entry": entry.pk})
        assert pipeline.answer(ASKED).answered_by == "exact"

    def test_a_case_can_be_written_by_hand(self, as_editor: Client, entry: Entry) -> None:
        add = reverse("admin:rag_case_add")
        wrong = as_editor.post(add, {"question": ASKED, "relevant": "nowhere", "note": ""})
        assert "There is no entry nowhere" in text(wrong)
        as_editor.post(add, {"question": ASKED, "relevant": entry.external_id, "note": "asked often"})
        assert Case.objects.get().relevant == [entry.external_id]
        assert ASKED in text(as_editor.get(reverse("admin:rag_case_changelist")))


def test_who_may_only_look_can_ask_and_keeps_nothing(client: Client, in_role: InRole, entry: Entry) -> None:
    client.force_login(in_role("analyst"))
    assert ask(client).status_code == 200
    for name in ("playground_case", "playground_variant"):
        path = reverse(f"admin:{name}")
        assert client.post(path, {"question": "q", "entry": entry.pk}).status_code == 403
        assert client.get(path).status_code == 405
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert [client.get(PLAYGROUND).status_code, ask(client).status_code] == [403, 403]

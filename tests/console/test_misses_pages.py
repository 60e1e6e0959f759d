"""The misses in the console: what is shown, what can be done, by whom, and how the entry is tied to its group."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console.models import AuditEvent
from faq.fields import lines
from faq.models import Category, Entry, PendingEdit
from rag.answering.pipeline import answer
from rag.errors import EmbedderUnavailable, VectorStoreUnavailable
from rag.index import jobs, work
from rag.index.embedded_store import EmbeddedStore
from rag.index.embedding import OnnxEmbedder
from rag.models import Job, MissGroup
from tests.conftest import InRole
from tests.console.test_entries_admin import text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
LIST = reverse("admin:rag_missgroup_changelist")
Published = Callable[..., Entry]
BICYCLE = ["Where can I park my bicycle?", "where can I park my bike", "Is there a place to park a bicycle?"]


@pytest.fixture
def indexed_entries(published: Published) -> None:
    published("Where can I have lunch?", "In the canteen.")
    published("When are you open?", "From nine to five.")
    work.run(jobs.request().pk)


@pytest.fixture
def parking(indexed_entries: None) -> MissGroup:
    """A group of four asks, and an entry that lies near."""
    for question in [*BICYCLE, BICYCLE[0]]:
        answer(question)
    assert work.run(jobs.request(Job.Kind.MISSES).pk)
    return MissGroup.objects.get()


@pytest.fixture
def as_editor(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def of(group: MissGroup) -> str:
    return reverse("admin:rag_missgroup_change", args=[group.pk])


def act(client: Client, group: MissGroup, verb: str, **values: object) -> str:
    """What the page says afterwards."""
    path = reverse("admin:rag_missgroup_act", args=[group.pk, verb])
    said = text(client.post(path, values, follow=True))
    group.refresh_from_db()
    return said


class TestLooking:
    def test_the_list_shows_what_to_write_next(self, as_editor: Client, parking: MissGroup) -> None:
        page = text(as_editor.get(LIST))
        for part in (BICYCLE[0], "4 asks", "3 wordings", "Open 1", "Take"):
            assert part in page

    def test_a_group_shows_wordings_asks_and_what_lies_near(self, as_editor: Client, parking: MissGroup) -> None:
        page = text(as_editor.get(of(parking)))
        assert all(question in page for question in BICYCLE)
        assert "Where can I have lunch?" in page

    def test_without_the_index_near_entries_come_by_words_and_it_says_so(
        self, as_editor: Client, parking: MissGroup
    ) -> None:
        with mock.patch.object(EmbeddedStore, "search", side_effect=VectorStoreUnavailable("refused")):
            page = text(as_editor.get(of(parking)))
        assert "The index cannot be asked (vector store). These were found by their words." in page
        assert "Where can I have lunch?" in page

    def test_what_is_not_grouped_yet_is_shown_with_what_keeps_it(
        self, as_editor: Client, indexed_entries: None
    ) -> None:
        answer("Do you ship to Norway?")
        assert "1 new, not grouped yet" in text(as_editor.get(LIST))
        with mock.patch.object(OnnxEmbedder, "embed", side_effect=EmbedderUnavailable("missing", "no model here")):
            work.run(jobs.request(Job.Kind.MISSES).pk)
        page = text(as_editor.get(LIST))
        assert "Grouping waits: embedder: no model here" in page
        assert "Do you ship to Norway?" in page

    def test_it_is_grouped_at_once_when_asked_for(self, as_editor: Client, editor: User, indexed_entries: None) -> None:
        answer("Do you ship to Norway?")
        said = text(as_editor.post(reverse("admin:rag_missgroup_group_now"), follow=True))
        job = Job.objects.get(kind=Job.Kind.MISSES)
        assert f"job #{job.pk}" in said
        assert job.requested_by == editor

    @pytest.mark.parametrize("show", ["open", "snoozed", "out_of_scope", "answered", "nonsense"])
    def test_an_empty_list_says_why(self, as_editor: Client, show: str) -> None:
        page = text(as_editor.get(LIST, {"show": show}))
        assert ("Nothing is missing" if show in {"open", "nonsense"} else "There is none here") in page

    def test_queries_do_not_grow(self, as_editor: Client, parking: MissGroup) -> None:
        counts = []
        for copies in (0, 40):
            for number in range(copies):
                parking.pk, parking.question = None, f"Where is number {number}?"
                parking.save(force_insert=True)
            as_editor.get(LIST)
            with CaptureQueriesContext(connection) as asked:
                as_editor.get(LIST)
            counts.append(len(asked))
        assert counts[0] == counts[1]


class TestActs:
    def test_taken_given_back_put_off_aside_and_opened(
        self, as_editor: Client, parking: MissGroup, editor: User
    ) -> None:
        act(as_editor, parking, "take")
        assert parking.owner == editor
        assert parking.question in text(as_editor.get(LIST, {"mine": "1"}))
        act(as_editor, parking, "leave")
        assert parking.owner is None
        assert "Put off for a month" in act(as_editor, parking, "snooze", **{"for": "month"})
        assert parking.state == "snoozed"
        assert parking.snoozed_until and parking.snoozed_until > timezone.now() + timedelta(days=29)
        put_aside = reverse("admin:rag_missgroup_put_aside", args=[parking.pk])
        asked = text(as_editor.get(put_aside))
        assert parking.question in asked
        assert "4 asks in 3 wordings" in asked
        assert "Open it again" in asked
        as_editor.post(put_aside)
        parking.refresh_from_db()
        assert "already" in text(as_editor.get(put_aside))
        assert (parking.state, parking.snoozed_until) == ("out_of_scope", None)
        act(as_editor, parking, "reopen")
        assert (parking.state, parking.closed_at) == ("open", None)
        assert AuditEvent.objects.filter(kind="rag.missgroup", actor=editor).count() == 5

    def test_a_near_entry_gets_a_variant_and_that_closes_the_group(
        self, as_editor: Client, parking: MissGroup, editor: User
    ) -> None:
        entry = Entry.objects.get(question="Where can I have lunch?")
        wording = parking.questions.get(question=BICYCLE[2])
        said = act(as_editor, parking, "variant", entry=entry.pk, question=wording.pk)
        assert f"“{BICYCLE[2]}” is a variant" in said
        entry.refresh_from_db()
        assert entry.variants == [BICYCLE[2]]
        newest = entry.history.first()
        assert newest is not None
        assert newest.history_user == editor
        work.run(jobs.request().pk)
        work.run(jobs.request(Job.Kind.MISSES).pk)
        parking.refresh_from_db()
        assert (parking.state, parking.entry_id) == ("answered", entry.pk)
        assert "now answers 4 of 4" in text(as_editor.get(of(parking)))

    def test_a_wording_that_is_there_already_is_refused(self, as_editor: Client, parking: MissGroup) -> None:
        entry = Entry.objects.get(question="Where can I have lunch?")
        act(as_editor, parking, "variant", entry=entry.pk)
        assert "has this wording already" in act(as_editor, parking, "variant", entry=entry.pk)

    def test_four_eyes_hold_for_a_variant_too(self, as_editor: Client, parking: MissGroup) -> None:
        Category.objects.update(four_eyes=True)
        entry = Entry.objects.get(question="Where can I have lunch?")
        assert "waits for another person to publish it" in act(as_editor, parking, "variant", entry=entry.pk)
        entry.refresh_from_db()
        assert entry.variants == []
        assert PendingEdit.objects.get(entry=entry).variants == [parking.question]
        assert "An edit of yours waits already" in act(as_editor, parking, "variant", entry=entry.pk)

    def test_asking_again_tells_how_many_find_an_answer(self, as_editor: Client, parking: MissGroup) -> None:
        assert "Asked again: now answers 0 of 4." in act(as_editor, parking, "replay")
        with mock.patch.object(OnnxEmbedder, "embed", side_effect=EmbedderUnavailable("missing")):
            said = act(as_editor, parking, "replay")
        assert "Nothing was changed. Replay: the questions cannot be asked again while embed is out" in said

    def test_one_goes_back_to_where_one_was_but_not_out_of_the_console(
        self, as_editor: Client, parking: MissGroup
    ) -> None:
        path = reverse("admin:rag_missgroup_act", args=[parking.pk, "take"])
        back = f"{LIST}?show=open&page=2"
        assert as_editor.post(path, {"back": back}).headers["Location"] == back
        assert as_editor.post(path, {"back": "//evil.example/admin/rag/missgroup/"}).headers["Location"] == of(parking)

    @pytest.mark.parametrize("verb", ["take", "leave", "snooze", "reopen", "replay", "variant"])
    def test_who_may_only_look_changes_nothing(
        self, client: Client, parking: MissGroup, in_role: InRole, verb: str
    ) -> None:
        client.force_login(in_role("analyst"))
        path = reverse("admin:rag_missgroup_act", args=[parking.pk, verb])
        assert [client.get(path).status_code, client.post(path).status_code] == [405, 403]
        assert client.post(reverse("admin:rag_missgroup_group_now")).status_code == 403

    def test_an_act_that_is_none_is_404(self, as_editor: Client, parking: MissGroup) -> None:
        assert as_editor.post(reverse("admin:rag_missgroup_act", args=[parking.pk, "eat"])).status_code == 404


class TestWriting:
    def test_the_form_comes_filled_in_and_the_entry_belongs_to_the_group(
        self, as_editor: Client, parking: MissGroup
    ) -> None:
        address = as_editor.get(of(parking)).context["write_url"]
        form = as_editor.get(address).context["adminform"].form
        assert form["question"].value() == BICYCLE[0]
        assert lines(form["variants"].value()) == BICYCLE[1:]
        category = Category.objects.get()
        assert str(form["category"].value()) == str(category.pk)
        filled = {
            "question": BICYCLE[0],
            "answer": "In the yard.",
            "variants": BICYCLE[1],
            "category": category.pk,
            "language": "en",
            "tags": "",
            "status": "draft",
            "external_id": "bicycle",
        }
        as_editor.post(address, filled)
        parking.refresh_from_db()
        assert parking.entry_id == Entry.objects.get(external_id="bicycle").pk
        assert "entry begun" in text(as_editor.get(LIST))

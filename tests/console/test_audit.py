"""The audit log: who, what, before, after, from where; never a secret; read by those who may."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from console import audit
from console.environment import current
from console.environment.schema import plain
from console.models import AuditEvent
from faq.models import Entry
from rag.index import jobs, work
from rag.models import Job
from tests.conftest import InRole, Publish
from tests.console.test_entries_admin import LIST, as_editor, fields, text
from tests.console.test_entry_transfer import CONFIRM, own_folder, token, upload

pytestmark = pytest.mark.django_db
LOG = reverse("admin:console_auditevent_changelist")
Verb = AuditEvent.Verb
__all__ = ["as_editor", "own_folder"]  # fixtures


def newest() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def change(entry: Entry) -> str:
    return reverse("admin:faq_entry_change", args=[entry.pk])


# What is written down


def test_an_edit_tells_who_what_from_where_and_both_texts(
    as_editor: Client, editor: User, published: Publish, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    entry = published("How do I pay?", "By card")
    sent = fields(answer="In cash", status="published", external_id=entry.external_id)
    headers = {"X-Request-ID": "abc-1", "X-Forwarded-For": "203.0.113.7"}
    assert as_editor.post(change(entry), sent, headers=headers).status_code == 302
    event = newest()
    assert (event.actor, event.actor_name, event.verb) == (editor, "editor", Verb.CHANGED)
    assert (event.kind, event.object_id, event.object_name) == ("faq.entry", str(entry.pk), "How do I pay?")
    assert (event.before, event.after) == ({"answer": "By card"}, {"answer": "In cash"})
    assert (event.address, event.request_id) == ("203.0.113.7", "abc-1")


def test_adding_publishing_restoring_and_deleting_have_their_own_words(
    as_editor: Client, in_role: InRole, client: Client
) -> None:
    as_editor.post(reverse("admin:faq_entry_add"), fields())
    entry = Entry.objects.get()
    as_editor.post(change(entry), fields(status="published"))
    first = entry.history.earliest("history_date")
    as_editor.post(reverse("admin:faq_entry_simple_history", args=[entry.pk, first.pk]), fields())
    client.force_login(in_role("reviewer"))
    client.post(reverse("admin:faq_entry_delete", args=[entry.pk]), {"post": "yes"})
    verbs = list(AuditEvent.objects.filter(kind="faq.entry").order_by("pk").values_list("verb", flat=True))
    assert verbs == [Verb.CREATED, Verb.PUBLISHED, Verb.RESTORED, Verb.DELETED]
    assert newest().before["question"] == "How do I pay?"


def test_saving_without_a_change_is_no_event(as_editor: Client, published: Publish) -> None:
    entry = published("How do I pay?", "By card")
    before = AuditEvent.objects.count()
    as_editor.post(change(entry), fields(status="published", external_id=entry.external_id))
    assert AuditEvent.objects.count() == before


def test_many_at_once_are_one_event_that_names_them(as_editor: Client, published: Publish) -> None:
    entries = [published(f"Question {n}?", "x") for n in range(3)]
    as_editor.post(LIST, {"action": "archive", "_selected_action": [entry.pk for entry in entries]})
    assert (newest().verb, newest().object_name) == (Verb.ARCHIVED, "3 entries")
    assert set(newest().after["entries"]) == {entry.external_id for entry in entries}


def test_a_job_asked_for_names_the_job(as_editor: Client, published: Publish) -> None:
    entry = published("How do I pay?", "By card")
    draft = Entry.objects.create(question="Draft?", answer="x", category=entry.category)
    page = as_editor.post(LIST, {"action": "reindex", "_selected_action": [entry.pk, draft.pk]}, follow=True)
    job = Job.objects.get(scope={"entries": [entry.pk]})
    assert f"Started job #{job.pk}: 1 entry indexed anew." in text(page)
    assert (newest().verb, newest().kind, newest().object_id) == (Verb.JOB_ASKED, "rag.job", str(job.pk))


def test_an_import_is_one_event_and_a_preview_is_none(as_editor: Client) -> None:
    preview = upload(as_editor)
    assert not AuditEvent.objects.filter(verb=Verb.IMPORTED).exists()
    as_editor.post(CONFIRM, {"token": token(preview), "confirm": "1"})
    assert (newest().verb, newest().object_name) == (Verb.IMPORTED, "entries.csv")
    assert newest().after == {"new": 2, "changed": 0, "publish": False}


def test_a_role_that_is_given_is_written_down(client: Client, administrator: User, visitor: User) -> None:
    client.force_login(administrator)
    sent = {"username": "visitor", "is_active": "on", "is_staff": "on", "groups": [Group.objects.get(name="editor").pk]}
    sent |= {"last_login_0": "", "last_login_1": "", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    response = client.post(reverse("admin:auth_user_change", args=[visitor.pk]), sent)
    assert response.status_code == 302, text(response)
    assert newest().before == {"is_staff": False, "groups": []}
    assert newest().after == {"is_staff": True, "groups": ["editor"]}


def test_a_password_that_is_set_is_written_down_without_it(client: Client, administrator: User, visitor: User) -> None:
    client.force_login(administrator)
    sent = {"password1": "correct-horse-1", "password2": "correct-horse-1"}
    client.post(reverse("admin:auth_user_password_change", args=[visitor.pk]), sent)
    assert (newest().verb, newest().object_name) == (Verb.PASSWORD, "visitor")
    assert "correct-horse-1" not in str(list(AuditEvent.objects.values()))


def test_one_s_own_password_too_and_only_once_it_is_set(as_editor: Client, editor: User) -> None:
    address = reverse("admin:password_change")
    sent = {"old_password": "editor", "new_password1": "correct-horse-1", "new_password2": "correct-horse-1"}
    assert as_editor.post(address, {**sent, "old_password": "wrong"}).status_code == 200
    assert not AuditEvent.objects.filter(verb=Verb.PASSWORD).exists()
    assert as_editor.post(address, sent).status_code == 302
    assert (newest().verb, newest().actor) == (Verb.PASSWORD, editor)
    assert "correct-horse-1" not in str(list(AuditEvent.objects.values()))


def test_logins_and_failures_are_written_down_and_no_password_typed_as_a_name(
    client: Client, editor: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    login = reverse("admin:login")
    client.post(login, {"username": "editor", "password": "hunter2hunter2"})
    client.post(login, {"username": "hunter2hunter2", "password": "editor"})
    client.post(login, {"username": "editor", "password": "editor"})
    client.post(reverse("admin:logout"))
    events = list(AuditEvent.objects.order_by("pk").values_list("verb", "actor_name", "object_name"))
    assert events == [
        (Verb.LOGIN_FAILED, "", "editor"),
        (Verb.LOGIN_FAILED, "", "an unknown name"),
        (Verb.LOGIN, "editor", "editor"),
        (Verb.LOGOUT, "editor", "editor"),
    ]
    assert "hunter2hunter2" not in str(list(AuditEvent.objects.values())) + caplog.text


def test_secrets_are_blanked_by_name_and_by_value(db: None) -> None:
    secret = plain(current().SECRET_KEY)
    after = {
        "api_key": "abc",
        "note": f"it is {secret}",
        "deep": {"token": "def"},
        "list": [secret],
        "long": "x" * 5_000,
    }
    event = audit.record(None, Verb.CHANGED, f"the setting {secret}", after=after)
    kept = str(AuditEvent.objects.values().get(pk=event.pk))
    assert not [word for word in (secret, "'abc'", "'def'") if word in kept]
    assert len(event.after["long"]) == audit.LONGEST


def test_only_what_differs_is_kept(db: None) -> None:
    event = audit.record(None, Verb.CHANGED, before={"a": 1, "b": 2}, after={"a": 1, "b": 3})
    assert (event.before, event.after) == ({"b": 2}, {"b": 3})


def test_what_is_rolled_back_leaves_no_event(as_editor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other way round: what cannot be written down is not done."""

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(audit, "record", fails)
    with pytest.raises(RuntimeError):
        as_editor.post(reverse("admin:faq_entry_add"), fields())
    assert not Entry.objects.exists()


# Who reads it


@pytest.mark.parametrize(
    ("role", "status"),
    [("operator", 200), ("administrator", 200), ("editor", 403), ("reviewer", 403), ("analyst", 403)],
)
def test_operators_and_administrators_read_it(client: Client, in_role: InRole, role: str, status: int) -> None:
    event = audit.record(None, Verb.CHANGED, "x")
    client.force_login(in_role(role))
    for address in (LOG, reverse("admin:console_auditevent_change", args=[event.pk])):
        assert client.get(address).status_code == status


def test_nobody_writes_it_by_hand(client: Client, operator: User) -> None:
    event = audit.record(None, Verb.CHANGED, "x")
    client.force_login(operator)
    assert client.get(reverse("admin:console_auditevent_add")).status_code == 403
    assert client.post(reverse("admin:console_auditevent_delete", args=[event.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse("admin:console_auditevent_change", args=[event.pk]), {}).status_code == 403
    assert AuditEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=How", {"How do I pay?"}),
        ("?q=req-1", {"How do I pay?"}),
        ("?verb=archived", {"3 entries"}),
        ("?kind=faq.entry", {"How do I pay?"}),
        ("?at_from=2020-01-01&at_to=2020-12-31", set()),
        ("?at_from=2020-01-01&at_to=9998-01-01", {"How do I pay?", "3 entries"}),
        ("?at_from=nonsense", {"How do I pay?", "3 entries"}),
    ],
)
def test_it_is_searched_and_filtered(
    client: Client, operator: User, published: Publish, query: str, found: set[str]
) -> None:
    request = RequestFactory().get("/", headers={"X-Request-ID": "req-1"})
    request.request_id = "req-1"  # type: ignore[attr-defined]  # as the middleware does
    audit.record(request, Verb.CHANGED, published("How do I pay?", "x"), after={"answer": "x"})
    audit.record(None, Verb.ARCHIVED, "3 entries")
    client.force_login(operator)
    page = client.get(LOG + query)
    assert {event.object_name for event in page.context["cl"].result_list} - {"operator"} == found


def test_the_page_counts_nothing_and_asks_the_same_number_of_questions(
    client: Client, operator: User, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.force_login(operator)
    numbers = []
    for _ in range(2):
        for n in range(30):
            audit.record(None, Verb.CHANGED, f"thing {n}", after={"n": n})
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(LOG).status_code == 200
        numbers.append(len(asked))
        assert not [
            one for one in asked.captured_queries if "count(" in one["sql"].lower() and "auditevent" in one["sql"]
        ]
    assert numbers[0] == numbers[1]


def test_before_and_after_are_shown_side_by_side_as_text(client: Client, operator: User) -> None:
    event = audit.record(None, Verb.CHANGED, "x", before={"answer": "<b>old</b>"}, after={"answer": "new"})
    client.force_login(operator)
    page = client.get(reverse("admin:console_auditevent_change", args=[event.pk]))
    assert "<b>old</b>" not in page.content.decode()
    assert "Answer &lt;b&gt;old&lt;/b&gt; new" in text(page)


@pytest.mark.parametrize(("days", "kept"), [(30, 1), (0, 2)])
def test_it_is_kept_as_long_as_the_setting_says(db: None, settings: Settings, days: int, kept: int) -> None:
    settings.AUDIT_DAYS = days
    for age in (29, 31):
        AuditEvent.objects.create(verb="changed", at=timezone.now() - timedelta(days=age))
    work.run(jobs.request(Job.Kind.CLEANUP).pk)
    assert AuditEvent.objects.count() == kept

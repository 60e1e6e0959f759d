"""Every address of the console, taken from the URLconf, so that new pages are walked as soon as they exist.

As each role: nothing breaks, nothing is changed by a GET, and nobody but staff gets in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, models, transaction
from django.db.backends.signals import connection_created
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from console import audit
from console.roles import ROLES
from faq.models import Category, Entry, PendingEdit
from rag.models import Case, DriftScan, Generation, Job, MissGroup, Receipt
from tests.conftest import InRole

pytestmark = pytest.mark.django_db
# Written by any visit or question, as a record of it or of how a service did. The audit log is one of acts: it counts.
NOT_CONTENT = {"sessions.session", "admin.logentry", "rag.breakerreport"}
SEEN_BY_ALL = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}
EVERYBODY = [*sorted(ROLES), "superuser"]
# What stands in an address for something else than the number of a row.
KNOWN = {
    **{"app_label": "faq", "file_format": "csv", "token": "0" * 16, "content_type_id": "1", "url": "nowhere"},
    **{"kind": "missing", "verb": "out-of-scope", "name": "no-such-runbook"},
}


@pytest.fixture
def content(db: None) -> None:
    """A row or more of whatever has a page of its own, so that every address leads somewhere."""
    category = Category.objects.create(name="General")
    entry = Entry.objects.create(question="How?", answer="So", category=category, status="published")
    entry.answer = "So or so"
    entry.save()
    user = User.objects.create_user("somebody")
    generation = Generation.objects.create(collection="c", recipe="r", model="m", dimension=3, state="live")
    text = {"question": "How?", "answer": "Else", "category": category, "language": "en"}
    PendingEdit.objects.create(pk=entry.pk, entry=entry, author_name="x", base_hash="", **text)
    Job.objects.create(kind="reindex", state="failed", outcome="It broke.", requested_by=user)
    DriftScan.objects.create(generation=generation, counts={})
    Receipt.objects.create(
        conversation="7a1f6a52-6d6f-4b0c-9d3f-0d6b1b1b1b1b",
        question="How?",
        answer="So",
        answered_by="exact",
        confidence=1,
    )
    Case.objects.create(question="How?", relevant=[entry.external_id])
    MissGroup.objects.create(question="Why?", vector=bytes(12), model="m")
    MissGroup.objects.create(question="Where?", vector=bytes(4 * 384), model="all-MiniLM-L6-v2")
    Case.objects.create(question="Who?")
    audit.record(None, "changed", entry, after={"answer": "So or so"})


def patterns(resolver: Any, namespace: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """The name and the route of everything below, with its namespace."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from patterns(one, f"{namespace}{one.namespace}:" if one.namespace else namespace, route)
        elif isinstance(one, URLPattern):
            yield (f"{namespace}{one.name}", route)


def console_addresses() -> list[tuple[str, str]]:
    return [(name, route) for name, route in patterns(get_resolver()) if route.startswith("admin/")]


def filled(name: str, route: str) -> str:
    """The route with every part that varies filled in by a row that exists."""
    model = model_of(name)

    def value(part: re.Match[str]) -> str:
        kind, _, argument = part[1].rpartition(":")
        if argument in KNOWN:
            return KNOWN[argument]
        row = model._default_manager.order_by("pk").first() if model else None
        return str(row.pk) if row else ("00000000-0000-0000-0000-000000000001" if kind == "uuid" else "1")

    if name == "admin:faq_entry_simple_history":  # the one that is written as a regular expression
        return reverse(name, args=[Entry.objects.earliest("pk").pk, Entry.history.earliest("history_date").pk])
    path = re.sub(r"<([^>]+)>", value, re.sub(r"\(\?P.*?\)", "faq", route))
    return "/" + re.sub(r"[\^$\\]|\(\?:.*?\)", "", path).replace("Z", "")


def model_of(name: str) -> type[models.Model] | None:
    """admin:faq_entry_change is a page of faq.Entry; so is any other that begins so."""
    short = name.removeprefix("admin:")
    fits = [one for one in admin.site._registry if short.startswith(f"{one._meta.app_label}_{one._meta.model_name}_")]
    return max(fits, key=lambda one: len(one._meta.model_name or ""), default=None)


def state() -> dict[str, str]:
    """A hash of every table, the rows in order."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label_lower in NOT_CONTENT or not model._meta.managed or model._meta.proxy:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)} ORDER BY 1")
            rows = [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row) for row in cursor]
        found[model._meta.label_lower] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


# Whatever a statement begins with, a SELECT changes nothing; a common table expression may.
CHANGE = re.compile(r"\b(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|TRUNCATE(?: TABLE)?|MERGE INTO) +\"?(\w+)", re.I)


class Writes:
    """The tables of which statements have changed rows, in any thread, since it was last asked."""

    def __init__(self) -> None:
        self._passed_over = {apps.get_model(label)._meta.db_table for label in NOT_CONTENT}
        self._tables: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        # How many rows an INSERT has written SQLite tells only once what it returns is fetched.
        idle = context["cursor"].rowcount == 0 and "INSERT" not in sql.upper()
        if not idle and not sql.lstrip().upper().startswith("SELECT"):
            self._tables += [table for table in CHANGE.findall(sql) if table not in self._passed_over]
        return result

    def watch(self, connection: Any, **_: Any) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)

    def since(self) -> list[str]:
        found, self._tables = self._tables, []
        return found


@pytest.fixture
def writes(content: None) -> Iterator[Writes]:
    watching = Writes()
    watching.watch(connection)
    connection_created.connect(watching.watch)
    yield watching
    connection_created.disconnect(watching.watch)
    connection.execute_wrappers.remove(watching)


def person(who: str, in_role: InRole) -> User:
    return User.objects.create_superuser("super") if who == "superuser" else in_role(who)


def visit(client: Client, path: str) -> int:
    response: Any = client.get(path)
    if getattr(response, "streaming", False):
        b"".join(response.streaming_content)
    return int(response.status_code)


def test_there_is_a_console_to_walk(content: None) -> None:
    addresses = dict(console_addresses())
    assert len(addresses) > 30
    assert {"admin:index", "admin:faq_entry_import", "admin:faq_entry_simple_history"} <= set(addresses)


def test_the_walk_really_opens_the_pages(client: Client, content: None, operator: User) -> None:
    """A walk that met only 404 would find nothing broken."""
    client.force_login(operator)
    pages = [(name, filled(name, route)) for name, route in console_addresses()]
    unopened = [
        path
        for name, path in pages
        if name.endswith(("_changelist", "_change", "_history")) and visit(client, path) not in {200, 302}
    ]
    assert [
        path
        for path in unopened
        if not re.search(r"/((receipt|missgroup)/[^/]+/history|generation/[^/]+/change)/", path)
    ] == []


@pytest.mark.parametrize("who", EVERYBODY)
def test_no_page_breaks_and_no_get_changes_anything(client: Client, writes: Writes, in_role: InRole, who: str) -> None:
    client.force_login(person(who, in_role))
    client.raise_request_exception = False
    before = state()
    broken, changed = [], []
    for name, route in console_addresses():
        if name == "admin:logout":
            continue  # Django answers a GET with 405, and the test would go on as nobody
        path = filled(name, route)
        writes.since()
        status = visit(client, path)
        if status >= 500:
            broken.append(f"{path} {status}")
        if tables := writes.since():
            changed.append(f"{path} changed {tables}")
    assert broken == []
    assert changed == []
    assert state() == before


def test_the_watch_sees_what_it_is_to_see(writes: Writes) -> None:
    Entry.objects.filter(question="nobody asks this").update(answer="x")
    list(Entry.objects.select_for_update())
    assert writes.since() in ([], ["faq_contentversion"])  # a bulk change counts up, whatever it finds
    with connection.cursor() as cursor:
        cursor.execute("UPDATE faq_category SET position = 7")
        cursor.execute("WITH one AS (SELECT 1) DELETE FROM rag_case WHERE EXISTS (SELECT 1 FROM one)")
    Category.objects.create(name="Another")
    assert writes.since() == ["faq_category", "rag_case", "faq_category"]
    assert writes.since() == []


@pytest.mark.parametrize("who", ["nobody", "visitor"])
def test_who_is_not_of_the_staff_gets_nowhere(client: Client, content: None, visitor: User, who: str) -> None:
    if who == "visitor":
        client.force_login(visitor)
    open_doors = []
    for name, route in console_addresses():
        if filled(name, route) in SEEN_BY_ALL:
            continue
        for method in (client.get, client.post):
            response: Any = method(filled(name, route))
            away = response.status_code in {301, 302} and "/login/" in response["Location"]
            if not away and response.status_code not in {301, 403, 404, 405}:
                open_doors.append(f"{method.__name__} {filled(name, route)} {response.status_code}")
    assert open_doors == []


def test_a_member_of_the_staff_without_a_role_sees_no_content(client: Client, content: None) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True))
    seen = []
    for name, route in console_addresses():
        if model_of(name) and visit(client, filled(name, route)) == 200:
            seen.append(name)
    assert seen == []


@pytest.mark.parametrize("who", sorted(ROLES))
def test_an_empty_post_to_any_address_changes_nothing_that_the_role_may_not(
    client: Client, writes: Writes, in_role: InRole, who: str
) -> None:
    """Every acting address of a model that the role may only look at, or not even that, refuses."""
    user = person(who, in_role)
    client.force_login(user)
    client.raise_request_exception = False
    before = state()
    slipped, broken = [], []
    for name, route in console_addresses():
        model = model_of(name)
        if model is None or name == "admin:logout" or may_act(user, model):
            continue
        path = filled(name, route)
        writes.since()
        status = client.post(path, {"post": "yes", "action": "delete_selected", "_selected_action": "1"}).status_code
        if status >= 500:
            broken.append(f"{path} {status}")
        if tables := writes.since():
            slipped.append(f"{path} changed {tables}")
    assert broken == []
    assert slipped == []
    assert state() == before


def may_act(user: User, model: type[models.Model]) -> bool:
    """Any right beyond looking, to a thing of this kind."""
    label, name = model._meta.app_label, model._meta.model_name
    rights = {one for one in user.get_all_permissions() if one.startswith(f"{label}.") and one.endswith(f"_{name}")}
    return bool(rights - {f"{label}.view_{name}"})


# What each role may do, said once more and by hand: a slip in roles.py or a forgotten guard turns this red.

ENTRY_ACTIONS = {"publish", "archive", "make_drafts", "edit_together", "reindex", "export_selected"}
MISSES = {"admin:rag_missgroup_act", "admin:rag_missgroup_group_now", "admin:playground_case"}
REVIEWS = {"admin:faq_entry_edit_publish", "admin:faq_entry_edit_dismiss"}
READS = {"admin:rag_receipt_changelist", "admin:rag_missgroup_changelist", "admin:rag_job_changelist"}
OPERATES = {
    *("admin:rag_generation_build", "admin:rag_generation_promote", "admin:rag_generation_roll_back"),
    *("admin:rag_generation_reclaim", "admin:rag_generation_scan", "admin:rag_generation_repair"),
    *("admin:rag_job_cancel", "admin:rag_job_resume", "admin:health_check"),
}
MATRIX: dict[str, set[str]] = {
    "editor": {"list", "add", "change", "import", "restore", *MISSES, *READS, *ENTRY_ACTIONS},
    "reviewer": {"list", "add", "change", "import", "restore", "delete", *REVIEWS, *MISSES, *READS, *ENTRY_ACTIONS},
    "operator": {"list", "audit", "reindex", "export_selected", *READS, *OPERATES},
    "analyst": {"list", "export_selected", *READS},
    "administrator": {
        *("list", "add", "change", "import", "restore", "delete", "users", "audit"),
        *(*REVIEWS, *MISSES, *READS, *OPERATES, *ENTRY_ACTIONS),
    },
}
ACTS = sorted(set.union(*MATRIX.values()))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_does_what_it_may_and_nothing_else(client: Client, writes: Writes, in_role: InRole, role: str) -> None:
    client.force_login(in_role(role))
    done = set()
    for act in ACTS:
        with transaction.atomic():  # each finds what there was, and nothing of what was done before
            if did(client, act, writes):
                done.add(act)
            transaction.set_rollback(True)
    assert done == MATRIX[role]


def did(client: Client, act: str, writes: Writes) -> bool:
    """Do it by its direct address; was it done? For what another part of the console guards: was it let in?"""
    if act in READS:
        return client.get(reverse(act)).status_code == 200
    if act in OPERATES | MISSES | REVIEWS:
        return client.post(filled(act, dict(console_addresses())[act])).status_code != 403
    entry = Entry.objects.get()
    draft = Entry.objects.create(question="Draft?", answer="x", category=entry.category)
    listed = reverse("admin:faq_entry_changelist")
    written = {
        **{"question": "New?", "answer": "New", "language": "en", "status": "draft", "category": entry.category_id},
        **{"variants": "", "tags": "", "external_id": "new", "review_date": ""},
    }
    writes.since()
    if act in {"list", "users", "audit"}:
        names = {"list": "faq_entry", "users": "auth_user", "audit": "console_auditevent"}
        return client.get(reverse(f"admin:{names[act]}_changelist")).status_code == 200
    if act == "import":
        return client.get(reverse("admin:faq_entry_import")).status_code == 200
    if act == "add":
        client.post(reverse("admin:faq_entry_add"), written)
    elif act == "change":
        client.post(reverse("admin:faq_entry_change", args=[entry.pk]), written)
    elif act == "delete":
        client.post(reverse("admin:faq_entry_delete", args=[entry.pk]), {"post": "yes"})
    elif act == "restore":
        first = entry.history.earliest("history_date")
        client.post(reverse("admin:faq_entry_simple_history", args=[entry.pk, first.pk]), written)
    else:
        chosen = draft if act == "publish" else entry
        confirmed = {"edit": "confirm", "language": "fr"}  # for the editing of many, which else only shows a form
        response = client.post(listed, {"action": act, "_selected_action": [chosen.pk], **confirmed})
        if act == "export_selected":
            return response.get("Content-Type", "").startswith("text/csv")
    return bool(writes.since())


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_list_offers_the_actions_that_the_role_may_do(
    client: Client, content: None, in_role: InRole, role: str
) -> None:
    client.force_login(in_role(role))
    page: Any = client.get(reverse("admin:faq_entry_changelist"))
    form = page.context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert offered & ENTRY_ACTIONS == MATRIX[role] & ENTRY_ACTIONS


def test_roles_in_the_matrix_are_the_roles_there_are() -> None:
    assert set(MATRIX) == set(ROLES) == set(Group.objects.values_list("name", flat=True))

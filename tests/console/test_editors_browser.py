"""The editors' journeys in a real browser, each role's view, and every screen of theirs as axe sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from console import audit
from console.models import AuditEvent
from console.roles import ROLES
from faq import pending
from faq.models import Category, Entry
from rag.models import Job
from tests.chat.visits import Visit, answer, type_and_send
from tests.chat.visits import visit as visit  # the fixture
from tests.conftest import Index, InRole, Publish
from tests.console.operating import Worker, serious, signed_in
from tests.console.operating import worker as worker
from tests.console.test_entries_admin import LIST

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/admin/faq/entry/add/"
expect.set_options(timeout=15_000)  # a busy machine is no fault of the page


def save(page: Page, name: str = "Save") -> None:
    page.get_by_role("button", name=name, exact=True).click()


def shown(page: Page) -> Any:
    """The answer inside the preview."""
    return page.frame_locator("iframe.entry-preview").locator("[data-part=text]").first


# Publish, indexed, answered


def test_an_entry_is_written_published_indexed_and_answered(
    visit: Visit, editor: User, worker: Worker, published: Publish
) -> None:
    published("How do I get my parcel?", "At the counter.", category="Delivery")
    worker.let(1_000)
    page = signed_in(visit, editor, ADD)
    page.get_by_label("Question").first.fill("How can I change my delivery address?")
    page.get_by_role("button", name="Add a variant").click()
    page.keyboard.type("moving house")
    page.keyboard.press("Enter")
    page.keyboard.type("wrong address")
    page.get_by_label("Answer").fill("Write to us before noon: https://example.org/moved")
    expect(shown(page)).to_have_text("Write to us before noon: https://example.org/moved")
    expect(page.get_by_text("No published entry asks this.")).to_be_visible()
    page.locator("#id_category").evaluate(
        "(select, pk) => { select.append(new Option('Delivery', pk, true, true)); }", Category.objects.get().pk
    )
    page.locator("#id_status").select_option("published")
    save(page, "Save and continue editing")
    entry = Entry.objects.get(question="How can I change my delivery address?")
    assert entry.variants == ["moving house", "wrong address"]
    assert entry.status == "published"

    state = page.get_by_text(re.compile("In the index as it reads now|Not in the index yet")).first
    for _ in range(40):
        if "as it reads" in (state.text_content() or ""):
            break
        page.wait_for_timeout(150)
        page.reload()
    expect(state).to_have_text("In the index as it reads now")

    asker = visit("/")
    type_and_send(asker, "I am moving house, where do I tell you my new address?")
    expect(answer(asker).locator("[data-part=text]")).to_contain_text("Write to us before noon")
    type_and_send(asker, "wrong address")
    expect(answer(asker).locator("[data-part=text]")).to_have_text("Write to us before noon: https://example.org/moved")


def test_entries_alike_are_named_while_one_types(
    visit: Visit, editor: User, published: Publish, indexed: Index
) -> None:
    published("How do I reset my password?", "Use the link.")
    indexed()
    page = signed_in(visit, editor, ADD)
    page.get_by_label("Question").first.press_sequentially("I forgot my password, how can I change it")
    link = page.get_by_role("link", name=re.compile("How do I reset my password"))
    expect(link).to_be_visible()
    expect(link).to_have_attribute("href", reverse("admin:faq_entry_change", args=[Entry.objects.get().pk]))


def test_variants_are_pasted_removed_and_kept_as_lines(visit: Visit, editor: User, published: Publish) -> None:
    entry = published("How?", "So", variants=["One?", "Two?"])
    page = signed_in(visit, editor, reverse("admin:faq_entry_change", args=[entry.pk]))
    expect(page.get_by_label("Variant 2", exact=True)).to_have_value("Two?")
    page.get_by_role("button", name="Remove variant 1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Variant 1", exact=True)).to_be_focused()
    page.get_by_role("button", name="Add a variant").click()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text", "Three?\\nFour?\\n\\nFive?");
            const paste = {clipboardData: data, bubbles: true, cancelable: true};
            document.activeElement.dispatchEvent(new ClipboardEvent("paste", paste));
        }"""
    )
    expect(page.get_by_label("Variant 4", exact=True)).to_be_focused()
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Entry.objects.get().variants == ["Two?", "Three?", "Four?", "Five?"]


def test_markup_in_an_answer_stays_text_in_the_preview(visit: Visit, editor: User) -> None:
    page = signed_in(visit, editor, ADD)
    page.get_by_label("Answer").fill("<img src=x onerror=alert(1)> <b>bold</b>")
    expect(shown(page)).to_have_text("<img src=x onerror=alert(1)> <b>bold</b>")


def test_a_lost_server_is_said_in_both_panels(visit: Visit, editor: User) -> None:
    page = signed_in(visit, editor, ADD)
    page.route("**/preview/", lambda route: route.abort())
    page.route("**/alike/", lambda route: route.abort())
    page.get_by_label("Question").first.fill("Is anybody there?")
    expect(page.get_by_text("The preview cannot be shown: the server cannot be reached.")).to_be_visible()
    expect(page.get_by_text("It cannot be said which entries ask the same")).to_be_visible()
    visit.complaints[:] = [one for one in visit.complaints if "Failed to load resource" not in one]


# Four eyes, by hand


def test_a_list_is_walked_by_keys(visit: Visit, editor: User, published: Publish) -> None:
    for number in range(3):
        published(f"What is number {number}?", f"It is {number}.")
    page = signed_in(visit, editor, "/admin/faq/entry/")
    links, boxes = page.locator("#result_list tbody th a"), page.locator("#result_list .action-select")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("x")
    expect(boxes.nth(1)).to_be_checked()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys in lists")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Close").click()
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("jx?")
    expect(page.locator("#searchbar")).to_have_value("jx?")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/**")


def test_two_people_publish_where_four_eyes_are_asked_for(visit: Visit, editor: User, reviewer: User) -> None:
    law = Category.objects.create(name="Law", four_eyes=True)
    entry = Entry.objects.create(question="May I?", answer="Yes", category=law)
    entry.history.update(history_user=editor)
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    page = signed_in(visit, editor, address)
    expect(page.get_by_text("the last edit is yours").first).to_be_visible()
    page.locator("#id_status").select_option("published")
    save(page)
    expect(page.get_by_text("a reviewer other than you can publish it").last).to_be_visible()
    second = signed_in(visit, reviewer, address)
    expect(second.get_by_text("somebody else wrote this")).to_be_visible()
    second.locator("#id_status").select_option("published")
    save(second)
    expect(second.get_by_text("was changed successfully")).to_be_visible()
    assert Entry.objects.get().status == "published"


def test_a_published_answer_stays_while_its_edit_waits(visit: Visit, editor: User, reviewer: User) -> None:
    law = Category.objects.create(name="Law", four_eyes=True)
    text = {"question": "May I park here?", "answer": "Yes, all day."}
    entry = Entry.objects.create(**text, category=law, status="published", external_id="park")
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    page = signed_in(visit, editor, address)
    page.get_by_label("Answer").fill("Yes, until noon.")
    save(page, "Save and continue editing")
    expect(page.get_by_text("Until then askers go on reading what is published.")).to_be_visible()
    banner = page.get_by_role("region", name="Your edit waits for another person")
    expect(banner.locator("ins").last).to_contain_text("noon")
    expect(banner.get_by_role("link", name="Publish this edit")).to_have_count(0)
    asker = visit("/entries/park/")
    expect(asker.get_by_text("Yes, all day.")).to_be_visible()

    second = signed_in(visit, reviewer)
    second.get_by_role("link", name=re.compile("Read: 1 edit waits")).click()
    second.get_by_role("link", name="May I park here?").click()
    second.get_by_role("link", name="Publish this edit").focus()
    second.keyboard.press("Enter")
    dialog = second.get_by_role("dialog", name="Publish editor's edit?")
    dialog.get_by_role("button", name="Publish").click()
    expect(second.get_by_text("Published: “May I park here?”.")).to_be_visible()
    expect(second.get_by_role("region", name=re.compile("waits for another"))).to_have_count(0)
    asker.reload()
    expect(asker.get_by_text("Yes, until noon.")).to_be_visible()


# Import with faults


def test_a_file_with_faults_is_refused_mended_and_imported(visit: Visit, editor: User, tmp_path: Path) -> None:
    file = tmp_path / "entries.csv"
    file.write_text("category,question,answer\nBilling,How do I pay?,By card\nBilling,,nothing asked\n")
    page = signed_in(visit, editor, "/admin/faq/entry/import/")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Check and preview").click()
    expect(page.get_by_role("alert")).to_contain_text("because 1 row was refused")
    expect(page.get_by_role("row", name=re.compile("3 question is blank"))).to_be_visible()
    assert not Entry.objects.exists()
    page.get_by_role("link", name="Upload another file").click()
    file.write_text("category,question,answer\nBilling,How do I pay?,By card\nBilling,When?,Monthly\n")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Check and preview").click()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Imported entries.csv: 2 new")).to_be_visible()
    assert Entry.objects.count() == 2


# Many together


def test_many_are_edited_together_and_taken_back(visit: Visit, editor: User, published: Publish) -> None:
    for n in range(3):
        published(f"{n}?", "x")
    page = signed_in(visit, editor, LIST)
    page.locator("#action-toggle").check()
    page.get_by_label("Action:").or_(page.locator("select[name=action]")).first.select_option("edit_together")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("3 entries chosen.")).to_be_visible()
    page.get_by_label("Add tags").fill("checked")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("3 entries would change.")).to_be_visible()
    page.get_by_role("button", name="Change 3 entries").click()
    expect(page.get_by_text("Edited: 3 entries.")).to_be_visible()
    page.get_by_role("link", name="Take it back").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Taken back: 3 entries.")).to_be_visible()
    assert {tuple(tags) for tags in Entry.objects.values_list("tags", flat=True)} == {()}


# Each role's view


SEES = {
    "editor": ("Entries", "Misses"),
    "reviewer": ("Entries", "Misses"),
    "operator": ("Index", "Jobs", "Audit log"),
    "analyst": ("Entries", "Receipts"),
    "administrator": ("Users", "Groups", "Audit log"),
}
SEES_NOT = {
    "editor": ("Users", "Audit log"),
    "reviewer": ("Users", "Audit log"),
    "operator": ("Users",),
    "analyst": ("Users", "Audit log"),
    "administrator": (),
}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_sees_what_is_its_own(visit: Visit, in_role: InRole, published: Publish, role: str) -> None:
    entry = published("How?", "So")
    page = signed_in(visit, in_role(role))
    links = page.locator("#nav-sidebar a, nav a")
    for name in SEES[role]:
        expect(links.filter(has_text=re.compile(rf"{name}\s*$")).first, role).to_be_attached()
    for name in SEES_NOT[role]:
        expect(links.filter(has_text=re.compile(rf"{name}\s*$"))).to_have_count(0)
    page.goto(reverse("admin:faq_entry_change", args=[entry.pk]))
    writes = role in {"editor", "reviewer", "administrator"}
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(1 if writes else 0)
    expect(page.locator("iframe.entry-preview")).to_have_count(1 if writes else 0)


# Looks


@pytest.fixture
def full(published: Publish, indexed: Index, operator: User) -> Entry:
    law = Category.objects.create(name="Law", four_eyes=True)
    entry = published("How do I pay?", "By card", variants=["Pay?"])
    published("How can I pay?", "By card as well")
    may = Entry.objects.create(question="May I?", answer="Yes, all day", category=law, tags=["x"], status="published")
    may.answer = "Yes, until noon"
    pending.keep(may, User.objects.create_user("somebody"))
    indexed()
    entry.answer, entry.variants = "By cheque", ["Pay?", "Costs?"]
    entry.save()
    Entry.objects.filter(question="How can I pay?").update(review_date="2020-01-01")
    audit.record(None, "changed", entry, before={"answer": "By card"}, after={"answer": "By cheque"})
    Job.objects.all().delete()
    return entry


def screens(entry: Entry | None) -> list[str]:
    always = [
        LIST,
        ADD,
        "/admin/faq/category/",
        "/admin/console/auditevent/",
        "/admin/faq/entry/import/",
        f"{LIST}?q=none",
        "/admin/rag/case/",
        "/admin/rag/case/add/",
        "/admin/auth/user/",
        "/admin/auth/group/",
    ]
    if entry is None:
        return always
    event = AuditEvent.objects.filter(kind="faq.entry").first()
    assert event is not None
    own = [
        reverse("admin:faq_entry_change", args=[entry.pk]),
        reverse("admin:faq_entry_change", args=[Entry.objects.get(question="May I?").pk]),
        reverse("admin:faq_entry_history", args=[entry.pk]),
        reverse("admin:faq_entry_simple_history", args=[entry.pk, entry.history.last().pk]),
        reverse("admin:console_auditevent_change", args=[event.pk]),
    ]
    people = [reverse("admin:auth_user_change", args=[User.objects.get(username="operator").pk])]
    return [*always, *own, *people, "/admin/auth/group/1/change/"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("filled", ["with nothing", "with everything"])
def test_axe_finds_nothing_serious(
    request: pytest.FixtureRequest, visit: Visit, operator: User, theme: Any, filled: str
) -> None:
    entry = request.getfixturevalue("full") if filled == "with everything" else None
    page = signed_in(visit, operator, LIST, color_scheme=theme)
    found = {}
    for screen in screens(entry):
        page.goto(screen)
        if page.locator("[data-entry-panels]").count():
            page.wait_for_load_state("networkidle")
        found[screen] = serious(page)
    assert {screen: faults for screen, faults in found.items() if faults} == {}


@pytest.mark.parametrize(("width", "what"), [(390, "a telephone"), (320, "1280 at 400 %"), (1300, "a small laptop")])
def test_nothing_sticks_out_of_the_window(visit: Visit, operator: User, full: Entry, width: int, what: str) -> None:
    page = signed_in(visit, operator, LIST, width=width)
    wide, nameless = [], []
    for screen in screens(full):
        page.goto(screen)
        if page.locator("#header-inner h1 > .truncate:visible").last.evaluate("part => part.clientWidth") < 25:
            nameless.append(screen)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(screen)
    assert wide == [], what
    assert nameless == [], what


def test_the_lit_tab_is_in_view_on_a_telephone(visit: Visit, operator: User, full: Entry) -> None:
    page = signed_in(visit, operator, LIST, width=390)
    addresses = page.locator("#tabs-items > a").evaluate_all("tabs => tabs.map(tab => tab.href)")
    assert len(addresses) > 3
    for address in addresses:
        page.goto(address)
        lit = page.locator("#tabs-items > .active")
        left, right = lit.evaluate("tab => [tab.getBoundingClientRect().left, tab.getBoundingClientRect().right]")
        assert 0 <= left < right <= 390, address

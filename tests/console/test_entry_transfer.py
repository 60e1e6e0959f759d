"""Import and export of entries in the console: upload, preview, confirmation; who may; what leaves the house."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from faq.models import Entry
from faq.transfer import uploads
from tests.console.test_entries_admin import LIST, as_editor, exported, text, viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.django_db
NASTY = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nasty" / "csv"
IMPORT = reverse("admin:faq_entry_import")
CONFIRM = reverse("admin:faq_entry_process_import")
GOOD = "category,question,answer,source\nBilling,How do I pay?,By card,x\nBilling,When do I pay?,Monthly,x\n"
Published = Callable[..., Entry]
__all__ = ["as_editor", "viewer"]  # fixtures


def upload(client: Client, content: str | bytes = GOOD, name: str = "entries.csv", **fields: str) -> HttpResponse:
    body = content.encode() if isinstance(content, str) else content
    response = client.post(IMPORT, {"file": SimpleUploadedFile(name, body), **fields})
    assert isinstance(response, HttpResponse)
    return response


def token(response: HttpResponse) -> str:
    found = re.search(r'name="token" value="([^"]+)"', response.content.decode())
    assert found, text(response)
    return found[1]


def waiting() -> list[Path]:
    return sorted((Path(settings.DATA_DIR) / "imports").glob("*"))


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


# Import


def test_a_file_is_previewed_then_confirmed(as_editor: Client, editor: User) -> None:
    preview = upload(as_editor)
    page = text(preview)
    assert "Confirming writes 2 new and 0 changed entries" in page
    assert "Ignored columns: source" in page
    assert "New categories: Billing" in page
    assert not Entry.objects.exists()
    assert len(waiting()) == 1

    done = as_editor.post(CONFIRM, {"token": token(preview), "confirm": "1"}, follow=True)
    assert "Imported entries.csv: 2 new, 0 changed, 0 unchanged, 0 duplicate, 0 refused." in text(done)
    assert f'{LIST}?status__exact=draft" class' in done.content.decode()
    assert set(Entry.objects.values_list("status", flat=True)) == {"draft"}
    assert {record.history_user for record in Entry.history.all()} == {editor}
    assert waiting() == []


def test_publish_is_kept_from_the_upload_to_the_confirmation(as_editor: Client) -> None:
    preview = upload(as_editor, publish="on")
    assert "are published, and askers can get them" in text(preview)
    as_editor.post(CONFIRM, {"token": token(preview), "confirm": "1"})
    assert Entry.objects.published().count() == 2


def test_a_confirmed_import_cannot_be_confirmed_again(as_editor: Client) -> None:
    sent = {"token": token(upload(as_editor)), "confirm": "1"}
    as_editor.post(CONFIRM, sent)
    Entry.objects.all().delete()
    assert "confirmed already" in text(as_editor.post(CONFIRM, sent, follow=True))
    assert not Entry.objects.exists()


def test_a_cancelled_import_leaves_nothing(as_editor: Client) -> None:
    preview = upload(as_editor)
    assert "was cancelled" in text(as_editor.post(CONFIRM, {"token": token(preview), "cancel": "1"}, follow=True))
    assert not Entry.objects.exists()
    assert waiting() == []


def test_an_upload_belongs_to_whoever_brought_it(as_editor: Client, operator: User) -> None:
    sent = {"token": token(upload(as_editor)), "confirm": "1"}
    as_editor.force_login(operator)
    as_editor.post(CONFIRM, sent)
    assert not Entry.objects.exists()
    assert len(waiting()) == 1


def test_a_token_that_was_tampered_with_is_refused(as_editor: Client) -> None:
    sent = {"token": token(upload(as_editor))[:-1] + "!", "confirm": "1"}
    assert "upload the file again" in text(as_editor.post(CONFIRM, sent, follow=True))
    assert not Entry.objects.exists()


def test_what_was_never_confirmed_is_forgotten_after_a_day(as_editor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(as_editor)
    first = waiting()
    monkeypatch.setattr(uploads, "KEPT_SECONDS", -1)
    upload(as_editor)
    assert len(waiting()) == 1
    assert waiting() != first


def test_refused_rows_are_listed_with_line_and_reason_and_cannot_be_confirmed(as_editor: Client) -> None:
    response = upload(as_editor, GOOD + "Billing,,nothing asked,x\n")
    assert "because 1 row was refused" in text(response)
    assert "4 question is blank: every entry needs one." in text(response)
    assert 'name="token"' not in response.content.decode()
    assert waiting() == []


def test_a_file_that_changes_nothing_offers_nothing_to_confirm(as_editor: Client) -> None:
    as_editor.post(CONFIRM, {"token": token(upload(as_editor)), "confirm": "1"})
    response = upload(as_editor)
    assert "hold all of this already" in text(response)
    assert 'name="token"' not in response.content.decode()


def test_what_turns_bad_between_preview_and_confirmation_is_refused(as_editor: Client) -> None:
    preview = upload(as_editor)
    waiting()[0].write_text(GOOD + "Billing,,nothing asked,x\n")
    response = as_editor.post(CONFIRM, {"token": token(preview), "confirm": "1"})
    assert "because 1 row was refused" in text(response)
    assert not Entry.objects.exists()


@pytest.mark.skipif(not NASTY.exists(), reason="the malformed files lie beside the project, and are not here")
@pytest.mark.parametrize("name", sorted(path.name for path in NASTY.glob("*")))
def test_every_malformed_file_gets_a_page_that_says_what_it_is(as_editor: Client, name: str) -> None:
    response = upload(as_editor, (NASTY / name).read_bytes(), name)
    assert response.status_code == 200
    page = text(response)
    assert any(
        said in page for said in ("Confirming writes", "Nothing was written, because", "no rows", "The file is empty")
    )
    assert "<script>alert" not in response.content.decode()


def test_a_name_s_markup_is_shown_as_text(as_editor: Client) -> None:
    response = upload(as_editor, "category,question,answer,<b>x</b>\n<i>A</i>,,x,y\n", "<img src=x onerror=1>.csv")
    for markup in ("<img src=x", "<b>x</b>", "<i>A</i>"):
        assert markup not in response.content.decode()


def test_a_file_over_ten_mebibytes_is_refused_with_413(as_editor: Client) -> None:
    response = upload(as_editor, GOOD.encode().ljust(uploads.LIMIT + 1))
    assert response.status_code == 413
    assert "larger than 10 MiB, the most that is taken here" in text(response)
    assert waiting() == []
    assert upload(as_editor, GOOD.encode().ljust(uploads.LIMIT, b"\n")).status_code == 200
    assert len(waiting()) == 1


@pytest.mark.parametrize(("name", "said"), [("entries.pdf", "use one of .csv"), ("", "This field is required")])
def test_what_is_no_entries_file_is_refused_at_the_door(as_editor: Client, name: str, said: str) -> None:
    response = upload(as_editor, name=name) if name else as_editor.post(IMPORT, {"publish": "on"})
    assert said in text(response)


# Who may


@pytest.mark.parametrize("address", [IMPORT, CONFIRM])
def test_importing_needs_the_right_to_add_and_to_change(client: Client, viewer: User, address: str) -> None:
    client.force_login(viewer)
    for right in (None, "add_entry", "change_entry"):
        viewer.user_permissions.remove(*Permission.objects.filter(codename__in=["add_entry", "change_entry"]))
        if right:
            viewer.user_permissions.add(Permission.objects.get(codename=right))
        assert client.post(address, {"token": "x"}).status_code == 403
        assert client.get(address).status_code == 403
    assert IMPORT not in client.get(LIST).content.decode()


def test_confirming_takes_a_post(as_editor: Client) -> None:
    assert as_editor.get(CONFIRM).status_code == 405


@pytest.mark.parametrize("address", [IMPORT, CONFIRM])
def test_importing_takes_a_csrf_token(editor: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)
    assert client.post(address, {"token": "x"}).status_code == 403


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
def test_exporting_needs_the_right_to_view(client: Client, visitor: User, viewer: User, kind: str) -> None:
    address = reverse("admin:faq_entry_export_as", args=[kind])
    client.force_login(visitor)
    assert client.get(address).status_code == 302
    client.force_login(viewer)
    assert client.get(address).status_code == 200
    viewer.user_permissions.clear()
    assert client.get(address).status_code == 403


# Export


def test_an_export_is_a_named_file_that_the_import_knows(as_editor: Client, published: Published) -> None:
    published("=1+1", "@SUM(A1)", variants=["a | b"])
    for kind in ("csv", "xlsx", "json"):
        response: Any = as_editor.get(reverse("admin:faq_entry_export_as", args=[kind]))
        assert re.fullmatch(rf'attachment; filename="entries-[\d-]+\.{kind}"', response["Content-Disposition"])
        assert "hold all of this already" in text(upload(as_editor, b"".join(response.streaming_content), f"x.{kind}"))


def test_formulas_leave_the_house_inert(as_editor: Client, published: Published) -> None:
    published("=1+1", "@SUM(A1)")
    assert [(row["question"], row["answer"]) for row in exported(as_editor)] == [("'=1+1", "'@SUM(A1)")]


def test_an_export_with_a_broken_filter_or_format_is_answered(as_editor: Client) -> None:
    broken = as_editor.get(reverse("admin:faq_entry_export_as", args=["csv"]) + "?nonsense=1", follow=True)
    assert "The filter is not valid" in text(broken)
    assert as_editor.get(reverse("admin:faq_entry_export_as", args=["pdf"])).status_code == 404


def test_what_a_workbook_cannot_hold_is_said_on_the_page(as_editor: Client, published: Published) -> None:
    published("How?", "\x01" * 10_000)
    response = as_editor.get(reverse("admin:faq_entry_export_as", args=["xlsx"]), follow=True)
    assert "export as CSV or JSON" in text(response)


def test_the_buttons_of_the_list_keep_its_filter(as_editor: Client) -> None:
    page = as_editor.get(LIST + "?status__exact=draft").content.decode()
    for kind in ("csv", "xlsx", "json"):
        assert reverse("admin:faq_entry_export_as", args=[kind]) + "?status__exact=draft" in page


# In a browser


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_editor_imports_a_file_by_hand(browser: Browser, live_server: Any, tmp_path: Path, scheme: Any) -> None:
    """Every control can be reached by its name, nothing is blocked by the policy, and both themes can be read."""
    User.objects.create_superuser("operator", password="operator")
    (tmp_path / "entries.csv").write_text(GOOD + "Billing,how do i PAY?,By card,x\n")
    context = browser.new_context(color_scheme=scheme, base_url=live_server.url)
    page, complaints = context.new_page(), []
    page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(IMPORT)
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill("operator")
    page.get_by_role("button", name="Log in").click()
    page.set_input_files("input[type=file]", tmp_path / "entries.csv")
    violations = [Axe().run(page, context="#content").response["violations"]]
    page.get_by_role("button", name="Check and preview").click()
    page.get_by_text("leaves 1 duplicate out").wait_for()
    violations.append(Axe().run(page, context="#content").response["violations"])
    page.get_by_role("button", name="Import").click()
    page.get_by_text("Imported entries.csv: 2 new").wait_for()
    page.get_by_role("link", name="See the drafts").click()
    page.get_by_role("link", name="When do I pay?").wait_for()
    context.close()
    assert Entry.objects.count() == 2
    assert complaints == []
    assert violations == [[], []]

"""`python -m bench.screens FOLDER [entries [receipts]]`: every screen of the console at such a size, light and dark.

Wide and narrow, as pictures with sheets of them all; and for each what it took: queries, milliseconds.

On a PostgreSQL of its own. Without entries: a console with nothing in it.
"""

from __future__ import annotations

import os
import sys
import time
from html import escape
from pathlib import Path
from typing import Any

from tests.servers import Postgresql

SERVER = Postgresql().start()
os.environ["BENCH_DATABASE_URL"] = SERVER.new_database("screens")

from bench import prepared  # noqa: E402  # the environment first

WIDTHS = {"wide": (1400, 900), "narrow": (390, 844)}
CHUNK = 5_000
A_SHEET = 12
OF_A_THUMBNAIL = "width:100%;max-height:700px;object-fit:cover;object-position:top"
OF_A_SCREEN = 2_400  # pixels of its height: what comes further down is more of the same


def main(folder: Path, entries: int = 0, receipts: int = 0) -> None:
    from django.core.management import call_command

    assert prepared.FOLDER.name
    folder.mkdir(parents=True, exist_ok=True)
    if entries:
        call_command("demo", prepare_only=True, stdout=sys.stderr)
        _write_entries(entries)
        _write_receipts(receipts)
        _write_an_edit_that_waits()
        _write_a_day_of_health()
    else:
        call_command("migrate", verbosity=0)
    chief = _chief()
    addresses = _addresses()
    for name, address in addresses.items():
        queries, milliseconds = _measured(chief, address)
        print(f"{name:<24}{queries:>4} queries{milliseconds:>9.0f} ms  {address}", flush=True)
    _pictures(folder, chief, addresses)


def _chief() -> Any:
    from django.contrib.auth.models import User

    return User.objects.filter(username="chief").first() or User.objects.create_superuser("chief", password="chief")


def _write_entries(number: int) -> None:
    """Copies of the guide's, each with a question of its own, and nearly all of them in the index."""
    from django.db import connection

    from faq.models import Entry
    from rag.index import generations

    models = list(Entry.objects.order_by("pk"))
    for first in range(len(models), number, CHUNK):
        Entry.objects.bulk_create(
            Entry(
                external_id=f"made-{n}",
                question=f"{models[n % len(models)].question} ({n})",
                answer=models[n % len(models)].answer,
                category_id=models[n % len(models)].category_id,
                status="draft" if n % 40 == 0 else "published",
            )
            for n in range(first, min(first + CHUNK, number))
        )
    live = generations.live()
    assert live is not None
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO rag_embedding (generation_id, entry_id, text_hash, points, embedded_at)
               SELECT %s, id, text_hash, 1, now() FROM faq_entry
               WHERE status = 'published' AND id %% 50 <> 0 ON CONFLICT DO NOTHING""",
            [live.pk],
        )
        cursor.execute("ANALYZE")


def _write_receipts(number: int) -> None:
    from bench import receipts
    from rag.quality import counting, misses

    if number:
        receipts.write(number)
        counting.count()
        while misses.group_new():
            pass


def _write_an_edit_that_waits() -> None:
    from django.contrib.auth.models import User

    from faq import pending
    from faq.models import Entry

    entry = Entry.objects.published().select_related("category").order_by("pk")[0]
    entry.category.four_eyes = True
    entry.category.save()
    entry.answer += "\n\nAsk your administrator where you are not sure."
    pending.keep(entry, User.objects.get_or_create(username="anna", defaults={"is_staff": True})[0])


def _write_a_day_of_health() -> None:
    """Seen to be well, but for an hour of one part and a few minutes of another."""
    from datetime import timedelta

    from django.utils import timezone

    from console.models import HealthStretch
    from monitoring.health import CHECKS, State

    now = timezone.now()
    troubles = {"vector_store": (State.DOWN, 9.0, 8.0), "embedder": (State.DEGRADED, 3.2, 3.0)}
    for check in CHECKS:
        state, begins, ends = troubles.get(check.name, (State.OK, 1.0, 1.0))
        for one, since, until in ((State.OK, 22.0, begins), (state, begins, ends), (State.OK, ends, 0.0)):
            hours = {"since": now - timedelta(hours=since), "until": now - timedelta(hours=until)}
            HealthStretch.objects.create(part=check.name, state=one, **hours)


def _addresses() -> dict[str, str]:
    """By a name for the picture. What there is none of has no page."""
    from faq.models import Entry, PendingEdit
    from rag.models import Job, MissGroup, Receipt

    edit = PendingEdit.objects.first()
    entry, receipt = Entry.objects.order_by("-pk").first(), Receipt.objects.order_by("-created_at").first()
    group, job = MissGroup.objects.order_by("-heat").first(), Job.objects.order_by("-pk").first()
    found = {
        "dashboard": "/admin/",
        "dashboard-week": "/admin/?window=7d",
        "entries": "/admin/faq/entry/",
        "entries-by-asks": "/admin/faq/entry/?o=-5",
        "entries-searched": "/admin/faq/entry/?q=import",
        "entry-new": "/admin/faq/entry/add/",
        "import": "/admin/faq/entry/import/",
        "categories": "/admin/faq/category/",
        "misses": "/admin/rag/missgroup/",
        "receipts": "/admin/rag/receipt/",
        "playground": "/admin/playground/?question=How+do+I+import+a+file",
        "cases": "/admin/rag/case/",
        "index": "/admin/rag/generation/",
        "drift": "/admin/rag/generation/drift/missing/",
        "jobs": "/admin/rag/job/",
        "health": "/admin/health/",
        "runbooks": "/admin/runbooks/",
        "users": "/admin/auth/user/",
        "groups": "/admin/auth/group/",
        "audit": "/admin/console/auditevent/",
    }
    if entry:
        found |= {"entry": f"/admin/faq/entry/{entry.pk}/change/", "history": f"/admin/faq/entry/{entry.pk}/history/"}
    if edit:
        found["entry-edit-waits"] = f"/admin/faq/entry/{edit.entry_id}/change/"
        found["edit-publish"] = f"/admin/faq/entry/edits/{edit.pk}/publish/"
        found["entries-waiting"] = "/admin/faq/entry/?waiting=any"
    if receipt:
        found["why-this-answer"] = f"/admin/rag/receipt/{receipt.pk}/change/"
    if group:
        found["miss-group"] = f"/admin/rag/missgroup/{group.pk}/change/"
    if job:
        found["job"] = f"/admin/rag/job/{job.pk}/change/"
    return found


def _measured(chief: Any, address: str) -> tuple[int, float]:
    """The second time, when what is kept in memory is there."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "localhost"})
    client.force_login(chief)
    client.get(address)
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200, address
    return len(asked), 1_000 * (time.perf_counter() - began)


def _pictures(folder: Path, chief: Any, addresses: dict[str, str]) -> None:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test import Client
    from django.test.testcases import LiveServerThread
    from playwright.sync_api import sync_playwright

    client = Client(headers={"host": "localhost"})
    client.force_login(chief)
    session = client.cookies["sessionid"].value
    server = LiveServerThread("localhost", StaticFilesHandler, port=0)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for size, (width, height) in WIDTHS.items():
                context = chromium.new_context(color_scheme=theme, viewport={"width": width, "height": height})
                here = f"http://localhost:{server.port}"
                context.add_cookies([{"name": "sessionid", "value": session, "url": here}])
                page = context.new_page()
                for name, address in addresses.items():
                    page.goto(here + address)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(
                        path=folder / f"{name}-{theme}-{size}.png",
                        full_page=True,
                        clip={"x": 0, "y": 0, "width": width, "height": _height(page)},
                    )
                _sheets(page, folder, [f"{name}-{theme}-{size}" for name in addresses], f"{theme}-{size}", width)
                context.close()
        chromium.close()
    server.terminate()


def _height(page: Any) -> int:
    return min(int(page.evaluate("document.documentElement.scrollHeight")), OF_A_SCREEN)


def _sheets(page: Any, folder: Path, names: list[str], sheet: str, width: int) -> None:
    """Many small ones beside each other, to be looked at in one go."""
    page.set_viewport_size({"width": 1900, "height": 1000})
    across = 3 if width > 1000 else 6
    for number, first in enumerate(range(0, len(names), A_SHEET)):
        some = "".join(
            f'<figure style="margin:4px;width:{96 // across}%;display:inline-block;vertical-align:top">'
            f"<figcaption>{escape(name)}</figcaption>"
            f'<img src="{escape(name)}.png" style="{OF_A_THUMBNAIL}"></figure>'
            for name in names[first : first + A_SHEET]
        )
        file = folder / f"sheet-{sheet}-{number}.html"
        file.write_text(f"<!doctype html><meta charset=utf-8><body style='background:#888'>{some}")
        page.goto(file.resolve().as_uri())
        page.screenshot(path=folder / f"sheet-{sheet}-{number}.png", full_page=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
    finally:
        SERVER.close()

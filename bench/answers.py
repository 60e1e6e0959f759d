"""`python -m bench.answers [1000000] [dashboard]`: the console's pages at so many receipts, of those at a thousand.

On a PostgreSQL of its own. Many receipts also bring many groups of misses: GROUPS, where there are a few.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from tests.servers import Postgresql

FEW = 1_000
MANY = 1_000_000
GROUPS = 5_000
ROUNDS = 9
SERVER = Postgresql().start()
os.environ["BENCH_DATABASE_URL"] = SERVER.new_database("bench")

from bench import prepared  # noqa: E402  # the environment first
from bench.row import Row  # noqa: E402  # the environment first


def main(many: int = MANY, *, pages: bool = True) -> None:
    """All pages, or the dashboard alone, for which misses need not be grouped one by one."""
    from django.core.management import call_command

    assert prepared.FOLDER.name
    call_command("demo", prepare_only=True, stdout=sys.stderr)
    _fill(many, groups=GROUPS, group=pages)
    slow = {name: _milliseconds(do) for name, do in _measured(pages).items()}
    _fill(FEW, groups=50, group=pages)
    for name, do in _measured(pages).items():
        few = _milliseconds(do)
        dashboard = name == "dashboard"
        Row(
            f"{name} at {many:,} receipts, of that at {FEW:,}",
            slow[name] / few,
            f"{slow[name]:.1f} ms : {few:.1f} ms",
            1.3 if dashboard else None,
            "at most",
        ).tell()


def _fill(number: int, *, groups: int, group: bool) -> None:
    """Written, counted and grouped, as the jobs would."""
    from django.db import connection

    from bench import receipts
    from rag.models import CountedHour, EntryDay, EntryTally, HourTally, MissGroup, Receipt
    from rag.quality import counting, misses

    tables = [one._meta.db_table for one in (Receipt, CountedHour, HourTally, EntryDay, EntryTally, MissGroup)]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    began = time.perf_counter()
    receipts.write(number)
    written = time.perf_counter()
    hours = counting.count()
    counted = time.perf_counter()
    while group and misses.group_new():
        pass
    grouped = time.perf_counter()
    receipts.write_groups(groups - MissGroup.objects.count())
    print(
        f"{number} receipts: written in {written - began:.0f} s, {hours} hours counted in {counted - written:.0f} s,"
        f" misses grouped in {grouped - counted:.0f} s",
        file=sys.stderr,
    )


def _measured(pages: bool) -> dict[str, Callable[[], object]]:
    from django.contrib.auth.models import User
    from django.test import Client
    from django.utils import timezone

    from faq.models import Entry
    from rag.models import MissGroup, Receipt
    from rag.quality import tallies

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.filter(is_superuser=True)[0])
    now = timezone.now()
    middle = (now - timedelta(days=45)).isoformat().replace("+", "%2B")
    anybody = "00000000-0000-4000-8000-000000000000"
    receipt, group = Receipt.objects.order_by("-created_at")[0], MissGroup.objects.order_by("-heat")[0]
    some = list(Entry.objects.values_list("pk", flat=True)[:50])

    def page(path: str) -> Callable[[], object]:
        def get() -> None:
            assert client.get(path).status_code == 200, path

        return get

    log = "/admin/rag/receipt/"
    dashboard = {"dashboard": page("/admin/?window=7d")}
    if not pages:
        return dashboard
    return dashboard | {
        "totals of 7 days and of the 7 before": lambda: tallies.with_window_before(timedelta(days=7)),
        "hours of 7 days": lambda: tallies.hourly(now - timedelta(days=7), now),
        "asks of 50 entries": lambda: tallies.asks(some),
        "entries in the order of asks": page("/admin/faq/entry/?o=-5"),
        "log": page(log),
        "log, by rung": page(f"{log}?rung=text_search"),
        "log, degraded": page(f"{log}?degraded=1"),
        "log, missed": page(f"{log}?miss=1"),
        "log, voted down": page(f"{log}?vote=down"),
        "log, 45 days back": page(f"{log}?before={middle}_{anybody}"),
        "log, a frequent word": page(f"{log}?q=index"),
        "log, a word that nobody wrote": page(f"{log}?q=zyzzyva"),
        "log, of one entry": page(f"{log}?entry={some[0]}"),
        "log, of one group": page(f"{log}?group={group.pk}"),
        "why this answer": page(f"{log}{receipt.pk}/change/"),
        "misses": page("/admin/rag/missgroup/"),
        "one group of misses": page(f"/admin/rag/missgroup/{group.pk}/change/"),
    }


def _milliseconds(do: Callable[[], object]) -> float:
    do()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        do()
        times.append(1_000 * (time.perf_counter() - began))
    return min(times)  # whatever else the machine does only adds


if __name__ == "__main__":
    try:
        numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
        main(*numbers[:1], pages="dashboard" not in sys.argv)
    finally:
        SERVER.close()

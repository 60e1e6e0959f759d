"""The clock of the product's processes is wrong, or jumps while they run; that of PostgreSQL, Redis and askers is not.

By Debian's libfaketime, which leaves the monotonic clock alone, as it does when somebody sets a machine's clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import PASSWORD
from tests.faults.ground import Ground
from tests.servers import until
from tests.stack.asker import Asker
from tests.stack.scraping import parsed


@dataclass
class Clock:
    file: Path

    def off_by(self, hours: float) -> None:
        """Within a second, in every process."""
        self.file.write_text(f"{hours:+g}h\n")


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    clock = Clock(tmp_path_factory.mktemp("clock") / "offset")
    clock.off_by(0)
    return clock


@pytest.fixture(scope="module")
def ground(clock: Clock, model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock.file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "WEB_CONCURRENCY": "2",
    }
    with grounds.ground(tmp_path_factory.mktemp("clocked"), qdrant_url, **faked) as ground:
        yield grounds.warm(ground)


def signed_in(ground: Ground) -> Asker:
    password = PASSWORD.search(ground.product.log())
    assert password
    editor = Asker(ground.product.address)
    assert "Log out" in editor.post("/admin/login/", username="admin", password=password[1], next="/admin/").text
    return editor


def told_by(asker: Asker) -> float:
    """The product's own clock, as the Date of an answer has it, against ours: in hours."""
    with urlopen(asker.address + "/healthz", timeout=10) as response:
        return (parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()) / 3600


@pytest.mark.fault(35)
def test_it_jumps_forth_and_back_and_nothing_else_does(ground: Ground, clock: Clock) -> None:
    editor = signed_in(ground)
    for hours in (2, -2, 0):
        clock.off_by(hours)
        until(lambda: abs(told_by(editor) - hours) < 0.1, "the clock is set")  # noqa: B023  # called within the turn
        for number in range(6):
            reply = ground.product.ask(f"When do you close on Saturday? I come at {hours}, with {number}.")
            assert (reply.status, reply.answered_by, reply.degraded) == (200, "generated", [])
        assert "Log out" in editor.get("/admin/").text  # nobody is thrown out
        an_edit_is_found(ground, f"By a clock that is {hours} hours off.")
        assert negative_seconds(ground) == []
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        negative = (
            "SELECT count(*) FROM rag_receipt, jsonb_each_text(milliseconds) AS spent WHERE spent.value::float < 0"
        )
        assert connection.execute(negative).fetchone() == (0,)


def negative_seconds(ground: Ground) -> list[str]:
    values = parsed(ground.product.get("/metrics").text).values
    return [f"{series} {value}" for series, value in values.items() if "_seconds" in series[0] and value < 0]


def an_edit_is_found(ground: Ground, said: str) -> None:
    """Written by another process of the product, whose clock is as wrong, and indexed by its worker."""
    ground.product.does(
        "from faq.models import Entry\n"
        "entry = Entry.objects.get(external_id='opening')\n"
        "entry.answer = said\n"
        "entry.save()",
        said=said,
    )

    def indexed() -> bool:
        with psycopg.connect(ground.postgresql.url("faults")) as connection:
            row = connection.execute(
                "SELECT count(*) FROM rag_embedding kept JOIN faq_entry entry ON entry.id = kept.entry_id"
                " AND entry.text_hash = kept.text_hash WHERE entry.answer = %s",
                [said],
            ).fetchone()
        return row == (1,)

    until(indexed, "the edit is in the index", 60, pause=0.2)
    assert ground.product.ask("When is the library open?").answer == said

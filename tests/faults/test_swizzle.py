"""A random part of everything breaks one after the other and is mended in another order, while people ask and edit.

`make drill-faults SEEDS=200` runs many; a run is had again by `DRILL_FIRST=<seed> SEEDS=1`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import PASSWORD, Asked, Crowd, Editor
from tests.faults.ground import FAULTS, Ground
from tests.faults.report import Report
from tests.faults.schedule import Step, swizzle
from tests.servers import until

SEEDS = int(os.environ.get("DRILL_SEEDS", "0"))
FIRST = int(os.environ.get("DRILL_FIRST", "0"))
SPREAD = 3.0
RECOVERS_WITHIN = 30.0  # what is expected is in the report; this only ends a run that hangs
# A busy machine's share. The report tells the slowest of each run.
OVERRUN = 5.0
EDITED = ("donate", "wifi", "rooms")


def seeds() -> list[int]:
    return list(range(FIRST, FIRST + SEEDS)) if SEEDS else [date.today().toordinal()]


@pytest.fixture(scope="module")
def ground(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ground(tmp_path_factory.mktemp("swizzle"), qdrant_url) as ground:
        yield grounds.warm(ground)


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    report = Report()
    yield report
    if file := os.environ.get("DRILL_REPORT"):
        report.write(Path(file))


def editor_of(ground: Ground) -> Editor:
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        rows = connection.execute("SELECT external_id, id FROM faq_entry WHERE external_id = ANY(%s)", [list(EDITED)])
        entries: dict[str, int] = dict(rows.fetchall())
    password = PASSWORD.search(ground.product.log())
    assert password
    return Editor(ground.product.address, password[1], entries)


def play(ground: Ground, steps: list[Step]) -> None:
    began = time.monotonic()
    for step in steps:
        time.sleep(max(0.0, step.at - (time.monotonic() - began)))
        fault = FAULTS[step.fault]
        (fault.begin if step.begins else fault.end)(ground)


def healed(ground: Ground) -> bool:
    """Several in a row are answered with everything."""
    replies = (ground.product.ask(f"When do you close on Saturday, {time.monotonic()}?") for _ in range(4))
    return all(reply.status == 200 and reply.degraded == [] for reply in replies)


@pytest.mark.parametrize("seed", seeds())
def test_whatever_breaks_the_asker_is_answered_and_no_acknowledged_edit_is_lost(
    ground: Ground, report: Report, seed: int
) -> None:
    steps = swizzle(seed, list(FAULTS), spread=SPREAD)
    crowd, editor = Crowd(ground.product.address, askers=3), editor_of(ground)
    editor.begin()
    crowd.start()
    try:
        play(ground, steps)
        mended = time.monotonic()
        until(lambda: healed(ground), "everything is used again", RECOVERS_WITHIN, pause=0.2)
        recovered = time.monotonic() - mended
    finally:
        ground.mend_everything()  # whatever went wrong here, the next run begins with everything
        asked = crowd.stop()
        editor.end()
    report.add(seed, steps, asked, recovered, editor)
    assert not broken_promises(asked, steps), "\n".join(map(str, steps))
    check_edits(ground, editor)


def broken_promises(asked: list[Asked], steps: list[Step]) -> list[Asked]:
    """Those who got no answer, or none in time. Who was at a worker when it was killed gets none: that is known."""
    killed = [step.at for step in steps if step.fault == "a web worker killed" and step.begins]
    excused = [
        one for one in asked if not one.status and any(one.at <= at <= one.at + one.seconds + 1 for at in killed)
    ]
    wrong = [one for one in asked if one.fault and one not in excused]
    late = [one for one in asked if one.seconds > grounds.DEADLINE + OVERRUN]
    return wrong + late


def check_edits(ground: Ground, editor: Editor) -> None:
    """In PostgreSQL as it was acknowledged, or as it was saved later; answered so; and the index without drift."""
    assert editor.acknowledged, "nobody could edit anything: the run shows nothing"
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        rows = connection.execute(
            "SELECT external_id, question, answer FROM faq_entry WHERE id = ANY(%s)", [list(editor.entries.values())]
        ).fetchall()
    for name, question, answer in rows:
        kept = int(answer.split()[1]) if answer.startswith("Version") else 0
        assert kept >= editor.acknowledged.get(name, 0), f"{name}: an acknowledged edit is lost"
        until(lambda: ground.product.ask(question).answer == answer, f"{name} is answered as it was saved", 10)  # noqa: B023

    def without_drift() -> bool:
        with ground.product.manage("check_index") as process:
            process.communicate(timeout=60)
        return process.returncode == 0

    until(without_drift, "the index has caught up", 60, pause=1)

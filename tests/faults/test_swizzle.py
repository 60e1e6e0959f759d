"""A random part of everything breaks one after the other and is mended in another order, while people ask and edit.

`make drill-faults SEEDS=200` runs many, on several products side by side; a run is had again by `FIRST=<seed> SEEDS=1`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import PASSWORD, Asked, Crowd, Editor
from tests.faults.ground import FAULTS, Ground
from tests.faults.records import Swizzle, keep, times
from tests.faults.schedule import Step, swizzle
from tests.servers import until

SEEDS = int(os.environ.get("DRILL_SEEDS", "0"))
FIRST = int(os.environ.get("DRILL_FIRST", "0"))
SPREAD = 3.0
RECOVERS_WITHIN = 30.0  # what is expected is in the report; this only ends a run that hangs
OVERRUN = 3.0  # a busy machine's share; the report tells the slowest of each run
EDITED = ("donate", "wifi", "rooms")
# Cheap to ask until the index can be expected to be without drift, which is then looked for in earnest.
BEHIND = """SELECT count(*) FROM faq_entry entry WHERE status = 'published' AND NOT EXISTS
    (SELECT 1 FROM rag_embedding kept WHERE kept.entry_id = entry.id AND kept.text_hash = entry.text_hash)"""


def seeds() -> list[int]:
    return list(range(FIRST, FIRST + SEEDS)) if SEEDS else [date.today().toordinal()]


@pytest.fixture(scope="module")
def ground(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ground(tmp_path_factory.mktemp("swizzle"), qdrant_url) as ground:
        yield grounds.warm(ground)


def editor_of(ground: Ground) -> Editor:
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        rows = connection.execute("SELECT external_id, id FROM faq_entry WHERE external_id = ANY(%s)", [list(EDITED)])
        entries: dict[str, int] = dict(rows.fetchall())
    password = PASSWORD.search(ground.product.log())
    assert password
    return Editor(ground.product.address, password[1], entries)


def play(ground: Ground, steps: list[Step], began: float) -> list[Step]:
    """The steps as they were done: whatever stops a server takes its time, and holds up the next one."""
    done = []
    for step in steps:
        time.sleep(max(0.0, step.at - (time.monotonic() - began)))
        fault, at = FAULTS[step.fault], time.monotonic() - began
        (fault.begin if step.begins else fault.end)(ground)
        done.append(replace(step, at=at))
    return done


@pytest.mark.fault(41)
@pytest.mark.parametrize("seed", seeds())
def test_whatever_breaks_the_asker_is_answered_and_no_acknowledged_edit_is_lost(ground: Ground, seed: int) -> None:
    steps = swizzle(seed, list(FAULTS), spread=SPREAD)
    crowd, editor = Crowd(ground.product.address, askers=3), editor_of(ground)
    editor.begin()
    crowd.start()
    recovered = RECOVERS_WITHIN
    try:
        steps = play(ground, steps, crowd.began)
        mended = time.monotonic()
        until(lambda: grounds.all_well(ground), "everything is used again", RECOVERS_WITHIN, pause=0.2)
        recovered = time.monotonic() - mended
    finally:
        ground.mend_everything()  # whatever went wrong here, the next run begins with everything
        asked = crowd.stop()
        editor.end()
        run = judged(ground, seed, steps, asked, recovered, editor)
        keep(run)
    assert editor.acknowledged, "nobody could edit anything: the run shows nothing"
    assert (run.unanswered, run.late, run.lost) == (0, 0, ()), told(ground, steps, asked)
    check_edits(ground, editor)


def judged(
    ground: Ground, seed: int, steps: list[Step], asked: list[Asked], recovered: float, editor: Editor
) -> Swizzle:
    excused = cut_off(asked, steps)
    return Swizzle(
        seed=seed,
        spread=SPREAD,
        faults=tuple(step.fault for step in steps if step.begins),
        answered=sum(not one.fault for one in asked),
        cut_off=len(excused),
        unanswered=sum(bool(one.fault) for one in asked if one not in excused),
        late=len(late(asked)),
        times=times(asked),
        recovered=recovered,
        acknowledged=sum(editor.acknowledged.values()),
        refused=editor.refused,
        lost=tuple(lost(ground, editor)),
    )


def cut_off(asked: list[Asked], steps: list[Step]) -> list[Asked]:
    """Who was at a worker when it was killed gets no answer: that is known."""
    killed = [step.at for step in steps if step.fault == "a web worker killed" and step.begins]
    return [one for one in asked if not one.status and any(one.at <= at <= one.at + one.seconds + 1 for at in killed)]


def late(asked: list[Asked]) -> list[Asked]:
    return [one for one in asked if one.seconds > grounds.DEADLINE + OVERRUN]


def told(ground: Ground, steps: list[Step], asked: list[Asked]) -> str:
    """The timeline; and of whoever got nothing, or got it late, where the receipt says that the time went."""
    lines = [str(step) for step in steps]
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        for one in asked:
            if one.fault or one in late(asked):
                found = connection.execute("SELECT milliseconds FROM rag_receipt WHERE id::text = %s", [one.answer])
                lines.append(f"{one} {found.fetchone()}")
    return "\n".join(lines)


def versions(ground: Ground, editor: Editor) -> list[tuple[str, str, str]]:
    """Name, question and answer of what was edited, as PostgreSQL has it."""
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        return connection.execute(
            "SELECT external_id, question, answer FROM faq_entry WHERE id = ANY(%s)", [list(editor.entries.values())]
        ).fetchall()


def lost(ground: Ground, editor: Editor) -> list[str]:
    """Entries that are older than what was acknowledged."""
    return [
        name
        for name, _, answer in versions(ground, editor)
        if (int(answer.split()[1]) if answer.startswith("Version") else 0) < editor.acknowledged.get(name, 0)
    ]


def check_edits(ground: Ground, editor: Editor) -> None:
    """What is in PostgreSQL is answered so, and the index is without drift."""
    for name, question, answer in versions(ground, editor):
        until(lambda: ground.product.ask(question).answer == answer, f"{name} is answered as it was saved", 10)  # noqa: B023  # called within the turn

    def nothing_behind() -> bool:
        with psycopg.connect(ground.postgresql.url("faults")) as connection:
            return connection.execute(BEHIND).fetchone() == (0,)

    def without_drift() -> bool:
        with ground.product.manage("check_index") as process:
            process.communicate(timeout=60)
        return process.returncode == 0

    until(nothing_behind, "the worker has caught up", 60, pause=0.1)
    until(without_drift, "the index has caught up", 60, pause=1)

"""Replies of the vector store that are late, cut, garbled or false, or that do not come: rows 3 to 6 and 9."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from faq.models import Entry
from rag.answering.pipeline import VECTOR_BREAKER, Answer, answer
from rag.index import coverage, jobs, work
from rag.models import Embedding, Receipt
from tests.line import Ended, Line, Spoil, cut_short, rewritten, slowly
from tests.standins.qdrant import QdrantStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]
ASKED = "I forgot my password, how to reset"


@pytest.fixture
def line(qdrant_url: str, collection: str, settings: Settings) -> Iterator[Line]:
    """Between the product and its vector store."""
    with Line(qdrant_url) as line:
        settings.VECTOR_STORE, settings.QDRANT_COLLECTION_NAME = "rag.index.vector_store.QdrantStore", collection
        settings.QDRANT_URL = line.url
        yield line


@pytest.fixture
def house(line: Line, published: Published) -> dict[str, Entry]:
    entries = {
        "password": published("How do I reset my password?", "Choose Forgot password on the login page."),
        "secret": published("How do I get the secret password back?", "This entry is to be deleted."),
    }
    work.run(jobs.request().pk)
    assert answer(f"{ASKED} now").degraded == []
    return entries


def points(*rows: dict[str, Any]) -> bytes:
    """As Qdrant answers a search."""
    return json.dumps({"result": {"points": list(rows)}, "status": "ok", "time": 0.001}).encode()


def point(entry: int, score: Any = 0.93, **payload: Any) -> dict[str, Any]:
    told = {"entry_id": entry, "kind": "question", "language": "en", "category_id": 1, "text_hash": "x", "recipe": "r"}
    return {"id": entry, "version": 1, "score": score, "payload": told | payload}


def reason(given: Answer) -> list[list[str]]:
    fallbacks: list[list[str]] = Receipt.objects.get(pk=given.id).fallbacks
    return fallbacks


NONSENSE: dict[str, Spoil] = {
    "cut JSON": rewritten(points(point(1))[:40]),
    "cut in mid line": cut_short(60),
    "HTML with 200": rewritten(b"<html>Welcome to the airport</html>", kind="text/html"),
    "NaN for a score": rewritten(points(point(1)).replace(b"0.93", b"NaN")),
    "a score of seven": rewritten(points(point(1, 7.0))),
    "a point without payload": rewritten(points(point(1) | {"payload": None})),
    "a list": rewritten(b"[1, 2]"),
    "no bytes": rewritten(b""),
}


@pytest.mark.fault(6)
@pytest.mark.parametrize("spoil", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_not_searched_with(line: Line, house: dict[str, Entry], spoil: Spoil) -> None:
    """Row 6: words find the entry instead."""
    line.spoil(spoil)
    given = answer(ASKED)
    assert (given.degraded, given.answer) == (["vector"], house["password"].answer)
    assert reason(given)[0][0] == "vector"
    line.mend()
    VECTOR_BREAKER.reset()
    assert answer(f"{ASKED} again").degraded == []


@pytest.mark.fault(6)
def test_what_postgresql_does_not_know_is_never_shown(line: Line, house: dict[str, Entry]) -> None:
    """Row 6: ids of nobody, and an entry that was deleted while the store still has its point."""
    gone, said = house["secret"].pk, house["secret"].answer
    house["secret"].delete()
    line.spoil(rewritten(points(point(gone, 0.99), point(10**9, 0.98), point(house["password"].pk, 0.9))))
    given = answer(ASKED)
    assert gone not in [one.id for one in given.sources]
    assert said not in given.answer
    assert given.sources[0].id == house["password"].pk


@pytest.mark.fault(6)
def test_in_a_thousand_false_replies_nothing_unpublished_is_shown(line: Line, house: dict[str, Entry]) -> None:
    """Row 6: archived, deleted and unknown ids in any order and with any score; here a tenth of the thousand."""
    archived, dice = house["secret"], random.Random(6)
    Entry.objects.filter(pk=archived.pk).update(status=Entry.Status.ARCHIVED)
    for number in range(100):
        ids = [dice.choice([archived.pk, house["password"].pk, 10**6, 0, -1]) for _ in range(dice.randint(0, 5))]
        line.spoil(rewritten(points(*[point(one, dice.uniform(-1, 1)) for one in ids])))
        given = answer(f"{ASKED} {number}")
        assert archived.pk not in [one.id for one in given.sources]
        assert archived.answer not in given.answer
        assert given.answer
    assert Embedding.objects.exists()


SLOW: dict[str, Spoil] = {"late": slowly(0.3), "a byte at a time": slowly(0.02, at_once=1), "too late": slowly(5.0)}


@pytest.mark.fault(5)
@pytest.mark.parametrize("spoil", SLOW.values(), ids=SLOW)
def test_slow_replies_end_in_an_answer(line: Line, house: dict[str, Entry], spoil: Spoil) -> None:
    """Row 5: as long as there is time they are waited for; then words find the entry."""
    line.spoil(spoil)
    given = answer(ASKED)
    assert given.sources[0].id == house["password"].pk
    assert given.degraded in ([], ["vector"])
    assert Receipt.objects.get(pk=given.id).milliseconds["total"] < 2_000 * 8  # twice the deadline


def vector_transitions(log: list[str]) -> int:
    return sum("vector store" in line and line.startswith("breaker ") for line in log)


@pytest.mark.fault(3)
def test_a_line_that_falls_silent_is_given_up_on_connections_that_were_good(
    line: Line, house: dict[str, Entry], settings: Settings
) -> None:
    """Row 3: nothing comes back any more on a connection that has just brought answers; half of the time is kept."""
    settings.RAG_DEADLINE_SECONDS = 2.0
    line.hold()
    given = answer(ASKED)
    assert (given.degraded, given.answer) == (["vector"], house["password"].answer)
    receipt = Receipt.objects.get(pk=given.id)
    assert receipt.fallbacks == [["vector", "timeout"]]
    # A whole deadline is what a busy machine may add to the half that the search had.
    assert receipt.milliseconds["vector"] < 1_000 * settings.RAG_DEADLINE_SECONDS


@pytest.mark.fault(4)
def test_half_of_all_replies_broken_off_does_not_flap(
    line: Line, house: dict[str, Entry], caplog: pytest.LogCaptureFixture
) -> None:
    """Row 4: resets by the dice of a seed. Each question is answered, by vectors or by words."""
    dice = random.Random(4)

    def broken_off(data: bytes) -> Iterator[bytes]:
        if dice.random() < 0.5:
            raise Ended
        yield data

    line.spoil(broken_off)
    for number in range(60):
        given = answer(f"{ASKED} {number}")
        assert given.sources[0].id == house["password"].pk
        assert given.degraded in ([], ["vector"])
    assert vector_transitions(caplog.messages) <= 6


@pytest.fixture
def full(tmp_path: Path, settings: Settings) -> Iterator[QdrantStandIn]:
    """A vector store whose disk can be full: always the stand-in, as no other can be told to be."""
    settings.VECTOR_STORE = "rag.index.vector_store.QdrantStore"
    with QdrantStandIn(tmp_path / "store") as store:
        settings.QDRANT_URL = store.url
        yield store


@pytest.mark.fault(9)
def test_a_store_that_takes_no_writes_is_read_and_gets_every_edit_later(
    full: QdrantStandIn, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 9: reads go on, edits wait as a fact, and none is lost."""
    monkeypatch.setattr(work, "REST_SECONDS", 0.0)  # else the sweep leaves a store that failed alone for a while
    entry = published("How do I reset my password?", "Choose Forgot password.")
    work.run(jobs.request().pk)
    full.fault("full")
    entry.answer = "Ask the desk."
    entry.save()
    work.run(jobs.request().pk)
    assert coverage.coverage().outdated == 1
    given = answer(ASKED)
    assert (given.degraded, given.answer) == ([], "Ask the desk.")  # never the old words
    full.fault(None)
    work.sweep()
    work.run_waiting()
    assert (coverage.coverage().outdated, coverage.coverage().current) == (0, 1)

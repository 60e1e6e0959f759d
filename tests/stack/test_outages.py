"""What breaks behind the answers, one after the other, on the whole stack: they go on, and it heals by itself."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import drop_collections
from tests.line import Line
from tests.servers import Postgresql, Redis, until
from tests.stack.asker import Reply
from tests.stack.conftest import LIBRARY
from tests.stack.console import Console
from tests.stack.product import Product
from tests.standins.gemini import API_KEY, GeminiStandIn

DEADLINE = 2.0
NOISE = 3.0  # a busy machine's share: what has no limit takes a minute and more
HEAL_SECONDS = 90.0  # a refused key is tried once a minute
TOLD_WITHIN = 15.0  # after the fault has begun
OUTAGE = 16
IN_A_ROW = 6  # good answers: several processes answer, each with a memory of its own
OPENING = "from nine to eight"
numbers = itertools.count(1)


def a_new_question() -> str:
    """Never asked before, so that no kept answer hides what is broken."""
    return f"When do you close on Saturday? I come with bus {next(numbers)}."


def a_question_like_the_entrys() -> str:
    """Without the database only the wording of questions is left to compare with."""
    return f"When is the library open to reader {next(numbers)}?"


@dataclass
class Stack:
    """The product, and what is behind it."""

    product: Product
    postgresql: Postgresql
    redis: Redis
    qdrant: Line
    gemini: GeminiStandIn
    console: Console

    def is_named(self, part: str) -> None:
        """On the dashboard and on the health page, while questions go on."""

        def told() -> bool:
            self.ask()
            return self.console.names(part)

        until(told, f"the console says that {part} is down", TOLD_WITHIN, pause=0.2)

    def ask(self, question: str | None = None) -> Reply:
        """Whatever is broken, this holds."""
        reply = self.product.ask(question or a_new_question())
        assert reply.status == 200, reply.text
        assert reply.answer.strip()
        assert reply.seconds < DEADLINE + NOISE
        return reply

    def is_well(self) -> bool:
        """Several in a row are answered with everything, and no process spares anything, whoever is asked next."""
        replies = [self.ask() for _ in range(IN_A_ROW)]
        good = all((reply.answered_by, reply.degraded) == ("generated", []) for reply in replies)
        return good and not self.product.breakers_open()

    def heal(self) -> None:
        self.postgresql.recover()
        self.redis.recover()
        self.qdrant.mend()
        self.gemini.behave("good")
        until(self.is_well, "it heals by itself", HEAL_SECONDS, pause=0.5)


@pytest.fixture(scope="module")
def stack(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With servers of its own, as it stops them."""
    with Postgresql() as postgresql, Redis() as redis, Line(qdrant_url) as qdrant, GeminiStandIn() as gemini:
        gemini.retry_after = 1
        product = Product(
            tmp_path_factory.mktemp("outages"),
            faq=LIBRARY,
            DATABASE_URL=postgresql.new_database("outages"),
            REDIS_URL=redis.url,
            VECTOR_DB_URL=qdrant.url,
            QDRANT_COLLECTION_NAME="test_outages",
            GEMINI_API_KEY=API_KEY,
            GEMINI_BASE_URL=gemini.url,
            RAG_DEADLINE_SECONDS=str(DEADLINE),
        )
        with product:
            stack = Stack(product, postgresql, redis, qdrant, gemini, Console(product))
            # The first questions wait until each process has loaded its model, whatever their deadline.
            until(lambda: all(product.ask(a_new_question()).degraded == [] for _ in range(IN_A_ROW)), "it is warm")
            yield stack
        drop_collections(qdrant_url, "test_outages")


@pytest.fixture(autouse=True)
def _healed_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test ends with the proof that nobody had to restart anything."""
    yield
    if "stack" in request.fixturenames:
        stack: Stack = request.getfixturevalue("stack")
        stack.heal()


@pytest.fixture(scope="module")
def modelless(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Another product, as one that has loaded its model keeps it: no model at its start, nor any way to one."""
    folder = tmp_path_factory.mktemp("modelless")
    nowhere = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    with Product(folder, faq=LIBRARY, MODEL_DIR=str(folder / "models"), **nowhere) as product:
        yield product


@pytest.mark.fault(16)
def test_without_its_model_it_starts_and_words_find_the_entry(modelless: Product, model: Path) -> None:
    reply = modelless.ask("When do you close on Saturday?")
    assert (reply.status, reply.degraded) == (200, ["embed"])
    assert (reply.answered_by, reply.sources[0]) == ("text_search", "opening")
    assert modelless.ask("When is the library open").answered_by == "exact"
    console = Console(modelless)
    until(lambda: console.names("Embedding model"), "the console says that it is missing", TOLD_WITHIN, pause=0.2)
    # It looks again every half minute; the last test here sees whether it has.
    shutil.copytree(model, Path(modelless.environment["MODEL_DIR"]) / model.name, dirs_exist_ok=True)


def test_all_is_well_to_begin_with(stack: Stack) -> None:
    reply = stack.ask()
    assert (reply.answered_by, reply.degraded, reply.sources[0]) == ("generated", [], "opening")
    assert stack.gemini.requests[-1].key == API_KEY


@pytest.mark.fault(10, 11, 12, 13, 14, 15)
@pytest.mark.parametrize(
    "behaviour",
    [
        *("401", "bad_key", "429", "500", "503", "bad_gateway"),
        *("hang", "drip", "drip_headers", "disconnect", "cut"),
        *("prompt_blocked", "candidate_blocked", "max_tokens", "no_candidates"),
        *("broken_json", "html", "bad_utf8", "empty_text", "wrong_types"),
    ],
)
def test_gemini_fails_and_the_entry_answers_in_its_own_words(stack: Stack, behaviour: str) -> None:
    stack.gemini.behave(behaviour)
    for _ in range(2):
        reply = stack.ask()
        assert (reply.answered_by, reply.degraded, reply.sources[0]) == ("verbatim", ["generate"], "opening")
        assert OPENING in reply.answer


@pytest.mark.parametrize("behaviour", ["401", "429", "500", "hang", "disconnect", "html"])
def test_the_console_says_that_gemini_is_down(stack: Stack, behaviour: str) -> None:
    stack.gemini.behave(behaviour)
    stack.is_named("Gemini")


def test_gemini_talks_nonsense_and_the_entry_answers_in_its_own_words(stack: Stack) -> None:
    stack.gemini.text = "The library is on the moon, as everybody knows. [7]"
    try:
        reply = stack.ask()
        assert (reply.answered_by, reply.degraded) == ("verbatim", ["generate"])
        assert OPENING in reply.answer
    finally:
        stack.gemini.text = ""


def test_what_was_answered_before_is_answered_while_gemini_is_away(stack: Stack) -> None:
    question = a_new_question()
    before = stack.ask(question)
    kept = lambda: all(stack.ask(question).json["cached"] for _ in range(IN_A_ROW))  # noqa: E731  # asked again and again
    until(kept, "every process has it", pause=0.2)
    stack.gemini.behave("500")
    again = stack.ask(question)
    assert again.json["cached"]
    assert (again.answer, again.answered_by, again.degraded) == (before.answer, "generated", [])


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("fault", ["cut", "hold"])
def test_qdrant_is_away_and_words_find_the_entry(stack: Stack, fault: str) -> None:
    getattr(stack.qdrant, fault)()
    for _ in range(3):
        reply = stack.ask()
        assert reply.degraded == ["vector"]
        assert reply.answered_by in {"text_search", "suggestions"}
        assert reply.sources[0] == "opening"
    exact = stack.ask("When is the library open")
    assert (exact.answered_by, exact.degraded) == ("exact", [])
    stack.is_named("Qdrant")


@pytest.mark.fault(25)
@pytest.mark.parametrize("fault", [signal.SIGTERM, signal.SIGSTOP])
def test_redis_is_away_and_nobody_notices(stack: Stack, fault: signal.Signals) -> None:
    stack.redis.fail(fault)
    for _ in range(3):
        reply = stack.ask()
        assert (reply.answered_by, reply.degraded, reply.sources[0]) == ("generated", [], "opening")


def test_the_database_is_away_and_the_closest_questions_are_offered(stack: Stack) -> None:
    """For so long that whoever waits twice as long after each try would still be waiting when it is back."""
    stack.postgresql.stop()
    stack.is_named("PostgreSQL")
    for _ in range(OUTAGE):
        reply = stack.ask(a_question_like_the_entrys())
        assert (reply.answered_by, reply.sources[0]) == ("suggestions", "opening")
        assert "database" in reply.degraded
        assert "When is the library open?" in reply.answer
        time.sleep(1)
    stack.postgresql.start()
    until(stack.is_well, "the database is used again", OUTAGE / 2, pause=0.5)


def test_everything_is_away(stack: Stack) -> None:
    stack.postgresql.stop()
    stack.redis.stop()
    stack.qdrant.cut()
    stack.gemini.behave("disconnect")
    reply = stack.ask(a_question_like_the_entrys())
    assert (reply.answered_by, reply.sources[0]) == ("suggestions", "opening")
    assert "When is the library open?" in reply.answer


@pytest.mark.fault(1, 25)
@pytest.mark.parametrize(
    ("away", "entry", "answer", "question"),
    [
        ("qdrant", "Are horses allowed?", "Horses stay outside.", "May my pony trot through the hall?"),
        ("redis", "Do you have a place for tobacco?", "Only in the yard.", "Is it allowed to smoke a cigar?"),
    ],
)
def test_an_edit_meanwhile_is_in_the_index_soon_after(
    stack: Stack, away: str, entry: str, answer: str, question: str
) -> None:
    name = f"while-{away}"
    stack.qdrant.cut() if away == "qdrant" else stack.redis.stop()
    stack.product.does(
        "from faq.models import Category, Entry\n"
        "Entry.objects.create(external_id=name, question=question, answer=answer, status='published',"
        " category=Category.objects.get(name='Visiting'))",
        name=name,
        question=entry,
        answer=answer,
    )
    assert stack.ask(entry.rstrip("?")).answer == answer  # by its very words at once
    stack.heal()
    until(lambda: stack.ask(question).sources[:1] == [name], "the edit is in the index", HEAL_SECONDS, pause=0.5)


@pytest.mark.fault(16)
def test_the_model_that_came_meanwhile_is_used(modelless: Product) -> None:
    def finds_by_meaning() -> bool:
        reply = modelless.ask("At what hour are the doors shut?")
        return reply.degraded == [] and reply.sources[:1] == ["opening"]

    until(finds_by_meaning, "it has its model, and an index made with it", 2 * HEAL_SECONDS, pause=1)

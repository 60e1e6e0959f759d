"""What is edited in one process is answered by another: within seconds, and never as it was before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import until
from tests.stack.conftest import LIBRARY, Environment
from tests.stack.product import Product

SECONDS = 30.0  # a sweep comes every five
ENTRY = "from faq.models import Category, Entry\nentry = Entry.objects.get(external_id=external_id)\n"


@pytest.fixture(scope="module", params=["embedded", "servers"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    servers: Callable[[], Environment] = request.getfixturevalue("servers")
    environment = servers() if request.param == "servers" else {}
    with Product(tmp_path_factory.mktemp(request.param), faq=LIBRARY, **environment) as product:
        yield product


def until_first(product: Product, external_id: str, question: str) -> None:
    """Until the question, in words that the entry does not have, leads to it first: so it is in the index."""

    def leads_there() -> bool:
        reply = product.ask(question)
        return reply.sources[:1] == [external_id] and not reply.degraded

    until(leads_there, f"{question!r} leads to {external_id}", SECONDS, pause=0.3)


def test_it_answers_by_meaning_and_on_what_it_was_told_to(product: Product) -> None:
    reply = product.ask("I left my membership card on the bus, and now?")
    assert (reply.status, reply.answered_by, reply.degraded) == (200, "verbatim", [])
    assert reply.sources[0] == "lost-card"


def test_jobs_have_a_process_of_their_own_where_redis_carries_them(product: Product) -> None:
    workers = [one for one in product.processes() if "work" in one.cmdline()]
    assert bool(workers) == ("REDIS_URL" in product.environment)
    # With a pool come the time limits of a web process, which a long job would break.
    assert all(worker.environ()["DB_POOL_MAX"] == "0" for worker in workers)


def test_a_new_entry_is_found_by_its_meaning(product: Product) -> None:
    question = "Is it allowed to take my dog inside?"
    assert "animals" not in product.ask(question).sources
    product.does(
        "from faq.models import Category, Entry\n"
        "Entry.objects.create(external_id='animals', category=Category.objects.get(name='Visiting'),"
        " question='Can animals come along?', answer='Guide dogs are welcome; other pets wait at home.',"
        " status='published')"
    )
    until_first(product, "animals", question)
    assert "Guide dogs" in product.ask("can animals come along").answer


def test_a_draft_is_not_found_until_it_is_published(product: Product) -> None:
    question = "May I eat my sandwich among the shelves?"
    product.does(
        "from faq.models import Category, Entry\n"
        "Entry.objects.create(external_id='food', category=Category.objects.get(name='Visiting'),"
        " question='Can I bring food and drink?', answer='Water in closed bottles only.')"
    )
    assert "food" not in product.ask(question).sources
    assert "food" not in product.ask("Can I bring food and drink?").sources
    product.does(ENTRY + "entry.status = 'published'\nentry.save()", external_id="food")
    until_first(product, "food", question)
    assert "Water" in product.ask("Can I bring food and drink?").answer


def test_an_edit_is_never_answered_as_it_was_before(product: Product) -> None:
    """Asked at once after each commit, by its own question and by its meaning, from the cache and past it."""
    exact, by_meaning = "What does it cost to bring a book back late?", "How much do I owe when my book is overdue?"
    for cents in (31, 32, 33):
        answer = f"Each item costs {cents} cents for every day that it is late."
        product.does(ENTRY + "entry.answer = answer\nentry.save()", external_id="fines", answer=answer)
        for question in (exact, exact, by_meaning, by_meaning):
            reply = product.ask(question)
            assert (reply.sources[0], reply.answer) == ("fines", answer)
    # What one process has found, the others know a moment later.
    until(lambda: product.ask(exact).json["cached"], "the one is kept")
    until(lambda: product.ask(by_meaning).json["cached"], "the other is kept")


def test_a_bulk_change_without_signals_is_followed_too(product: Product) -> None:
    question = "Who reads fairy tales to my daughter?"
    until_first(product, "children", question)
    product.does(
        "from faq.models import Entry\n"
        "Entry.objects.filter(external_id='children').update(question='When do the puppets play?',"
        " answer='The puppet theatre plays on the first Sunday of the month.', variants=[])"
    )
    until_first(product, "children", "At what time can we see the marionettes?")
    assert "puppet" in product.ask("When do the puppets play?").answer


def test_an_archived_entry_is_answered_no_longer(product: Product) -> None:
    question = "Could you use my old paperbacks?"
    until_first(product, "donate", question)
    product.does(ENTRY + "entry.status = 'archived'\nentry.save()", external_id="donate")
    for asked in (question, "Do you take books that I no longer need?"):
        assert "donate" not in product.ask(asked).sources


def test_a_deleted_entry_is_answered_no_longer_and_leaves_the_index(product: Product) -> None:
    question = "Is there a place to copy a page?"
    until_first(product, "printing", question)
    product.does(ENTRY + "entry.delete()", external_id="printing")
    for asked in (question, "How do I print in the library?"):
        assert "printing" not in product.ask(asked).sources
    until(lambda: _points_without_entry(product) == 0, "its points are taken out of the index", SECONDS, pause=0.5)


def _points_without_entry(product: Product) -> int:
    return int(
        product.does(
            "from faq.models import Entry\n"
            "from rag.index import generations\n"
            "from rag.index.vector_store import get_vector_store\n"
            "published = set(Entry.objects.published().values_list('pk', flat=True))\n"
            "points = get_vector_store().scroll(generations.live().collection)\n"
            "print(sum(payload.entry_id not in published for _, payload in points))"
        )
    )


def test_how_the_parts_are_is_written_down_by_whoever_does_the_jobs(product: Product) -> None:
    code = (
        "from console.models import HealthStretch\n"
        "print(*sorted({f'{row.part}={row.state}' for row in HealthStretch.objects.all()}))"
    )

    def seen() -> set[str]:
        return set(product.does(code).split())

    always = {"database=ok", "embedder=ok", "migrations=ok", "vector_store=ok", "workers=ok"}
    wanted = always | ({"redis=ok"} if "REDIS_URL" in product.environment else set())
    until(lambda: seen() >= wanted, "each part's row is there", SECONDS, pause=0.5)

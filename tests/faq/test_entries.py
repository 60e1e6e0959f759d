"""What the database derives of an entry, and what follows a change by whatever way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from faq import versions
from faq.fields import lines
from faq.models import Category, Entry

pytestmark = pytest.mark.django_db
Published = Callable[..., Entry]


@pytest.mark.parametrize(
    "change",
    [
        {"question": "How do I leave?"},
        {"answer": "By the door."},
        {"variants": ["Where is the exit?"]},
        {"language": "fr"},
        {"category": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_text_hash_moves_with_everything_a_point_carries(published: Published, change: dict[str, Any]) -> None:
    entry = published("How do I enter?", "Through the gate.")
    if "category" in change:
        change = {"category": Category.objects.create(name="other")}

    Entry.objects.filter(pk=entry.pk).update(**change)

    assert Entry.objects.get(pk=entry.pk).text_hash != entry.text_hash


@pytest.mark.parametrize("change", [{"tags": ["gate"]}, {"status": "archived"}, {"review_date": "2027-01-01"}])
def test_text_hash_stays_when_nothing_indexed_changes(published: Published, change: dict[str, Any]) -> None:
    entry = published("How do I enter?", "Through the gate.")
    Entry.objects.filter(pk=entry.pk).update(**change)
    assert Entry.objects.get(pk=entry.pk).text_hash == entry.text_hash


def test_text_moved_from_one_column_to_the_next_is_another_text(published: Published) -> None:
    entry = published("one two", "three")
    Entry.objects.filter(pk=entry.pk).update(question="one", answer="two three")
    assert Entry.objects.get(pk=entry.pk).text_hash != entry.text_hash


def test_lines_are_kept_in_order_once_and_without_stray_white_space(published: Published) -> None:
    entry = published("q", "a", variants=["  first   one ", "second", "", "first one"])
    assert Entry.objects.get(pk=entry.pk).variants == ["first one", "second"]
    assert lines("a\n\n b \na") == ["a", "b"]


@pytest.mark.parametrize("write", ["save", "update", "bulk_create", "delete", "delete_many"])
def test_every_way_of_writing_counts_the_content_version_up(published: Published, write: str) -> None:
    entry = published("How do I enter?", "Through the gate.")
    before = versions.current()
    ways: dict[str, Callable[[], Any]] = {
        "save": entry.save,
        "update": lambda: Entry.objects.filter(pk=entry.pk).update(answer="new"),
        "bulk_create": lambda: Entry.objects.bulk_create([Entry(category=entry.category, question="b", answer="b")]),
        "delete": entry.delete,
        "delete_many": lambda: Entry.objects.filter(pk=entry.pk).delete(),
    }

    ways[write]()

    assert versions.current() > before


def test_an_earlier_revision_can_be_brought_back(published: Published) -> None:
    entry = published("How do I enter?", "Through the gate.", variants=["Where is the gate?"])
    entry.answer, entry.variants = "Over the wall.", []
    entry.save()

    entry.history.earliest().instance.save()

    back = Entry.objects.get(pk=entry.pk)
    assert (back.answer, back.variants) == ("Through the gate.", ["Where is the gate?"])
    assert back.history.count() == 3


def test_a_long_transaction_counts_once_and_at_its_end(published: Published) -> None:
    entry = published("How do I enter?", "Through the gate.")
    before = versions.current()
    with versions.once():
        for number in range(3):
            Entry.objects.filter(pk=entry.pk).update(answer=str(number))
        assert versions.current() == before
    assert versions.current() == before + 1

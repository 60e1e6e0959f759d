"""Finding entries by words, on whichever database the run uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from faq import text_search
from faq.models import Category, Entry

Published = Callable[..., Entry]


@pytest.mark.django_db
class TestExact:
    @pytest.mark.parametrize(
        "asked", ["How do I pay by card?", "how do i pay by card", "  HOW do I   pay, by card!! ", "can i use a visa?"]
    )
    def test_case_signs_and_spaces_make_no_difference(self, published: Published, asked: str) -> None:
        entry = published("How do I pay by card?", "At the till.", variants=["Can I use a Visa?", "credit cards"])
        assert text_search.exact(asked) == entry

    @pytest.mark.parametrize(
        "asked", ["pay by card", "How do I pay by card or cash?", "", "?", "%", "_ow do i pay by card"]
    )
    def test_a_part_of_a_question_is_not_that_question(self, published: Published, asked: str) -> None:
        published("How do I pay by card?", "At the till.")
        assert text_search.exact(asked) is None

    @pytest.mark.parametrize("status", [Entry.Status.DRAFT, Entry.Status.ARCHIVED])
    def test_what_is_not_published_is_not_found(self, published: Published, status: str) -> None:
        entry = published("How do I pay by card?", "At the till.")
        Entry.objects.filter(pk=entry.pk).update(status=status)
        assert text_search.exact("How do I pay by card?") is None
        assert text_search.candidates("How do I pay by card?") == []

    def test_a_curly_apostrophe_is_an_apostrophe(self, published: Published) -> None:
        entry = published("What\u2019s a gate?", "A door.")
        assert text_search.exact("what's a gate") == entry


@pytest.mark.django_db
class TestCandidates:
    def test_one_shared_word_is_enough_and_endings_do_not_matter(self, published: Published) -> None:
        entry = published("Where are the gates?", "In the north wall.")
        published("When is lunch?", "At noon.")
        assert text_search.candidates("please tell me about one gate over there") == [entry.pk]

    def test_variants_and_answers_are_searched_too(self, published: Published) -> None:
        entry = published("Where are the gates?", "In the northern wall.", variants=["Where is the entrance?"])
        assert text_search.candidates("entrance") == [entry.pk]
        assert text_search.candidates("northern") == [entry.pk]

    def test_the_search_follows_every_edit(self, published: Published) -> None:
        entry = published("Where are the gates?", "In the wall.")
        Entry.objects.filter(pk=entry.pk).update(question="Where are the turnstiles?")
        assert text_search.candidates("gates") == []
        assert text_search.candidates("turnstiles") == [entry.pk]
        entry.delete()
        assert text_search.candidates("turnstiles") == []

    def test_words_that_say_nothing_find_nothing_and_break_nothing(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        for asked in ("", "???", "' OR 1=1 --", "!!! & | ( ) <-> :* \\ '", '"', "NEAR AND NOT *", "\u202e"):
            text_search.candidates(asked)

    @pytest.mark.skipif("connection.vendor != 'postgresql'", reason="spelling is searched by PostgreSQL's trigrams")
    def test_a_misspelling_is_found(self, published: Published) -> None:
        entry = published("How do I reset my password?", "By mail.")
        assert text_search.candidates("pasword rezet") == [entry.pk]


@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite's search hangs on triggers")
def test_lost_triggers_are_put_back_by_the_next_migrate(published: Published) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER faq_entry_text_insert")
    entry = published("Where are the gates?", "In the wall.")
    assert text_search.candidates("gates") == []

    call_command("migrate", verbosity=0)

    assert text_search.candidates("gates") == [entry.pk]


class AnyTextCanBeAsked(TestCase):
    @given(asked=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200))
    @example("a:*b & c")
    @example("\\")
    def test_no_question_is_query_syntax(self, asked: str) -> None:
        text_search.candidates(asked)
        text_search.exact(asked)

    @given(question=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=80))
    @example(". 0")
    @example("is it . free")
    def test_every_entry_is_found_by_its_own_question(self, question: str) -> None:
        category, _ = Category.objects.get_or_create(name="c")
        entry = Entry(category=category, question=question, answer="a", status=Entry.Status.PUBLISHED)
        entry.clean()
        entry.save()
        if text_search.wording_key(entry.question):
            assert text_search.exact(entry.question) == entry

"""Entries that ask nearly the same: by the real model's meaning, and by words where that is out."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from rag.errors import EmbedderUnavailable, VectorStoreUnavailable
from rag.quality import likeness
from rag.quality.likeness import alike
from tests.conftest import Index, Publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def entries(published: Publish, indexed: Index) -> dict[str, Any]:
    found = {
        "password": published("How do I reset my password?", "Use the link.", variants=["I forgot my login"]),
        "invoice": published("Where do I find my invoice?", "In your account."),
        "opening": published("When are you open?", "From nine to five."),
    }
    indexed()
    return found


def questions(found: likeness.Likeness) -> list[str]:
    return [one.entry.question for one in found.entries]


def test_another_wording_is_found_by_meaning(entries: dict[str, Any]) -> None:
    found = alike(["I can't remember my password, how can I change it?"])
    assert questions(found) == ["How do I reset my password?"]
    assert found.missing == ""
    assert likeness.CLOSE <= found.entries[0].share < 1


def test_a_variant_counts_as_the_question_does_on_both_sides(entries: dict[str, Any]) -> None:
    assert questions(alike(["I forgot my login"])) == ["How do I reset my password?"]
    assert questions(alike(["Something else entirely", "where is my invoice"])) == ["Where do I find my invoice?"]


def test_the_same_question_is_nearly_the_same_and_the_entry_itself_is_none(entries: dict[str, Any]) -> None:
    found = alike(["How do I reset my password?"])
    assert found.entries[0].nearly_the_same
    assert alike(["How do I reset my password?"], but=entries["password"].pk).entries == []


def test_what_nobody_asks_is_like_nothing(entries: dict[str, Any]) -> None:
    assert alike(["How long do parrots live?"]).entries == []
    assert alike(["", "  "]).entries == []


@pytest.mark.parametrize(
    ("part", "error", "missing"),
    [
        ("get_embedder", EmbedderUnavailable("missing", "no model"), "the embedding model"),
        ("get_vector_store", VectorStoreUnavailable("refused", "gone"), "the vector store"),
    ],
)
def test_while_a_part_is_out_words_are_compared_and_it_is_said(
    entries: dict[str, Any], monkeypatch: pytest.MonkeyPatch, part: str, error: Exception, missing: str
) -> None:
    def out() -> Any:
        raise error

    monkeypatch.setattr(likeness, part, out)
    found = alike(["How do I reset the password?"])
    assert found.missing == missing
    assert questions(found) == ["How do I reset my password?"]


@override_settings(QDRANT_URL="http://127.0.0.1:1", VECTOR_STORE="rag.index.vector_store.QdrantStore")
def test_a_store_that_really_is_not_there_does_no_harm(published: Publish, model: Any) -> None:
    published("How do I reset my password?", "Use the link.")
    assert django_settings.QDRANT_URL
    found = alike(["How do I reset the password?"])
    assert found.missing == "the vector store"
    assert questions(found) == ["How do I reset my password?"]

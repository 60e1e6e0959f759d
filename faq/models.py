"""Content: categories and entries. Knows nothing of vectors."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import MD5, Cast, Concat, Lower, Replace
from simple_history.models import HistoricalRecords

from faq import versions
from faq.fields import LinesField

QUESTION_LENGTH = 500
ANSWER_LENGTH = 20_000
# Signs that make no difference to what is asked; wording_key() drops the same from an asker's question.
IGNORED_SIGNS = "?!.,"


def _joined(*columns: str) -> Combinable:
    """The columns' text, a line break around each: the same expression on PostgreSQL and SQLite."""
    text = models.TextField()
    parts: list[Combinable] = [Value("\n", output_field=text)]
    for column in columns:
        parts += [Cast(F(column), text), Value("\n", output_field=text)]
    return Concat(*parts, output_field=text)


def _without_signs(text: Combinable) -> Combinable:
    for sign, kept in {**dict.fromkeys(IGNORED_SIGNS, ""), "\u2019": "'"}.items():
        text = Replace(text, Value(sign), Value(kept), output_field=models.TextField())
    return text


def new_external_id() -> str:
    return f"faq-{secrets.token_hex(4)}"


class Category(models.Model):
    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Smaller comes first.")
    four_eyes = models.BooleanField(
        "four eyes",
        default=False,
        help_text="What is published here was read by two people: a reviewer publishes what somebody else wrote.",
    )

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class EntryQuerySet(models.QuerySet["Entry"]):
    """Bulk changes send no signals, so they count the content version up themselves."""

    def published(self) -> EntryQuerySet:
        return self.filter(status=Entry.Status.PUBLISHED)

    def update(self, **values: Any) -> int:
        versions.bump()
        return super().update(**values)

    def bulk_create(self, objs: Any, *args: Any, **options: Any) -> list[Entry]:
        versions.bump()
        return super().bulk_create(objs, *args, **options)

    def _raw_delete(self, using: str | None) -> int:
        versions.bump()
        return super()._raw_delete(using)


class Entry(models.Model):
    """One FAQ. Only published entries are ever indexed or shown."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        ARCHIVED = "archived", "Archived"

    external_id = models.CharField(
        "external ID",
        max_length=64,
        unique=True,
        default=new_external_id,
        help_text="Stays the same across imports and exports.",
    )
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="entries")
    question = models.CharField(max_length=QUESTION_LENGTH)
    answer = models.TextField(max_length=ANSWER_LENGTH)
    variants = LinesField(blank=True, default=list, help_text="Other wordings of the question, one a line.")
    language = models.CharField(max_length=12, default="en", help_text="A language tag: en, fr, pt-BR.")
    tags = LinesField(blank=True, default=list, help_text="One a line.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, db_index=True)
    review_date = models.DateField(null=True, blank=True, help_text="When somebody should read it again.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Everything that a point in the index carries. The database derives it, so no way of writing can forget it.
    text_hash = models.GeneratedField(
        expression=MD5(_joined("question", "variants", "answer", "language", "category_id")),
        output_field=models.CharField(max_length=32),
        db_persist=True,
    )
    # The question and its variants as lines to be matched whole: "\nhow do i pay\ncan i pay by card\n".
    wordings = models.GeneratedField(
        expression=Lower(_without_signs(_joined("question", "variants")), output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
    )

    objects = EntryQuerySet.as_manager()
    history = HistoricalRecords(excluded_fields=["text_hash", "wordings"])

    class Meta:
        ordering = ["category__position", "category__name", "question"]
        verbose_name_plural = "entries"
        # So that the list can be put in these orders, and asked what is due, without reading every entry.
        indexes = [
            models.Index(fields=["-updated_at", "-id"], name="entries_by_update"),
            models.Index(fields=["review_date", "id"], name="entries_by_review"),
        ]
        permissions = [
            ("publish_entry", "Can publish entries, and change published ones"),
            ("review_entry", "Can publish what somebody else wrote, where a category asks for four eyes"),
            ("reindex_entry", "Can have chosen entries indexed anew"),
        ]

    def __str__(self) -> str:
        return self.question

    def clean(self) -> None:
        self.question = " ".join(self.question.split())
        self.answer = self.answer.strip()

    @property
    def all_wordings(self) -> list[str]:
        return [self.question, *self.variants]


class PendingEdit(models.Model):
    """The text that a published entry is to have, while another person has yet to publish it. Never rewritten."""

    entry = models.OneToOneField(Entry, on_delete=models.CASCADE, related_name="pending_edit")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="+")
    question = models.CharField(max_length=QUESTION_LENGTH)
    answer = models.TextField(max_length=ANSWER_LENGTH)
    variants = LinesField(blank=True, default=list)
    language = models.CharField(max_length=12)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=150, help_text="Kept when the account is deleted.")
    base_hash = models.CharField(max_length=32, help_text="The entry's hash when this was written.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.author_name}: {self.question}"


class ContentVersion(models.Model):
    """One row, counted up in the transaction of every change that an answer could depend on."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)

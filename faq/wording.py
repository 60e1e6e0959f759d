"""How much a question and an entry say in the same words, with rare words counting for more.

The weights come from a sample of the published entries that the process holds; so do the questions that are
offered when nothing else is left.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import snowballstemmer
from django.db import Error, connection

from faq.models import Entry
from faq.text_search import wording_key

logger = logging.getLogger(__name__)

SAMPLE = 5_000
LARGE = 1_000
REFRESH_SECONDS = 30.0
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_stemmer = threading.local()


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """One word, as its stem. Snowball's English stemmer, as PostgreSQL's; other languages' words stay nearly whole."""
    if not hasattr(_stemmer, "english"):
        _stemmer.english = snowballstemmer.stemmer("english")
    stemmed: str = _stemmer.english.stemWord(word)
    return stemmed


@lru_cache(maxsize=8_192)
def terms(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _WORD.findall(text.replace("\u2019", "'").lower()))


@lru_cache(maxsize=8_192)
def trigrams(text: str) -> frozenset[str]:
    """As pg_trgm cuts them: each word padded with two spaces before and one after."""
    words = (f"  {word} " for word in _WORD.findall(text.lower()))
    return frozenset(word[i : i + 3] for word in words for i in range(len(word) - 2))


def similarity(one: str, other: str) -> float:
    """Shared trigrams of all trigrams, 0 to 1: near for misspellings."""
    a, b = trigrams(one), trigrams(other)
    return len(a & b) / len(a | b) if a and b else 0.0


@dataclass(frozen=True, slots=True)
class HeldQuestion:
    id: int
    external_id: str
    question: str
    category: str


class Weighed:
    """A question's terms, each with its weight."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._weights = weights
        self._total = sum(weights.values())

    def overlap(self, text: str) -> float:
        """The weight of these terms that the text has, of the weight of them all: 0 to 1."""
        if not self._total:
            return 0.0
        there = terms(text)
        return sum(weight for term, weight in self._weights.items() if term in there) / self._total


@dataclass
class Sample:
    """What this process knows of the content without asking anybody."""

    entries: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    questions: list[HeldQuestion] = field(default_factory=list)
    version: int | None = None  # of the content, where this is all of it
    wordings: frozenset[str] = frozenset()  # every question and variant, as wording_key() has it

    def knows_it_is_new(self, question: str, version: int | None) -> bool:
        """All questions of this content version are held, and this is none of them: nobody need be asked."""
        return version is not None and version == self.version and wording_key(question) not in self.wordings

    def weight(self, term: str) -> float:
        """Inverse document frequency, ln(1 + (N - n + 0.5) / (n + 0.5)), as in BM25."""
        n = self.documents[term]
        return math.log(1 + (self.entries - n + 0.5) / (n + 0.5))

    def weighed(self, question: str) -> Weighed:
        """The question's terms with their weights, to hold against one text after the other."""
        return Weighed({term: self.weight(term) for term in terms(question)})

    def overlap(self, question: str, text: str) -> float:
        """The weight of the question's terms that the text has, of the weight of them all: 0 to 1."""
        return self.weighed(question).overlap(text)

    def closest(self, question: str, limit: int) -> list[tuple[HeldQuestion, float]]:
        """Held questions nearest in wording, best first; some of each category where nothing is near."""
        weighed = self.weighed(question)
        scored = [
            (held, 0.6 * weighed.overlap(held.question) + 0.4 * similarity(question, held.question))
            for held in self.questions
        ]
        near = sorted((pair for pair in scored if pair[1] > 0.1), key=lambda pair: -pair[1])[:limit]
        return near or [(held, 0.0) for held in _one_of_each_category(self.questions)][:limit]


def _one_of_each_category(questions: Iterable[HeldQuestion]) -> list[HeldQuestion]:
    return list({held.category: held for held in reversed(list(questions))}.values())[::-1]


class _Holder:
    """The process's sample: read at first use, and again when the content has moved on."""

    def __init__(self) -> None:
        self.sample = Sample()
        self.version: int | None = None
        self.read_at = -math.inf
        self.lock = threading.Lock()

    def get(self, version: int | None) -> Sample:
        if version == self.version or (version is None and self.version is not None):
            return self.sample
        if len(self.sample.questions) < LARGE:
            self._read(version)
        elif time.monotonic() - self.read_at > REFRESH_SECONDS:
            # Weights of a moment ago do no harm; a second's wait for an asker would.
            self.read_at = time.monotonic()
            threading.Thread(target=self._read_behind, args=(version,), daemon=True).start()
        return self.sample

    def _read(self, version: int | None) -> None:
        with self.lock:
            if self.version is not None and version == self.version:
                return
            try:
                self.sample, self.version = read_sample(version), version
            except Error as error:
                logger.warning("the wording sample could not be read: %s", type(error).__name__)
            self.read_at = time.monotonic()

    def _read_behind(self, version: int | None) -> None:
        try:
            self._read(version)
        finally:
            connection.close()


_holder = _Holder()


def sample(version: int | None = None) -> Sample:
    """What is held; read again if the content version given is another. Never raises."""
    return _holder.get(version)


def forget() -> None:
    """For tests, and after a fork."""
    global _holder
    _holder = _Holder()


def read_sample(version: int | None = None) -> Sample:
    """Up to SAMPLE published entries, the most recently changed ones first; `version` is that of the content."""
    rows = Entry.objects.published().order_by("-updated_at", "pk")
    columns = ("id", "external_id", "question", "category__name", "variants", "answer")
    found = Sample(entries=0)
    wordings: set[str] = set()
    for pk, external_id, question, category, variants, answer in rows.values_list(*columns)[:SAMPLE]:
        found.entries += 1
        found.documents.update(terms("\n".join([question, *variants, answer])))
        found.questions.append(HeldQuestion(pk, external_id, question, category))
        wordings.update(map(wording_key, [question, *variants]))
    if found.entries < SAMPLE:
        found.version, found.wordings = version, frozenset(wordings)
    return found

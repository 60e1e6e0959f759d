"""Made receipts, by the million: real questions of the guide, spread over the days that receipts are kept."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone

from faq.models import Entry
from rag.models import MissGroup, Receipt

CHUNK = 5_000
MADE = 20_000  # in Python; the others are copied by the database
FALLBACKS = [["generate", "timeout"]], [["vector", "refused"]], [["generate", "rate_limited"]], [["embed", "missing"]]
RUNGS = ["exact"] * 12 + ["generated"] * 45 + ["verbatim"] * 22 + ["text_search"] * 6 + ["suggestions"] * 15
UNKNOWN = [
    ("Where can I park my bicycle?", "where can I park my bike", "Is there a place to park a bicycle?"),
    ("Do you ship to Norway?", "shipping to norway possible", "can you deliver to Norway"),
    ("How do I download my invoice as a PDF?", "download invoice pdf", "where is the pdf of my bill"),
    ("Is there a student discount?", "student price", "do students pay less"),
    ("Can I pay by bank transfer?", "pay by wire transfer", "is bank transfer accepted"),
    ("Which browsers are supported?", "does it work in Safari", "supported browsers list"),
    ("How do I change the language of the widget?", "widget in German", "translate the widget"),
    ("Is there an app for Android?", "android app", "can I install it on my phone"),
]


def write(number: int, *, days: float = 89, seed: int = 1) -> None:
    """So many of them, as many in each hour; on PostgreSQL most are copies of the first, each at a time of its own."""
    made = min(number, MADE) if connection.vendor == "postgresql" else number
    rows = _made(made, days, random.Random(seed))
    while some := list(islice(rows, CHUNK)):
        Receipt.objects.bulk_create(some)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            copies = number // made - 1
            for n in range(1, copies + 1):  # one statement each: a statement has its time limit
                cursor.execute(_copy(days * 86_400 / made * n / (copies + 1)))
            cursor.execute("ANALYZE")


def _copy(earlier: float) -> str:
    """Each receipt that was made once more, so many seconds earlier. Copies have no request ID."""
    columns = [str(field.column) for field in Receipt._meta.concrete_fields]
    given = {
        "id": "gen_random_uuid()",
        "conversation": "gen_random_uuid()",
        "request_id": "''",
        "created_at": f"created_at - interval '{earlier} seconds'",
    }
    values = ", ".join(given.get(name, name) for name in columns)
    into = f"INSERT INTO rag_receipt ({', '.join(columns)})"
    return f"{into} SELECT {values} FROM rag_receipt WHERE request_id <> ''"


def _made(number: int, days: float, draw: random.Random) -> Iterator[Receipt]:
    with Path("faq/guide/questions.csv").open(encoding="utf-8", newline="") as file:
        questions = [row["query"] for row in csv.DictReader(file)]
    entries = list(Entry.objects.published().order_by("pk")[:500]) or [Entry(pk=1, question="?", answer="!")]
    now = timezone.now()
    for n in range(number):
        yield _one(draw, draw.choice(questions), entries, now - timedelta(days=days) * ((n + 0.5) / number))


def _one(draw: random.Random, question: str, entries: list[Entry], at: Any) -> Receipt:
    rung = draw.choice(RUNGS)
    entry, score = draw.choice(entries), round(draw.uniform(0.35, 0.95), 4)
    fallbacks = draw.choice(FALLBACKS) if draw.random() < 0.06 or rung == "text_search" else []
    miss = rung == "suggestions" and not fallbacks
    if miss:
        question = draw.choice(UNKNOWN[min(int(draw.expovariate(0.5)), len(UNKNOWN) - 1)])
    vote = "" if draw.random() > 0.08 else ("down" if rung == "suggestions" or draw.random() < 0.2 else "up")
    total = round(draw.lognormvariate(3.2, 0.6) + (900 if rung == "generated" else 0), 2)
    found = [
        [one.pk, round(max(0.1, score - 0.06 * n), 4), round(max(0.1, score - 0.05 * n), 4)]
        for n, one in enumerate(draw.sample(entries, min(5, len(entries))))
    ]
    found[0][0] = entry.pk
    return Receipt(
        id=uuid.UUID(int=draw.getrandbits(128), version=4),
        created_at=at,
        request_id=f"{draw.getrandbits(128):032x}",
        conversation=uuid.UUID(int=draw.getrandbits(128), version=4),
        question=question,
        answer=entry.answer[:400],
        answered_by=rung,
        entry_id=None if rung == "suggestions" else entry.pk,
        confidence=0.2 if rung == "suggestions" else score,
        cached=rung != "suggestions" and draw.random() < 0.2,
        miss=miss,
        degraded=[stage for stage, _ in fallbacks],
        fallbacks=fallbacks,
        rungs=[{"rung": "exact", "left": "no such question"}, {"rung": rung, "left": ""}],
        sources=[{"id": pk, "external_id": f"e{pk}", "score": s, "text_hash": entry.text_hash} for pk, s, _ in found],
        looks=[
            {
                "by": "meaning",
                "text": question,
                "confidence": score,
                "threshold": 0.5,
                "sure": 0.75,
                "likely": 0.5,
                "entries": found,
            }
        ],
        versions={"model": "gemini", "prompt": "1"} if rung == "generated" else {},
        milliseconds={"exact": 1.2, "embed": 6.1, "vector": 3.3, "rank": 2.4, "total": total},
        vote=vote,
        vote_reason="It does not say where." if vote == "down" else "",
    )


def write_groups(number: int) -> None:
    """So many groups of misses more, each of one question and far from every other."""
    draw = np.random.default_rng(1)
    for at in range(0, max(0, number), CHUNK):
        vectors = draw.normal(size=(min(CHUNK, number - at), 384)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        MissGroup.objects.bulk_create(
            MissGroup(
                question=f"Where is number {at + n}?",
                vector=vector.tobytes(),
                model="all-MiniLM-L6-v2",
                asks=1,
                wordings=1,
                heat=-float(at + n) / number,
            )
            for n, vector in enumerate(vectors)
        )

"""What PostgreSQL knows of the index, the jobs and the answers given."""

from __future__ import annotations

from rag.models.cases import Case
from rag.models.embedded import StoredAlias, StoredCollection, StoredPoint
from rag.models.guards import BreakerOrder, BreakerReport, TokenDay
from rag.models.index import UNSURE, DriftFinding, DriftScan, Embedding, Generation, IndexFailure
from rag.models.jobs import Job
from rag.models.misses import MissedQuestion, MissGroup
from rag.models.receipts import Receipt
from rag.models.tallies import CountedHour, EntryDay, EntryTally, HourTally

__all__ = [
    "UNSURE",
    "BreakerOrder",
    "BreakerReport",
    "Case",
    "CountedHour",
    "DriftFinding",
    "DriftScan",
    "Embedding",
    "EntryDay",
    "EntryTally",
    "Generation",
    "HourTally",
    "IndexFailure",
    "Job",
    "MissGroup",
    "MissedQuestion",
    "Receipt",
    "StoredAlias",
    "StoredCollection",
    "StoredPoint",
    "TokenDay",
]

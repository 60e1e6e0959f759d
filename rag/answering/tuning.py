"""The values that decide what is found and when it is good enough, as one thing that can be handed down."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Tuning:
    """Passed from the question to every rung, so that one try can differ from what everybody else gets."""

    threshold: float  # floor on the cosine, below which nothing is answered from
    top_k: int  # entries that the model is given
    text_weight: float  # share of the words beside the meaning
    sure: float  # confidence from which an answer stands alone
    likely: float  # confidence from which it is given at all

    @classmethod
    def of_settings(cls) -> Tuning:
        return cls(
            threshold=settings.RAG_SIMILARITY_THRESHOLD,
            top_k=settings.RAG_TOP_K,
            text_weight=settings.RAG_TEXT_WEIGHT,
            sure=settings.RAG_SURE,
            likely=settings.RAG_LIKELY,
        )

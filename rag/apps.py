"""From an entry to a vector, and from a question to an answer."""

from __future__ import annotations

from django.apps import AppConfig


class RagConfig(AppConfig):
    name = "rag"
    verbose_name = "Answers"

    def ready(self) -> None:
        from rag import metrics
        from rag.index import receivers

        receivers.connect()
        metrics.begin()

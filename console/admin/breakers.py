"""The breakers as the health page lists them: each process's own, with its cause, and what operators ordered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error
from django.utils import timezone

from console.admin.answer_story import REASONS
from rag.answering import breaker_orders, pipeline
from rag.models import BreakerOrder, BreakerReport

PERMISSION = "rag.change_breakerorder"
LATELY = timedelta(minutes=10)  # a process that nobody asked for longer has told nothing new
TITLES = {"vector store": "Vector store", "generator": "Gemini", "database": "Database", "redis": "Redis"}
PILLS = {"closed": "sf-ok", "open": "sf-bad", "tripped": "sf-warn"}


@dataclass(frozen=True)
class Line:
    """One service's breaker over all processes."""

    service: str
    title: str
    order: BreakerOrder | None
    may_be_set: bool
    reports: list[BreakerReport] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return self.service.replace(" ", "-")

    @property
    def tripped(self) -> bool:
        return self.order is not None and self.order.tripped

    @property
    def state(self) -> str:
        """The worst that any process tells."""
        told = {one.state for one in self.reports}
        return "tripped" if self.tripped else "open" if "open" in told else "closed"

    @property
    def pill(self) -> str:
        return PILLS[self.state]

    @property
    def wording(self) -> list[str]:
        """A sentence for each process that spares it."""
        return [
            f"{one.process}: {one.state}{f', {REASONS.get(one.cause, one.cause)}' if one.cause else ''}"
            f" since {one.since:%H:%M:%S} UTC"
            for one in self.reports
            if one.state != "closed"
        ]


def board() -> list[Line]:
    """Without reports where the database does not say."""
    try:
        orders = {one.service: one for one in BreakerOrder.objects.all()}
        reports = list(BreakerReport.objects.filter(seen_at__gt=timezone.now() - LATELY).order_by("process"))
    except Error:
        orders, reports = {}, []
    return [
        Line(
            service,
            TITLES.get(service, service),
            orders.get(service),
            service not in breaker_orders.WITHOUT_ORDERS,
            [one for one in reports if one.service == service],
        )
        for service in pipeline.breakers()
    ]

"""What a scrape says, read as Prometheus would read it; and a watch over scrapes that must never go back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from tests.stack.asker import Asker

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Scrape:
    """Each series with its value; `monotonic` are those that may only grow."""

    values: dict[Series, float]
    monotonic: set[Series]
    seconds: float

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that bear these labels."""
        wanted = set(labels.items())
        return sum(value for (of, has), value in self.values.items() if of == name and wanted <= set(has))


def parsed(text: str, seconds: float = 0.0) -> Scrape:
    values: dict[Series, float] = {}
    monotonic: set[Series] = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = (sample.name, tuple(sorted(sample.labels.items())))
            assert series not in values, f"twice in one scrape: {series}"
            values[series] = sample.value
            if family.type in {"counter", "histogram"}:
                monotonic.add(series)
    return Scrape(values, monotonic, seconds)


def scrape(product: Asker) -> Scrape:
    reply = product.get("/metrics")
    assert reply.status == 200, reply.text
    return parsed(reply.text, reply.seconds)


@dataclass
class Watch:
    """Scrapes again and again; notes what went back, how many files there were, and how long it took."""

    product: Asker
    wrong: list[str] = field(default_factory=list)
    files: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _last: Scrape | None = None

    def look(self) -> Scrape:
        found = scrape(self.product)
        self.files.append(found.total("faq_metrics_files"))
        self.seconds.append(found.seconds)
        before, self._last = self._last, found
        if before:
            for series in before.monotonic:
                if found.values.get(series, -1.0) < before.values[series]:
                    self.wrong.append(f"{series}: {before.values[series]} then {found.values.get(series)}")
        return found


@contextmanager
def watching(product: Asker, pause: float = 0.2) -> Iterator[Watch]:
    watch, over = Watch(Asker(product.address)), threading.Event()

    def go_on() -> None:
        while not over.is_set():
            try:
                watch.look()
            except Exception as error:
                watch.wrong.append(f"a scrape failed: {error!r}")
            time.sleep(pause)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()

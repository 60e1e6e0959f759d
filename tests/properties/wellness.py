"""Dependencies in whatever state an example wants, and what the health endpoints ought to say of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from django.db import OperationalError
from hypothesis import strategies as st

from monitoring import health
from monitoring.asking import Check, NotKnown, NotWell, State
from rag.errors import ServiceUnavailable

MARK = "postgresql://u:canary@10.9.8.7"
TOLD = {
    "well": State.OK,
    "out": State.DOWN,
    "refused": State.DOWN,
    "broken": State.DOWN,
    "unsaid": State.UNKNOWN,
    "hangs": State.UNKNOWN,
    "unwanted": State.OFF,
}
NAMES = tuple(check.name for check in health.CHECKS)
CRITICAL = frozenset(check.name for check in health.CHECKS if check.critical)
ordinary = [*["well"] * 20, *["out", "refused", "broken", "unsaid"] * 4]
states = st.fixed_dictionaries(
    {name: st.sampled_from(ordinary if name in CRITICAL else [*ordinary, "unwanted", "hangs"]) for name in NAMES}
)


@contextmanager
def dependencies(wanted: dict[str, str]) -> Iterator[list[str]]:
    """The real checks and threads with probes that do as told; gives the names of what was asked."""
    asked: list[str] = []
    over = threading.Event()
    checks = tuple(_doing(check, wanted[check.name], asked, over) for check in health.CHECKS)
    health.forget()
    with mock.patch.object(health, "CHECKS", checks):
        try:
            yield asked
        finally:
            over.set()
            health.forget()


def _doing(check: Check, state: str, asked: list[str], over: threading.Event) -> Check:
    def probe() -> str:
        asked.append(check.name)
        if state == "hangs":
            over.wait(60)
        if state in FAULTS:
            raise FAULTS[state]
        return ""

    return replace(check, probe=probe, wanted=lambda: state != "unwanted")


FAULTS: dict[str, Exception] = {
    "out": ServiceUnavailable("service", "timeout", MARK),
    "refused": OperationalError(MARK),
    "broken": RuntimeError(MARK),
    "unsaid": NotKnown(MARK),
    "ill": NotWell(MARK),
}

"""What makes a test the proof of a property: its tag, its examples counted, what the catalogue says of it."""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T", bound=Callable[..., Any])

STATED = Path(__file__).with_name("stated.txt")
LINE = re.compile(r"(\d+)\. ([^:]+): (.+)")
TAG = re.compile(r"Feature: production-deployment, Property (\d+): (.+)")
LEAST = 100

# The first example that fails is enough, and is told with what meets it again: making it small would start servers for
# minutes.
SABOTAGED = "STEADFAST_SABOTAGED" in os.environ
PROFILE = settings(
    max_examples=int(os.environ.get("PROPERTIES_EXAMPLES", LEAST)),  # fewer prove nothing, and fail
    deadline=None,
    print_blob=True,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),  # servers are slow beside functions
)


@dataclass(frozen=True)
class Stated:
    """A property as the design states it. Its tag holds the title; the sentence stands below it."""

    number: int
    title: str
    sentence: str

    @property
    def tag(self) -> str:
        return f"Feature: production-deployment, Property {self.number}: {self.title}"


def stated() -> list[Stated]:
    found = [LINE.fullmatch(line) for line in STATED.read_text(encoding="utf-8").splitlines()]
    return [Stated(int(one[1]), one[2], one[3]) for one in found if one]


@dataclass
class Proof:
    """One test of one property. `boots` says where a few real starts confirm what the light layer shows."""

    layer: str
    boots: str
    reading: str
    examples: int = field(default=0)


BOOTED: Counter[int] = Counter()


def booted(number: int, times: int = 1) -> None:
    """Counts a real start of a server, or of the product, in an example of this property."""
    BOOTED[number] += times


def proof(layer: str, *, boots: str = "", reading: str = "") -> Callable[[T], T]:
    """For a test that is `@given` its examples: a hundred of them, counted as they run."""

    def prove(test: T) -> T:
        told = Proof(layer, boots, reading)
        handle: Any = test.hypothesis  # type: ignore[attr-defined]  # Hypothesis's own handle
        inner = handle.inner_test

        @functools.wraps(inner)
        def counted(*args: Any, **values: Any) -> None:
            told.examples += 1
            inner(*args, **values)

        handle.inner_test = counted
        proven = PROFILE(test)
        proven.proof = told  # type: ignore[attr-defined]  # a note on the test
        return proven

    return prove

"""What every test of the whole product under faults begins with: nothing of the one before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import ground as grounds


@pytest.fixture(autouse=True)
def _settled_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "ground" in request.fixturenames:
        grounds.settle(request.getfixturevalue("ground"))

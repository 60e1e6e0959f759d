"""Every test of the whole product under faults leaves it settled; one that fails shows what the product had to say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import ground as grounds
from tests.stack.conftest import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def _settled_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "ground" in request.fixturenames:
        grounds.settle(request.getfixturevalue("ground"))

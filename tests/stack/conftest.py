"""The stacks that the end-to-end tests run: one without any server, and one with all of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.conftest import drop_collections
from tests.servers import Postgresql, Redis
from tests.stack import product

LIBRARY = Path(__file__).with_name("library.csv")
TAIL = 6_000

Environment = dict[str, str]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes had to say."""
    report = yield
    if report.failed:
        report.sections += [(f"log of the product at {one.address}", one.log()[-TAIL:]) for one in product.running]
    return report


@pytest.fixture(scope="session")
def servers(postgresql: Postgresql, redis: Redis, qdrant_url: str, model: Path) -> Iterator[Callable[[], Environment]]:
    """Each call gives the variables of a product on the servers, with a part of each of its own."""
    made: list[str] = []

    def environment() -> Environment:
        made.append(name := f"test_{uuid.uuid4().hex[:12]}")
        return {
            "DATABASE_URL": postgresql.new_database(name),
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/{len(made)}",
            "VECTOR_DB_URL": qdrant_url,
            "QDRANT_COLLECTION_NAME": name,
        }

    yield environment
    for name in made:
        drop_collections(qdrant_url, name)

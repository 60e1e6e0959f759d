"""A pytest plugin, `-p tests.on_postgresql`: the tests that use a database run on a private PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from django.test import TransactionTestCase

from tests.servers import Postgresql

FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """A wrapper, so that it comes before pytest-django reads the settings."""
    server = Postgresql()
    early_config.add_cleanup(server.close)
    os.environ["DATABASE_URL"] = server.start().url("steadfast")
    yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if _uses_the_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Of the tests that were named perhaps none uses a database; then there was nothing to do."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _uses_the_database(item: pytest.Item) -> bool:
    """But for those in a browser, which sees pages and no database: once is enough."""
    if {"browser", "visit"} & set(getattr(item, "fixturenames", ())):
        return False
    by_class = issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
    fixtures = set(getattr(item, "fixturenames", ()))
    return by_class or bool(fixtures & FIXTURES) or item.get_closest_marker("django_db") is not None

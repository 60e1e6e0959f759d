"""What the proofs share: quick starts, the built product with and without nginx, and the catalogue of the run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.deploy.conftest import edge as edge
from tests.deploy.conftest import site as site
from tests.deploy.conftest import tree as tree
from tests.properties import catalogue
from tests.properties.proof import LEAST, SABOTAGED, Proof
from tests.properties.starts import Starts


@pytest.fixture(scope="session")
def starts() -> Iterator[Starts]:
    with Starts() as quick:
        yield quick


def proof_of(item: pytest.Item) -> Proof | None:
    return getattr(getattr(item, "obj", None), "proof", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A proof that ran fewer than a hundred examples proves too little."""
    result = yield
    found = proof_of(item)
    assert SABOTAGED or found is None or found.examples >= LEAST, f"{item.name}: only {found.examples} examples"
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found = proof_of(item)
    if found is not None and (report.when == "call" or report.outcome != "passed"):
        catalogue.note(item, found, report.outcome)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    catalogue.write()

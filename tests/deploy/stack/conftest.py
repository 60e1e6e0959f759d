"""One stack for all of these tests; skipped, saying so, where no Docker can be had."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.deploy.stack.stack import Stack

ASKED_FOR = "STEADFAST_STACK"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Not with the other tests: they take a quarter of an hour, and an engine."""
    return None if os.environ.get(ASKED_FOR) else True


def _why_not() -> str:
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True)
        if done.returncode == 0:
            done = subprocess.run(["docker", "version"], capture_output=True, text=True)
    except OSError:
        return "docker is not installed"
    return done.stderr.strip() or "no Docker engine answers" if done.returncode else ""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    if why := _why_not():
        pytest.skip(f"The stack was NOT tested: {why}.")
    # Not pytest's own folder: after Ctrl-C that is gone before the containers are.
    with tempfile.TemporaryDirectory(prefix="steadfast-stack-") as folder:
        made = Stack(Path(folder))
        try:
            made.deploy()
            yield made
        finally:
            made.remove()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the containers had to say."""
    report = yield
    if report.failed and Stack.running:
        report.sections.append(("the containers", Stack.running[-1].story()))
    return report

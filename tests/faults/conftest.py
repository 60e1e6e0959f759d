"""A fault's test that fails shows what the product had to say."""

from __future__ import annotations

from tests.stack.conftest import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

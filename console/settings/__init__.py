"""The settings that DJANGO_ENV chooses; found on first use, as those of the tests need no environment."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from console.environment import current


def _chosen() -> ModuleType:
    return import_module(f"console.settings.{current().DJANGO_ENV}")


def __dir__() -> list[str]:
    return [name for name in dir(_chosen()) if name.isupper()]


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(name)
    return getattr(_chosen(), name)

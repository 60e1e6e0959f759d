"""The environment: every variable's type, default and meaning; all faults at once, no value shown."""

from __future__ import annotations

from console.environment.loading import INVALID, InvalidEnvironment, current, expect, load, stop, use
from console.environment.schema import Environment, plain

__all__ = [
    "INVALID",
    "Environment",
    "InvalidEnvironment",
    "current",
    "expect",
    "load",
    "plain",
    "stop",
    "use",
]

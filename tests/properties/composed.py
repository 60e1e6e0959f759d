"""compose.yml as Compose reads it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests.servers import PROJECT


@cache
def compose() -> dict[str, Any]:
    whole: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yml").read_text())
    return whole


def interpolated(text: str, environ: dict[str, str]) -> str:
    """As Compose does it: ${NAME:-default} and ${NAME:?complaint}."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda one: environ.get(one[1]) or one[2] or "", text)


def kept_by_a_volume(service: str, folder: str) -> bool:
    """Whether what a service writes there is in a named volume, which outlives its containers."""
    mounted = dict(one.split(":")[1::-1] for one in compose()["services"][service]["volumes"])
    return mounted.get(folder) in compose()["volumes"]

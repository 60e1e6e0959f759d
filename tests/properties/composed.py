"""compose.yml, and what lies over it for development, as Compose reads them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.servers import PROJECT

FILES = {"production": ("compose.yml",), "development": ("compose.yml", "compose.development.yml")}
# What `docker/prepare` puts into the folder of secrets.
SECRETS = {
    "secret_key": "k3y-F0r.teSts_" * 4,
    "db_password": "w0rd-of-the-database",
    "redis_url": "redis://:passw0rd@redis:6379/0",
    "qdrant_api_key": "qdrant-key",
    "gemini_api_key": "",
}
words = st.from_regex(r"[a-z]{3,10}", fullmatch=True)
deployments = st.fixed_dictionaries(
    {"ALLOWED_HOSTS": words.map(lambda name: f"{name}.example.org")},
    optional={
        "SITE_NAME": words,
        "SECURE_HSTS_SECONDS": st.integers(0, 126_144_000).map(str),
        "RATE_LIMIT_CHAT": st.integers(1, 999).map(lambda number: f"{number}/minute"),
        "LOG_LEVEL": st.sampled_from(["DEBUG", "INFO", "WARNING"]),
        "MIGRATE_AT_START": st.sampled_from(["true", "false"]),
        "QDRANT_HOST": words,
        "DB_HOST": words,
    },
)


@cache
def compose(name: str = "compose.yml") -> dict[str, Any]:
    whole: dict[str, Any] = yaml.safe_load((PROJECT / name).read_text())
    return whole


def interpolated(text: str, environ: dict[str, str]) -> str:
    """As Compose does it: ${NAME:-default} and ${NAME:?complaint}."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda one: environ.get(one[1]) or one[2] or "", text)


def handed_to(service: str, kind: str, environ: dict[str, str]) -> dict[str, str]:
    """The variables of a service's container: later files win, as with `-f one -f other`."""
    merged: dict[str, Any] = {}
    for name in FILES[kind]:
        merged |= compose(name)["services"][service].get("environment", {})
    return {name: interpolated(str(value), environ) for name, value in merged.items()}


def published(kind: str, environ: dict[str, str]) -> dict[str, list[str]]:
    """The ports that each service opens on the machine itself."""
    found: dict[str, list[str]] = {}
    for name in FILES[kind]:
        for service, one in compose(name)["services"].items():
            found.setdefault(service, []).extend(interpolated(port, environ) for port in one.get("ports", []))
    return {service: ports for service, ports in found.items() if ports}


def with_secrets(handed: dict[str, str]) -> dict[str, str]:
    """What the application's environment holds once the files of secrets are read."""
    files = {name: value for name, value in handed.items() if name.endswith("_FILE")}
    read = {name.removesuffix("_FILE"): SECRETS[path.rpartition("/")[2]] for name, path in files.items()}
    return {name: value for name, value in handed.items() if name not in files} | read


def networks(service: str) -> set[str]:
    return set(compose()["services"][service]["networks"])


def kept_by_a_volume(service: str, folder: str) -> bool:
    """Whether what a service writes there is in a named volume, which outlives its containers."""
    mounted = dict(one.split(":")[1::-1] for one in compose()["services"][service]["volumes"])
    return mounted.get(folder) in compose()["volumes"]

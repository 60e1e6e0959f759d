"""The two ways to the product: through nginx, and to Gunicorn alone; and the static files that both serve."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.conftest import Site
from tests.deploy.containers import HOST
from tests.deploy.edge import Reply


def collected(tree: Path) -> Path:
    """Under the name by which nginx finds it."""
    static = tree / "static"
    if not static.exists():
        static.symlink_to(tree / "staticfiles")
    return static


def ask_alone(
    site: Site,
    path: str,
    method: str = "GET",
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    host: str = HOST,
    https: bool = True,
) -> Reply:
    """Without nginx, as it would ask."""
    connection = http.client.HTTPConnection("127.0.0.1", int(site.port), timeout=60)
    try:
        given = {"Host": host, **({"X-Forwarded-Proto": "https"} if https else {}), **(headers or {})}
        connection.request(method, path, body=body, headers=given)
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())
    finally:
        connection.close()

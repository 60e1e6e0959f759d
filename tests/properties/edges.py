"""The two ways to the product: through nginx, and to Gunicorn alone."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from tests.deploy.conftest import Site
from tests.deploy.containers import HOST
from tests.deploy.edge import Reply


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

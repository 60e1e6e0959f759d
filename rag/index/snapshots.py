"""A collection as one file, out of a Qdrant server and into one again. What it holds can always be made anew."""

from __future__ import annotations

import http.client
import json
import shutil
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings

from rag.errors import VectorStoreUnavailable

SECONDS = 600


def take(collection: str, target: Path) -> None:
    """Raises VectorStoreUnavailable: the server is away, or cannot do this."""
    made = _json(_request("POST", f"/collections/{collection}/snapshots?wait=true"))["result"]["name"]
    try:
        with (
            _answer(_request("GET", f"/collections/{collection}/snapshots/{made}")) as snapshot,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(snapshot, file, 1 << 20)
    finally:
        _json(_request("DELETE", f"/collections/{collection}/snapshots/{made}?wait=true"))


def put_back(collection: str, source: Path) -> None:
    """The collection is afterwards what it was; raises VectorStoreUnavailable."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="{source.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + source.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = _request("POST", f"/collections/{collection}/snapshots/upload?priority=snapshot&wait=true", body)
    request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
    _json(request)


def possible() -> bool:
    """Is there a server? The embedded store's vectors are in the database, and so in its dump."""
    return bool(settings.QDRANT_URL)


def _request(method: str, path: str, body: bytes | None = None) -> Request:
    key = {"api-key": settings.QDRANT_API_KEY} if settings.QDRANT_API_KEY else {}
    return Request(f"{settings.QDRANT_URL}{path}", data=body, headers=key, method=method)  # noqa: S310  # checked at the start


def _answer(request: Request) -> Any:
    try:
        return urlopen(request, timeout=SECONDS)  # noqa: S310  # Qdrant's, as the settings name it
    except HTTPError as error:
        with error:
            raise VectorStoreUnavailable("http_error", f"Qdrant answered {error.code} to a snapshot") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise VectorStoreUnavailable("refused", f"Qdrant: {type(error).__name__}") from error


def _json(request: Request) -> dict[str, Any]:
    with _answer(request) as response:
        try:
            found: dict[str, Any] = json.load(response)
        except ValueError as error:
            raise VectorStoreUnavailable("bad_response", "Qdrant: not JSON") from error
    return found

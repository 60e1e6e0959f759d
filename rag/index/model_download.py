"""One file over HTTP: continued where it broke off, and given its name only when every byte is right."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all where that is known

NETWORK_SECONDS = 5.0  # to connect, and between two pieces: a closed network must not hold up the other source
PATIENCE = 3  # attempts in a row that bring nothing, once something came
PAUSE_SECONDS = 1.0
CHUNK = 1 << 18
LARGEST = 200 << 20  # no file of ours is half as long; whatever answers must not fill the disk


class SourceFailed(Exception):
    """This source will not help; another one may."""


class _Interrupted(Exception):
    """The connection broke; what has come so far can be continued."""


def download(url: str, target: Path, sha256: str, progress: Progress) -> None:
    """What came earlier stays beside the target as `.part` and is continued, in this run or in the next."""
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if _size(part):
        _receive(url, part, progress)
        if sha256_of(part) != sha256:
            part.unlink()  # its beginning may have been another file's: once more from the first byte
    if not _size(part):
        _receive(url, part, progress)
    place(part, target, sha256, _host(url))


def place(made: Path, target: Path, sha256: str, origin: str) -> None:
    """Refuse and remove what has the wrong hash; so a file under its own name is a whole one."""
    if sha256_of(made) != sha256:
        made.unlink()
        raise SourceFailed(f"{origin} gave other bytes than the pinned {target.name}: refused and removed.")
    target.parent.mkdir(parents=True, exist_ok=True)
    made.replace(target)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(url: str, part: Path, progress: Progress) -> None:
    """All bytes, however often the connection breaks, as long as the attempts bring something."""
    start, barren = _size(part), 0
    while True:
        before = _size(part)
        try:
            return _receive_once(url, part, progress)
        except _Interrupted as error:
            barren = 0 if _size(part) > before else barren + 1
            if _size(part) <= start or barren == PATIENCE:
                raise SourceFailed(f"{_host(url)} did not answer: {error}.") from error
            time.sleep(PAUSE_SECONDS)


def _receive_once(url: str, part: Path, progress: Progress) -> None:
    have = _size(part)
    with _open(url, have) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            have = 0  # it sends the whole file, whatever was asked
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        with part.open("ab" if have else "wb") as file:
            for chunk in _chunks(response):
                have += len(chunk)
                if have > LARGEST:
                    raise SourceFailed(f"{_host(url)} sends more than any file of the model has: refused.")
                file.write(chunk)
                progress(have, total)
    if total is not None and have < total:
        raise _Interrupted(f"the connection closed after {have} of {total} bytes")


def _open(url: str, have: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "steadfast", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 the caller lets only http(s) through
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=NETWORK_SECONDS)  # noqa: S310  # as above
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return _open(url, 0)  # what is here is no shorter than the file there
        if error.code == HTTPStatus.TOO_MANY_REQUESTS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Interrupted(f"HTTP {error.code}") from error
        raise SourceFailed(f"{_host(url)} refused {url.rpartition('/')[2]} with HTTP {error.code}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(getattr(error, "reason", error))) from error
    return response


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Keeps the network's errors apart from those of the disk."""
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(str(error)) from error
        if not chunk:
            return
        yield chunk


def _host(url: str) -> str:
    return f"The model hub {urlsplit(url).netloc}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

"""Whether whoever asked is still there."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from django.http import HttpRequest


def gone(request: HttpRequest) -> Callable[[], bool]:
    """A look at the connection, which Gunicorn hands on; before nginx it closes as soon as the browser's does.

    A server that only writes learns of it at its next write, and while Gemini is silent there is none.
    """
    line: socket.socket | None = request.META.get("gunicorn.socket")
    return (lambda: False) if line is None else lambda: _closed(line)


def _closed(line: socket.socket) -> bool:
    try:
        readable = select.select([line], [], [], 0)[0]
        return bool(readable) and not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (OSError, ValueError):  # reset, or closed already
        return True

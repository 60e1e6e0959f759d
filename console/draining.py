"""How the web server ends: who has connected is answered, and who has not is refused, for nginx to ask another replica.

Gunicorn's own worker stops accepting when it is told to end, and closes its socket only when all it has in hand is
answered. Who connects meanwhile is taken by the kernel and cut off then, and nginx may not send a question again that
may have been heard.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# linux/socket.h; Python has no name for it.
SO_ATTACH_FILTER = 26
# Of the 14th byte of TCP's header the flags SYN and ACK: a segment with the first only asks for a new connection, and
# is dropped; all else passes. Each is of linux/filter.h: code, jump if true, jump if false, operand.
NO_NEWCOMERS = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def turn_away_newcomers_at_the_end(server: Any) -> None:
    """In gunicorn's master: SIGTERM first keeps newcomers out of the queue of its sockets, and then ends its workers.

    Else some would come in between the last look at the queue and the end of it. Their kernel tries again a second
    later, and is refused, as the sockets are closed.
    """
    ends = signal.getsignal(signal.SIGTERM)
    assert callable(ends)

    def first(number: int, frame: FrameType | None) -> None:
        if os.getpid() == server.pid:  # a worker that was forked a moment ago still has this handler
            turn_away_newcomers(server.LISTENERS)
        ends(number, frame)

    signal.signal(signal.SIGTERM, first)


def turn_away_newcomers(listeners: Iterable[Any]) -> None:
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_NEWCOMERS))
    given = struct.pack("HP", len(NO_NEWCOMERS), ctypes.addressof(program))
    for listener in listeners:
        with suppress(OSError):  # a kernel that takes no filters: the few microseconds are left
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, given)


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn brings no types
    def set_accept_enabled(self, enabled: bool) -> None:
        """Of one that ends: takes on who has connected already, and closes its share of the sockets."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            while select.select([listener], [], [], 0)[0]:
                self.accept(listener)
            listener.close()

"""Receipts written by a thread of their own, so that no asker waits for them; those of a tenth of a second at once.

Only in a web process, which says when it begins and when it ends. None is lost by an orderly end, nor while the
database is away for a while: what cannot be written is kept and tried again. A process that is killed outright loses
what it had not written yet, a tenth of a second's worth.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from rag.models import Receipt

logger = logging.getLogger(__name__)

MOST = 5_000  # kept while they cannot be written; a receipt is some four kilobytes
AT_ONCE = 100
GATHER_SECONDS = 0.1  # one alone costs a web process a millisecond, one of ten a fifth of that
PAUSE_SECONDS = 1.0  # after a failure
LAST_SECONDS = 10.0  # for what is left at the end


class ReceiptQueue:
    def __init__(self, beside: Callable[[], None] = lambda: None) -> None:
        """`beside` is called with each round: what else can wait as long as receipts."""
        self._beside = beside
        self._waiting: deque[Receipt] = deque()
        self._in_hand: list[Receipt] = []
        self._changed = threading.Condition()
        self._ending = False
        self._hurry = 0  # how many wait until something is written
        self._thread = threading.Thread(target=self._work, name="receipts", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def put(self, receipt: Receipt) -> None:
        with self._changed:
            if len(self._waiting) >= MOST:
                _lost(self._waiting.popleft(), "too many wait for the database")
            self._waiting.append(receipt)
            if len(self._waiting) in {1, AT_ONCE}:
                self._changed.notify_all()

    def written(self, conversation: UUID, *, seconds: float) -> bool:
        """Wait until none of this conversation is left; False where that takes too long."""
        with self._changed:
            if not self._waits(conversation):
                return True
            self._hurry += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._waits(conversation), seconds)
            finally:
                self._hurry -= 1

    def end(self) -> None:
        """At an orderly end of the process: what waits is written, within its time."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(LAST_SECONDS)
        for receipt in (*self._in_hand, *self._waiting):
            _lost(receipt, "the process ended")

    def _waits(self, conversation: UUID) -> bool:
        return any(one.conversation == conversation for one in (*self._in_hand, *self._waiting))

    def _work(self) -> None:
        while self._take():
            left = self._write(self._in_hand)
            with self._changed:
                self._in_hand = []
                self._waiting.extendleft(reversed(left))
                self._changed.notify_all()
            self._do_beside()
            if left:
                time.sleep(PAUSE_SECONDS)

    def _do_beside(self) -> None:
        try:
            self._beside()
        except Exception:  # with this thread every receipt would be lost
            logger.exception("what is done beside receipts failed")

    def _take(self) -> bool:
        """False when there is nothing left, and nothing will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            self._changed.wait_for(self._worth_writing, GATHER_SECONDS)
            self._in_hand = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            return bool(self._in_hand)

    def _worth_writing(self) -> bool:
        return self._ending or self._hurry > 0 or len(self._waiting) >= AT_ONCE

    def _write(self, some: list[Receipt]) -> list[Receipt]:
        """Those that are worth another try."""
        try:
            # Without conflicts: a try that seemed to fail may have succeeded.
            Receipt.objects.bulk_create(some, ignore_conflicts=True)
        except (OperationalError, InterfaceError) as error:
            logger.warning("receipts wait for the database: %s", type(error).__name__, extra={"count": len(some)})
            return some
        except Exception as error:  # one of them cannot be written: it is lost, and takes none along
            if len(some) > 1:
                return [left for one in some for left in self._write([one])]
            _lost(some[0], type(error).__name__)
        finally:
            connection.close()
        return []


def _lost(receipt: Receipt, why: str) -> None:
    logger.warning("receipt not written: %s", why, extra={"answer": str(receipt.id)})

"""The database as an answer asks it: its failures are steps down the ladder, and nobody waits twice for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, InterfaceError, OperationalError, connection

from rag.errors import Reason, ServiceUnavailable
from rag.resilience import Breaker, Deadline, registered


def probe() -> None:
    """Whether it answers again, for the breaker. Raises ServiceUnavailable."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        raise ServiceUnavailable("database", _reason(error)) from error
    finally:
        connection.close()


# One failure is enough: every try would wait for a connection, and an answer makes half a dozen.
DATABASE_BREAKER = registered(Breaker("database", failures_to_open=1, probe=probe))


@contextmanager
def asking(deadline: Deadline | None = None) -> Iterator[None]:
    """Its failures as ServiceUnavailable; and when it has just been away, nobody waits for it again.

    With a deadline, also where it hangs: it takes half of what is left, so that the other half can give an answer.
    """
    try:
        with DATABASE_BREAKER.guard(), bounded(deadline):
            try:
                yield
            except (OperationalError, InterfaceError) as error:
                if _is_away(error):
                    raise ServiceUnavailable("database", _reason(error)) from error
                raise
    except Error as error:  # one statement's own trouble, which must not trouble other askers
        raise ServiceUnavailable("database", _reason(error)) from error


@contextmanager
def bounded(deadline: Deadline | None) -> Iterator[None]:
    if deadline is None or connection.vendor != "postgresql":
        yield
        return
    from rag.silence import no_longer_than

    with no_longer_than(deadline.left() / 2):
        yield


def _is_away(error: Error) -> bool:
    """No connection, by PostgreSQL's classes 08, 53 and 57P; without any class it was never reached."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(("08", "53", "57P"))


def _reason(error: Error) -> Reason:
    """In the words of the fallback counter: a handful, never the driver's own text."""
    return "timeout" if "timeout" in str(error).lower() else "refused"

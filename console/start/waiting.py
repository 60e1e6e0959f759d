"""Waiting for what is still starting: the database as long as it takes, the others only for a moment."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from console.environment import Environment, plain
from console.start.checks import give_up

logger = logging.getLogger("console.start")

TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h: the restart policy tries again
DATABASE_SECONDS = 120.0
SERVICE_SECONDS = 5.0  # answers do without them, so they hold no start up for longer


def pauses(first: float = 0.25, longest: float = 5.0) -> Iterator[float]:
    """Seconds between attempts: doubling, never beyond the longest."""
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)


def until(what: str, attempt: Callable[[], str | None], seconds: float) -> bool:
    """Whether `attempt` found nothing to complain of within the time; every vain one is a line in the log."""
    began = time.monotonic()
    for pause in pauses():
        complaint = attempt()
        waited = time.monotonic() - began
        if complaint is None:
            logger.info("%s answers, after %.1f s", what, waited)
            return True
        if waited >= seconds:
            logger.warning("%s does not answer: %s; given up after %.1f s", what, complaint, waited)
            return False
        pause = min(pause, seconds - waited)  # the last attempt is at the very end
        logger.warning("waiting for %s: %s; next attempt in %.2g s", what, complaint, pause)
        time.sleep(pause)
    raise AssertionError("there is always another pause")


def for_database(seconds: float = DATABASE_SECONDS) -> None:
    """Exit status 75 when it never came."""
    if not until("the database", _database, seconds):
        give_up("The database could not be reached. Is it running, and are its address and password right?", TRY_LATER)


def for_services(environment: Environment) -> None:
    """Redis and the vector store, each for a moment: without them answers are degraded, and say so."""
    for what, url, port in (
        ("Redis", plain(environment.REDIS_URL), 6379),
        ("the vector store", environment.qdrant_url or "", 80),
    ):
        parts = urlsplit(url)
        if parts.hostname:
            host, chosen = parts.hostname, parts.port or port
            until(what, lambda host=host, port=chosen: _socket(host, port), SERVICE_SECONDS)  # type: ignore[misc]  # a lambda's defaults have no types


def _database() -> str | None:
    from django.db import NotSupportedError, OperationalError, connection

    try:
        connection.ensure_connection()
    except NotSupportedError:
        return None  # it answers; that it is too old is told by its own check
    except OperationalError as error:
        return _cause(error)
    finally:
        connection.close()
    return None


def _cause(error: Exception) -> str:
    """In a few words, without the address or the user that the driver's own text holds."""
    text = str(error).lower()
    for sign, words in CAUSES.items():
        if sign in text:
            return words
    return type(error).__name__


CAUSES = {
    "password authentication failed": "it refuses the password",
    "does not exist": "there is no such database or user",
    "starting up": "it is starting up",
    "shutting down": "it is shutting down",
    "too many": "it has no connection to spare",
    "refused": "nothing listens there",
    "timeout": "no answer in time",
    "resolve": "its name is not known",
    "name or service not known": "its name is not known",
}


def _socket(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except socket.gaierror:
        return "its name is not known"
    except TimeoutError:
        return "no answer in time"
    except OSError as error:
        return error.strerror or type(error).__name__
    return None

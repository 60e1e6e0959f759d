"""What binds variables to each other and to DJANGO_ENV; apart, so that all faults come at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from console.environment.schema import MODELS, Environment, plain

SHORTEST_KEY = 50
FEWEST_SIGNS = 10
# How the keys begin that people copy from examples, compared without case and punctuation.
KNOWN_KEYS = (
    "djangoinsecure",
    "insecure",
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "yoursecret",
)
MAKE_A_KEY = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"
DEPLOYED = "in staging and production"


class Fault(NamedTuple):
    name: str
    sentence: str


def broken_rules(environment: Environment, failed: set[str]) -> list[str]:
    """Faults between variables; those that failed by themselves were told and stand at their default."""
    faults = [*_secret_key(environment), *_hosts(environment), *_debug(environment), *_redis(environment)]
    faults += [] if "DATABASE_DIRECT_URL" in failed else _direct_url(environment)
    faults += [] if "DATABASE_URL" in failed else _database(environment)
    faults += [*_dimension(environment, failed), *_engine(environment), *_confidence(environment, failed)]
    return [f"{name} {sentence}" for name, sentence in faults if name not in failed]


def _secret_key(environment: Environment) -> Iterator[Fault]:
    key = plain(environment.SECRET_KEY)
    if not environment.deployed:
        return
    if not key:
        yield Fault("SECRET_KEY", f"is required {DEPLOYED}. {MAKE_A_KEY}")
    elif len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_SIGNS:
        yield Fault(
            "SECRET_KEY",
            f"must have {SHORTEST_KEY} characters or more {DEPLOYED}, {FEWEST_SIGNS} different. {MAKE_A_KEY}",
        )
    elif "".join(filter(str.isalnum, key.lower())).startswith(KNOWN_KEYS):
        yield Fault("SECRET_KEY", f"must not be a default or an example {DEPLOYED}. {MAKE_A_KEY}")


def _hosts(environment: Environment) -> Iterator[Fault]:
    if environment.deployed and not environment.ALLOWED_HOSTS:
        yield Fault("ALLOWED_HOSTS", f"is required {DEPLOYED}. Give the names served, such as faq.example.org.")
    if environment.DJANGO_ENV == "production" and "*" in environment.ALLOWED_HOSTS:
        yield Fault("ALLOWED_HOSTS", "must not hold * in production. Give the names served, such as faq.example.org.")


def _debug(environment: Environment) -> Iterator[Fault]:
    if environment.DJANGO_ENV == "production" and environment.DEBUG:
        yield Fault("DEBUG", "must be false in production, as its pages show settings. Leave it out.")


def _database(environment: Environment) -> Iterator[Fault]:
    if environment.DATABASE_URL:
        yield from _database_url(environment)
        return
    parts = {name: getattr(environment, name) for name in ("DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST")}
    if environment.deployed:
        for name, value in parts.items():
            if not value:
                yield Fault(name, f"is required {DEPLOYED}, where DATABASE_URL is not set. Give it, or DATABASE_URL.")
    elif any(parts.values()) and not environment.DB_NAME:
        yield Fault("DB_NAME", "is required where other parts of the database are given. Give it, or none of them.")


def _direct_url(environment: Environment) -> Iterator[Fault]:
    if environment.direct_database and environment.direct_database.is_sqlite:
        yield Fault("DATABASE_DIRECT_URL", "must name the same PostgreSQL server as DATABASE_URL. Leave it out.")


def _database_url(environment: Environment) -> Iterator[Fault]:
    if environment.deployed and environment.database.is_sqlite:
        yield Fault("DATABASE_URL", f"must name a PostgreSQL server {DEPLOYED}: SQLite is for development only.")
    elif environment.deployed and not environment.database.host:
        yield Fault("DATABASE_URL", f"must name a host {DEPLOYED}, such as postgresql://user:password@host:5432/name.")


def _redis(environment: Environment) -> Iterator[Fault]:
    if environment.deployed and not environment.REDIS_URL:
        yield Fault("REDIS_URL", f"is required {DEPLOYED}. Give an address such as redis://:password@redis:6379/0.")


def _dimension(environment: Environment, failed: set[str]) -> Iterator[Fault]:
    right = MODELS[environment.RAG_LOCAL_EMBEDDING_MODEL]
    if right != environment.RAG_VECTOR_DIMENSION and "RAG_LOCAL_EMBEDDING_MODEL" not in failed:
        yield Fault("RAG_VECTOR_DIMENSION", f"must be {right}, the length of this model's vectors. Leave it out.")


def _engine(environment: Environment) -> Iterator[Fault]:
    if environment.RAG_LOCAL_EMBEDDING_MODEL.endswith("-int8") and environment.RAG_EMBEDDING_ENGINE != "onnx":
        yield Fault("RAG_EMBEDDING_ENGINE", "must be onnx for a model with int8 weights. Leave it out.")


def _confidence(environment: Environment, failed: set[str]) -> Iterator[Fault]:
    if environment.RAG_LIKELY > environment.RAG_SURE and "RAG_SURE" not in failed:
        yield Fault("RAG_LIKELY", "must be at most RAG_SURE. Lower it, or raise RAG_SURE.")

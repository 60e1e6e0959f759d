"""Where the settings keep things: database, cache and queue, as this environment names them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from console.environment import Environment, plain
from console.environment.database import Database

SQLITE_OPTIONS = {
    # A writer that takes the lock at once waits for its turn; one that upgrades later fails.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
}
# Milliseconds. A web process gives up early; migrations, imports and jobs may take their time.
WEB_LIMITS = {
    "statement_timeout": 5_000,
    "lock_timeout": 3_000,
    "idle_in_transaction_session_timeout": 30_000,
}
JOB_LIMITS = {
    "statement_timeout": 300_000,
    "lock_timeout": 30_000,
    "idle_in_transaction_session_timeout": 300_000,
}


def databases(environment: Environment, *, direct: bool = False) -> dict[str, Any]:
    """`direct`: past a pooler, on one connection, as migrations and backups need it."""
    if direct:
        return {"default": _database(environment.direct_database or environment.database, pool=0)}
    return {"default": _database(environment.database, pool=environment.DB_POOL_MAX)}


def _database(database: Database, *, pool: int) -> dict[str, Any]:
    if database.is_sqlite:
        return {"ENGINE": "django_prometheus.db.backends.sqlite3", "NAME": database.name, "OPTIONS": SQLITE_OPTIONS}
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port or "",
        "OPTIONS": _postgresql_options(database.options, pool=pool),
        # Not with a pool, which keeps the connections itself.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }


def _postgresql_options(given: dict[str, str], *, pool: int) -> dict[str, Any]:
    limits = WEB_LIMITS if pool else JOB_LIMITS
    # What the URL asks for stands last, where it wins.
    options = " ".join([*(f"-c {name}={value}" for name, value in limits.items()), given.get("options", "")])
    result: dict[str, Any] = {"connect_timeout": 3} | given | {"options": options.strip()}
    if pool:
        from rag.silence import BoundedConnection

        # The pool doubles its pause after each vain try: so it may not go on trying, but begins anew when asked.
        result["pool"] = {
            "min_size": 1,
            "max_size": pool,
            "timeout": 1,  # of the shortest useful deadline (2 s), a wait for a connection leaves the half
            "reconnect_timeout": 2,
            "connection_class": BoundedConnection,
        }
    return result


def caches(environment: Environment) -> dict[str, Any]:
    if not environment.REDIS_URL:
        return {
            "default": {
                "BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache",
                "TIMEOUT": environment.CACHE_TTL,
            }
        }
    return {
        "default": {
            "BACKEND": "django_prometheus.cache.backends.redis.RedisCache",
            "LOCATION": plain(environment.REDIS_URL),
            "TIMEOUT": environment.CACHE_TTL,
            "KEY_PREFIX": "steadfast",
            "OPTIONS": {
                # A cache that is gone must cost neither an error nor a wait.
                "IGNORE_EXCEPTIONS": True,
                "REDIS_CLIENT_CLASS": "rag.sparing_redis.SparingRedis",
                "SOCKET_CONNECT_TIMEOUT": 0.5,
                "SOCKET_TIMEOUT": 0.5,
                # Pickle would run whatever somebody else writes into Redis.
                "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            },
        }
    }


def rq_queues(environment: Environment) -> dict[str, Any]:
    """Timeouts within the address: django-rq drops those given apart from it."""
    if not environment.REDIS_URL:
        return {}
    parts = urlsplit(plain(environment.REDIS_URL))
    query = {"socket_connect_timeout": "2", "health_check_interval": "15"} | dict(parse_qsl(parts.query))
    url = parts._replace(query=urlencode(query)).geturl()
    return {"default": {"URL": url, "DEFAULT_TIMEOUT": 1800, "SERIALIZER": "rq.serializers.JSONSerializer"}}

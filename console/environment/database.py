"""A database as it is told: from DATABASE_URL, from its parts, or the file that a laptop uses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from console.environment.values import PROJECT, port_of

EXAMPLE = "such as postgresql://user:password@host:5432/name"
# What libpq understands; anything else would fail only at the first connection.
OPTIONS = frozenset(
    {
        *(
            "application_name",
            "channel_binding",
            "client_encoding",
            "connect_timeout",
            "gssencmode",
            "host",
            "hostaddr",
        ),
        *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname"),
        *("load_balance_hosts", "options", "passfile", "require_auth", "service", "target_session_attrs"),
        *("sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslkey", "sslmode", "sslnegotiation"),
        *("sslpassword", "sslrootcert", "tcp_user_timeout"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the truth is kept."""

    engine: str
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine == "sqlite3"


def sqlite(path: Path) -> Database:
    return Database(engine="sqlite3", name=str(path))


def parse(url: str) -> Database:
    """The parts of a DATABASE_URL, percent-decoded; a ValueError says the rule and never the value."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"must be an address {EXAMPLE}") from None
    if parts.scheme == "sqlite":
        return _parse_sqlite(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(f"must begin with postgresql:// (or, in development, sqlite:///), {EXAMPLE}")
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name or parts.fragment:
        raise ValueError(f"must end in the name of the database, with # and / in it percent-encoded, {EXAMPLE}")
    user, password, host = _authority(parts.netloc)
    port = port_of(url)
    if port == 0:
        raise ValueError("must have a port from 1 to 65535 where it names one")
    options = _options(parts.query)
    host = options.pop("host", "") or host
    return Database(engine="postgresql", name=name, user=user, password=password, host=host, port=port, options=options)


def _parse_sqlite(url: str) -> Database:
    path = unquote(url.removeprefix("sqlite://").removeprefix("/"))
    if not url.startswith("sqlite:///") or not path or path == ":memory:" or re.search(r"[?#]", url):
        raise ValueError(
            "must be sqlite:///folder/file (within the project) or sqlite:////folder/file, without options"
        )
    return sqlite(PROJECT / path)


def _authority(netloc: str) -> tuple[str, str, str]:
    """User, password and host as they were written: urlsplit would lower the case of a socket's folder."""
    who, _, where = netloc.rpartition("@")
    user, _, password = who.partition(":")
    host = re.sub(r":\d*$", "", where).strip("[]")
    return unquote(user), unquote(password), unquote(host)


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not set(options) <= OPTIONS:
        raise ValueError("must have only options of PostgreSQL's own client after the ?, such as sslmode=require")
    if not re.fullmatch(r"\d{0,4}", options.get("connect_timeout", "")):
        raise ValueError("must have a whole number of seconds as connect_timeout")
    return options

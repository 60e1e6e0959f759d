"""The kinds of value that a variable may hold; each says its own rule, and none repeats what was given."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

PROJECT = Path(__file__).resolve().parents[2]
HOST_NAME = re.compile(r"(\*|\.?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)", re.I)
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?", re.I)


def _split(value: Any) -> Any:
    """A comma list as its items, so that one line of a file can hold them all."""
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _host(value: str) -> str:
    bracketed = value.startswith("[") and value.endswith("]") and _ipv6(value[1:-1])
    if len(value) > 253 or not (bracketed or HOST_NAME.fullmatch(value)):
        raise ValueError(
            "must be a host name such as faq.example.org, an address such as 192.0.2.7 or [::1],"
            " without scheme, port or path"
        )
    return value


def _listen(value: str) -> str:
    if not (_ipv6(value) or (HOST_NAME.fullmatch(value) and value[0] not in "*.")):
        raise ValueError("must be an address or host name such as 127.0.0.1, 0.0.0.0 or ::1, without port")
    return value


def _origin(value: str) -> str:
    if not ORIGIN.fullmatch(value):
        raise ValueError("must be an origin with its scheme, such as https://faq.example.org, without a path")
    return value.lower()


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError("must be an address or network such as 10.0.0.7 or 10.0.0.0/8") from None


def port_of(url: str) -> int | None:
    """The port in a URL; the library's own error would repeat what was given."""
    try:
        return urlsplit(url).port
    except ValueError:
        raise ValueError("must have a port from 1 to 65535 where it names one") from None


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("must be a web address such as http://qdrant:6333") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", value):
        raise ValueError("must be a web address such as http://qdrant:6333")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; keys have variables of their own")
    if port_of(value) == 0:
        raise ValueError("must have a port from 1 to 65535 where it names one")
    return value.rstrip("/")


def _redis_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
    except ValueError:
        raise ValueError("must be an address such as redis://:password@redis:6379/0") from None
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or re.search(r"\s", parts.netloc):
        raise ValueError("must be an address such as redis://:password@redis:6379/0 (or rediss:// with TLS)")
    if port_of(value.get_secret_value()) == 0 or not re.fullmatch(r"(/\d{0,4})?", parts.path):
        raise ValueError("must end in a port from 1 to 65535 and a database number, such as redis:6379/0")
    return value


def _header_safe(value: SecretStr) -> SecretStr:
    """A key travels in an HTTP header: anything else fails there, late and unclear."""
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("must be one line of plain letters, digits and signs, without spaces")
    return value


def _folder(value: Path) -> Path:
    """Relative to the project, so that every process means the same folder wherever it was started."""
    try:
        return PROJECT / value.expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, but this user has no home: give an absolute path") from None


def _contact(value: str) -> str:
    if not value.isprintable() or re.match(r"(javascript|data|vbscript|file):", value, re.I):
        raise ValueError("must be one line: an e-mail address, a telephone number or a link")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of text")
    return value


def _matching(pattern: str, rule: str) -> AfterValidator:
    """For values whose rule is one pattern, which a person is told in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
Listen = Annotated[str, AfterValidator(_listen)]
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
ApiKey = Annotated[SecretStr, AfterValidator(_header_safe)]
Folder = Annotated[Path, AfterValidator(_folder)]
Contact = Annotated[str, Field(max_length=200), AfterValidator(_contact)]
Rate = Annotated[
    str,
    _matching(
        r"[1-9]\d{0,5}/(second|minute|hour|day)",
        "must be a count per second, minute, hour or day, such as 30/minute",
    ),
]
Host = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]",
        "must be a host name such as qdrant, or an address such as 192.0.2.7 or [::1], without scheme or port",
    ),
]
DatabaseHost = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]+|/[\w./-]+",
        "must be a host name such as db, an address such as 192.0.2.7, or the folder of a socket, without port",
    ),
]
GeminiModel = Annotated[
    str,
    _matching(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", "must be the name of a model, such as gemini-flash-latest"),
]
Collection = Annotated[
    str, _matching(r"[A-Za-z0-9_-]{1,128}", "must be at most 128 letters, digits, hyphens and underscores")
]
Line = Annotated[str, Field(max_length=60), AfterValidator(_printable)]
Name = Annotated[str, Field(max_length=63), AfterValidator(_printable)]

"""Who is asking: the address that a limit counts by, and the id of the request."""

from __future__ import annotations

import uuid
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def asker(request: HttpRequest) -> str:
    """The asker's address: the peer, or whom a trusted proxy names. One IPv6 household is one asker (/64)."""
    address = _nearest_untrusted(request)
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def whole(request: HttpRequest) -> str:
    """The same address, not widened to a household: for the record, where a person has to be found again."""
    return str(_nearest_untrusted(request) or "unknown")


def request_id(request: HttpRequest) -> str:
    """The id that the middleware gave this request; one of our own where something failed before it."""
    known: str | None = getattr(request, "request_id", None)
    if known is None:
        known = uuid.uuid4().hex
        request.request_id = known  # type: ignore[attr-defined]  # ours, for log lines and pages
    return known


def _nearest_untrusted(request: HttpRequest) -> Address | None:
    """From the peer backwards along X-Forwarded-For, past the proxies that we trust, and no further."""
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    if not _from_proxy(request):
        return peer
    nearest = peer
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        address = _address(hop)
        if address is None:
            return nearest
        nearest = address
        if not _trusted(address):
            return nearest
    return nearest


def _from_proxy(request: HttpRequest) -> bool:
    peer = request.META.get("REMOTE_ADDR", "")
    if not peer:
        # A unix socket has no address, and only a proxy on this machine can reach it.
        return bool(settings.TRUSTED_PROXIES)
    address = _address(peer)
    return address is not None and _trusted(address)


def _trusted(address: Address) -> bool:
    return any(address in ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

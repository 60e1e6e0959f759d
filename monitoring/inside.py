"""The doors for machines: served to whoever is inside the network, before anything else is asked of a request."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

from django.http import HttpRequest, HttpResponseBase

from monitoring import views

GetResponse = Callable[[HttpRequest], HttpResponseBase]
DOORS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": views.healthz,
    "/readyz": views.readyz,
    "/metrics": views.metrics,
}
# This machine, the networks that nobody routes, and those of one cable.
INSIDE = [
    ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
]
# What a proxy adds: such a request came from outside, whoever hands it on.
HANDED_ON = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class MachineDoors:
    """Middleware: probes and scrapes name this machine as they know it, which ALLOWED_HOSTS need not list.

    From outside, the same addresses take the common way: the probes answer, and there are no metrics.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        door = DOORS.get(request.path_info)
        return door(request) if door and from_inside(request) else self.get_response(request)


def from_inside(request: HttpRequest) -> bool:
    """The peer itself asks, and has a private address, or is on this machine."""
    if any(name in request.headers for name in HANDED_ON):
        return False
    peer = request.META.get("REMOTE_ADDR", "")
    if not peer:  # a unix socket has no address
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in INSIDE)

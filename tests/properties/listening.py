"""Where the product listens: Gunicorn's own sockets, and an nginx that moves to other ports."""

from __future__ import annotations

import socket
from functools import cache

import psutil  # type: ignore[import-untyped]  # it brings no types

from tests.deploy.edge import Edge
from tests.servers import free_port, until

# Gunicorn by our configuration, up to where it would fork: its sockets are open then.
LISTENING = """
import sys
sys.argv = ["gunicorn", "--config", "python:console.gunicorn"]
from gunicorn import sock
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.glogging import Logger
application = WSGIApplication()
sockets = sock.create_sockets(application.cfg, Logger(application.cfg))
result = sorted(one.getsockname()[:2] for one in sockets)
for one in sockets: one.close()
"""


@cache
def pool() -> tuple[int, ...]:
    """Ports that are ours alone, to draw from."""
    return tuple(free_port() for _ in range(20))


def move(edge: Edge, http: int, https: int) -> None:
    """nginx takes these two ports and leaves those that it had, as after a change of HTTP_PORT and HTTPS_PORT."""
    inside, former = held(edge) - {edge.http_port, edge.port}, _workers(edge)  # inside: for health and counts
    edge.http_port, edge.port = http, https
    edge.environment |= {
        "HTTP_LISTEN": f"127.0.0.1:{http}",
        "HTTPS_LISTEN": f"127.0.0.1:{https}",
        "HTTPS_PORT": str(https),
    }
    edge.prepare()
    edge.reload()
    until(lambda: held(edge) == inside | {http, https}, f"nginx listens at {http} and {https} only", pause=0.005)
    # As long as one is there it answers as before, and what was for HTTP may be for HTTPS now.
    until(lambda: not former & _workers(edge), "its former workers are gone", pause=0.005)
    until(lambda: open_ports() == {http, https}, f"nothing but {http} and {https} is open", pause=0.005)


def held(edge: Edge) -> set[int]:
    """The ports at which nginx's master listens."""
    return {one.laddr.port for one in _master(edge).net_connections() if one.status == "LISTEN"}


def _workers(edge: Edge) -> set[psutil.Process]:
    return set(_master(edge).children())


def _master(edge: Edge) -> psutil.Process:
    assert edge._process is not None
    return psutil.Process(edge._process.pid)


def open_ports() -> set[int]:
    """Which of the pool's ports take a connection."""
    return {port for port in pool() if _is_open(port)}


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

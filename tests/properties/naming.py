"""A process in whose /etc/hosts the services have the names that Compose's DNS would give them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.deploy.containers import environment
from tests.servers import Postgresql, Qdrant, Redis

SERVICES = ("database", "redis", "store")
names = st.lists(
    st.from_regex(r"[a-z][a-z0-9]{2,10}-[a-z]{2,6}", fullmatch=True), min_size=3, max_size=3, unique=True
).map(lambda three: dict(zip(SERVICES, three, strict=True)))

# A mount namespace of its own: as root, or, where users may have namespaces, as whoever runs the tests.
NAMED = """
import ctypes, tempfile
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x00020000) == 0 or libc.unshare(0x10020000) == 0, "no namespace of its own"
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
with tempfile.NamedTemporaryFile("w") as hosts:
    hosts.write("".join(f"127.0.0.1 {name}\\n" for name in known))
    hosts.flush()
    assert libc.mount(hosts.name.encode(), b"/etc/hosts", None, 4096, None) == 0
"""
# Each service as the product reaches it, and whether it answered.
REACHED = """
from django.db import OperationalError, connection
from urllib.parse import urlsplit
from console.start import waiting
from django.conf import settings
from rag.index import runners
from rag.errors import ServiceUnavailable
def store():
    address = urlsplit(settings.QDRANT_URL)
    if complaint := waiting._socket(address.hostname, address.port):
        raise ServiceUnavailable("store", "refused", complaint)
result = {}
for service, ask in (
    ("database", connection.ensure_connection),
    ("redis", runners.probe),
    ("store", store),
):
    try:
        ask()
        result[service] = True
    except (ServiceUnavailable, OperationalError):
        result[service] = False
"""


def addressed(named: dict[str, str], postgresql: Postgresql, redis: Redis, store: Qdrant) -> dict[str, str]:
    """The environment of an application whose services bear these names."""
    environ = environment("", f"redis://{named['redis']}:{redis.port}/0", DJANGO_SETTINGS_MODULE="console.settings")
    del environ["DATABASE_URL"], environ["VECTOR_DB_URL"]
    database = {"DB_HOST": named["database"], "DB_PORT": str(postgresql.port), "DB_NAME": "postgres"}
    person = {"DB_USER": "steadfast", "DB_PASSWORD": "any"}
    return {**environ, **database, **person, "QDRANT_HOST": named["store"], "QDRANT_PORT": str(store.port)}

"""nginx as the edge image runs it, from the same templates, snippets and start scripts, on ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.containers import HOST
from tests.servers import PROJECT, Server, free_port

MAIN = """\
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
daemon off;
events {{ worker_connections 256; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include conf.d/*.conf;
}}
"""

ONCE = (
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "X-Request-ID",
)
HSTS = "max-age=63072000; includeSubDomains; preload"
BIG = b"x" * 20_000
LINE = f"Host: {HOST}\r\nConnection: close\r\n".encode()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value


def defaults() -> dict[str, str]:
    """What the edge image sets."""
    text = (PROJECT / "docker" / "Dockerfile").read_text().partition(" AS edge\n")[2]
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert block
    return dict(pair.split("=", 1) for pair in block[1].replace("\\\n", " ").split())


class Edge(Server):
    """`stops_by` is nginx's graceful end."""

    stops_by = signal.SIGQUIT

    def __init__(self, app_port: int | str, static: Path, **given: str) -> None:
        super().__init__()
        self.http_port, self.metrics_port, health = free_port(), free_port(), free_port()
        self.root = self.folder / "nginx"
        self.environment = {
            **defaults(),
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "APP_HOST": "127.0.0.1",
            "APP_PORT": str(app_port),
            "HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "HTTPS_LISTEN": f"127.0.0.1:{self.port}",
            "HEALTH_LISTEN": str(health),
            "METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}",
            "EDGE_COUNTS": str(self.folder / "counts"),
            "EDGE_COUNTS_SECONDS": "0.2",
            "HTTPS_PORT": str(self.port),
            "ALLOWED_HOSTS": f"{HOST},.other.example.org,127.0.0.1",
            "EDGE_ROOT": str(static.parent),
            "CERTIFICATE_DIR": str(self.folder / "certificates"),
            "ACME_DIR": str(self.folder / "acme"),
            "EDGE_LOG": str(self.folder / "access.log"),
            "NGINX_ENVSUBST_OUTPUT_DIR": str(self.root / "conf.d"),
            "CERTIFICATE_WATCH_SECONDS": "0.2",
            **given,
        }
        for name in ("certificates", "acme", "counts", "nginx/conf.d"):
            (self.folder / name).mkdir(parents=True)
        shutil.copytree(PROJECT / "nginx" / "snippets", self.root / "snippets")
        user = "user root;" if os.geteuid() == 0 else ""  # its workers read folders that are ours alone
        (self.root / "nginx.conf").write_text(MAIN.format(folder=self.folder, user=user))

    def prepare(self) -> None:
        """As the image's entrypoint does: fill in the templates, then run the scripts."""
        for template in sorted((PROJECT / "nginx" / "templates").glob("*.template")):
            filled = substituted(template.read_text(), self.environment)
            (self.root / "conf.d" / template.stem).write_text(filled)
        subprocess.run([PROJECT / "nginx/start/30-edge.sh"], env=self.environment, check=True, capture_output=True)

    def command(self) -> list[str | Path]:
        self.prepare()
        return ["/usr/sbin/nginx", "-p", self.root, "-c", self.root / "nginx.conf"]

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return (self.folder / "access.log").read_text()

    @contextmanager
    def beside(self, script: str) -> Iterator[int]:
        """A start script that goes on in the background; `nginx -s` in it reaches this nginx. Its process id."""
        signals = "nginx() { case $2 in reload) kill -HUP $pid;; reopen) kill -USR1 $pid;; esac; }; "
        process = subprocess.Popen(
            [
                "sh",
                "-c",
                f'pid=$(cat {self.folder}/nginx.pid); {signals}. "$0"; wait',
                PROJECT / "nginx/start" / script,
            ],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # with the loop that it left in the background
            process.wait(10)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "certificates" / "fullchain.pem"))

    def connect(self, *, tls: bool = True, name: str | None = HOST) -> socket.socket:
        raw = socket.create_connection(("127.0.0.1", self.port if tls else self.http_port), timeout=30)
        if not tls:
            return raw
        context = self.trust()
        if name != HOST:
            context.check_hostname = False
        return context.wrap_socket(raw, server_hostname=name)

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        tls: bool = True,
        host: str | None = None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.sock = self.connect(tls=tls)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            given = {"Host": host or f"{HOST}:{self.port}", **(headers or {})}
            connection.request(method, path, body=body, headers=given, encode_chunked=chunked)
            response = connection.getresponse()
            return Reply(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def raw(self, request: bytes, *, tls: bool = True) -> bytes:
        """Whatever bytes: for requests that no client would send."""
        with self.connect(tls=tls) as connection:
            connection.sendall(request)
            answer = b""
            while data := connection.recv(65_536):
                answer += data
        return answer


def substituted(text: str, environment: Mapping[str, str]) -> str:
    """As envsubst: only ${NAMES} that the environment has."""
    return re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found[1], found[0]), text)


def parsed(answer: bytes) -> Reply:
    """A raw answer, taken apart."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Reply(int(first.split()[1]), [(name, value.strip()) for name, _, value in pairs], body)


def arrived(reply: Reply, name: str) -> list[str]:
    """This header, as the upstream that tells saw it."""
    return [value for key, value in json.loads(reply.body)["headers"] if key.lower() == name.lower()]

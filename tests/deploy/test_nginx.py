"""The real nginx before the real Gunicorn: what comes out at the edge."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import PLENTY, Site
from tests.deploy.containers import HOST
from tests.deploy.echo import Echo
from tests.deploy.edge import BIG, HSTS, LINE, ONCE, Edge, Reply, parsed
from tests.servers import free_port, until


def classes(edge: Edge, site: Site) -> Iterator[tuple[str, Reply, int]]:
    """Name, answer and expected status of every kind of answer that can be had at the edge."""
    static = site.style

    def get(path: str, status: int, **more: Any) -> tuple[str, Reply, int]:
        return f"{more.get('method', 'GET')} {path[:40]}", edge.ask(path, **more), status

    json_type = {"Content-Type": "application/json"}
    etag = edge.ask(static)["ETag"]
    yield get("/", 200)
    yield get("/", 200, method="HEAD")
    yield get("/", 403, method="POST", body=b"question=hello")
    yield get("/", 413, method="POST", body=BIG)
    yield get("/", 403, method="DELETE")
    yield get("/nothing/here", 404)
    yield get("/entries/none/", 404)
    yield get("/admin/", 302)
    yield get("/admin/login/", 200)
    yield get("/admin", 301)
    yield get("/admin/login/", 403, method="POST", body=b"username=x")
    yield get("/api/chat/", 405)
    yield get("/api/chat/", 403, method="POST", body=b"{}", headers=json_type)
    yield get("/api/chat/", 413, method="POST", body=BIG, headers=json_type)
    yield get("/api/openapi.json", 200)
    yield get("/api/none", 404)
    yield get(static, 200)
    yield get(static, 200, headers={"Accept-Encoding": "gzip"})
    yield get(static, 304, headers={"If-None-Match": etag})
    yield get(static, 200, headers={"Range": "bytes=0-1,5-9"})
    yield get(static, 200, headers={"Range": "bytes=9999999-"})
    yield get(static, 405, method="POST")
    yield get("/static/none.css", 404)
    yield get("/static/.hidden", 404)
    yield get("/metrics", 404)
    yield get("/healthz", 200)
    # One of its processes may be looking for the first time just now, and say so.
    until(lambda: all(edge.ask("/readyz").status == 200 for _ in range(6)), "all of it is ready")
    yield get("/readyz", 200)
    yield get("/", 421, host="stranger.example.org")
    yield get("/api/chat/", 421, host="stranger.example.org")
    yield "TRACE", parsed(edge.raw(b"TRACE / HTTP/1.1\r\n" + LINE + b"\r\n")), 405
    yield "rubbish", parsed(edge.raw(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")), 400
    yield "two hosts", parsed(edge.raw(b"GET / HTTP/1.1\r\n" + LINE + b"Host: other\r\n\r\n")), 400
    yield "long header", parsed(edge.raw(b"GET / HTTP/1.1\r\n" + LINE + b"X-A: " + b"a" * 9_000 + b"\r\n\r\n")), 400
    yield "long address", parsed(edge.raw(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + LINE + b"\r\n")), 414
    yield "smuggling", parsed(edge.raw(b"POST / HTTP/1.1\r\n" + LINE + b"Transfer-Encoding: x\r\n\r\n")), 501


def test_every_header_is_there_exactly_once_whoever_answers(edge: Edge, site: Site) -> None:
    """Feature: production-deployment, Properties 25 and 38: Security Headers"""
    seen = wrong = 0
    for name, reply, expected in classes(edge, site):
        seen += 1
        assert reply.status == expected, f"{name}: {reply.status}"
        for header in ONCE:
            values = reply.all(header)
            if len(values) != 1 or not values[0]:
                wrong += 1
                print(f"{name} ({reply.status}): {header} {values}")
        assert reply["Strict-Transport-Security"] == HSTS
    assert seen >= 30
    assert not wrong


def test_answers_made_while_the_application_is_down_bear_them_too(site: Site, tmp_path: Path) -> None:
    with Edge(free_port(), site.static, **PLENTY) as edge:
        for path in ("/", "/api/chat/", "/admin/", "/static/none.css"):
            reply = edge.ask(path)
            assert reply.status == 503
            assert reply["Retry-After"] == "5"
            assert all(len(reply.all(header)) == 1 for header in ONCE)
        told = json.loads(edge.ask("/api/chat/").body)["error"]
        assert told["code"] == "unavailable"
        assert "Try again" in told["message"]
        assert told["request_id"]
        page = edge.ask("/").body.decode()
        assert "Back in a moment" in page and "127.0.0.1" not in page and "nginx" not in page


def test_static_files_come_without_the_application(site: Site, tmp_path: Path) -> None:
    """Feature: production-deployment, Properties 4, 22 and 32: Direct Static File Serving"""
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge:
        files = sorted(path for path in site.static.rglob("*") if path.is_file() and path.suffix not in {".gz", ".br"})
        assert len(files) > 100
        for path in files[::5]:
            reply = edge.ask(f"/static/{path.relative_to(site.static)}")
            assert (reply.status, reply.body) == (200, path.read_bytes())
            forever = bool(re.search(r"\.[0-9a-f]{12}\.\w+$", path.name))
            assert reply["Cache-Control"] == f"public, max-age={'31536000, immutable' if forever else '3600'}"
        sheet = site.style
        packed = edge.ask(sheet, headers={"Accept-Encoding": "gzip"})
        assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
        assert len(packed.body) < len(edge.ask(sheet).body)
        assert edge.ask(sheet, headers={"If-None-Match": edge.ask(sheet)["ETag"]}).status == 304
        assert upstream.asked == []


def test_a_page_that_holds_a_token_is_not_compressed(edge: Edge) -> None:
    """Its length would tell about the token (BREACH)."""
    for path in ("/", "/admin/login/"):
        page = edge.ask(path, headers={"Accept-Encoding": "gzip, deflate, br"})
        assert page.status == 200 and not page.all("Content-Encoding")


@pytest.mark.parametrize("path", ["/static/../settings.py", "/static/%2e%2e/manage.py", "/static/..%2f..%2fetc/passwd"])
def test_nothing_outside_the_folder_is_served(edge: Edge, path: str) -> None:
    answer = parsed(edge.raw(f"GET {path} HTTP/1.1\r\n".encode() + LINE + b"\r\n"))
    assert answer.status in {400, 404}


def test_http_goes_to_https_and_carries_no_hsts(edge: Edge) -> None:
    """Feature: production-deployment, Properties 10 and 23: HTTPS Enforcement"""
    for method in ("GET", "POST"):
        reply = edge.ask("/api/chat/?a=b", method, tls=False)
        assert reply.status == 308
        assert reply["Location"] == f"https://{HOST}:{edge.port}/api/chat/?a=b"
        assert not reply.all("Strict-Transport-Security")
    assert edge.ask("/", tls=False, host="evil.example.net").status == 421
    assert parsed(edge_speaks_plain(edge)).status == 308


def edge_speaks_plain(edge: Edge) -> bytes:
    """Plain HTTP at the HTTPS port."""
    import socket

    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + LINE + b"\r\n")
        return connection.recv(65_536)


def test_the_acme_path_is_served_over_plain_http(edge: Edge) -> None:
    place = edge.folder / "acme" / ".well-known" / "acme-challenge"
    place.mkdir(parents=True)
    (place / "token").write_text("proof")
    for host in (HOST, "not-yet-configured.example.org"):
        reply = edge.ask("/.well-known/acme-challenge/token", tls=False, host=host)
        assert (reply.status, reply.body) == (200, b"proof")
    assert edge.ask("/.well-known/acme-challenge/none", tls=False).status == 404


def test_metrics_are_for_the_network_inside_only(site: Site) -> None:
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge:
        for path in ("/metrics", "//metrics", "/static/../metrics", "/%6detrics"):
            parsed_ = parsed(edge.raw(f"GET {path} HTTP/1.1\r\n".encode() + LINE + b"\r\n"))
            assert parsed_.status == 404, path
        assert upstream.asked == []


def test_the_error_page_shows_as_designed_under_its_own_policy(edge: Edge) -> None:
    page = edge.ask("/metrics")
    within = re.search(r"<style>(.*?)</style>", page.body.decode())
    assert within
    digest = base64.b64encode(hashlib.sha256(within[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page["Content-Security-Policy"]


def test_the_real_product_is_behind_it(edge: Edge, site: Site) -> None:
    page = edge.ask("/")
    assert b"Steadfast" in page.body
    assert site.style.encode() in page.body
    token = re.search(r"csrftoken=(\w+)", ";".join(page.all("Set-Cookie")))
    assert token and "Secure" in page["Set-Cookie"]
    reply = edge.ask(
        "/api/chat/",
        "POST",
        body=json.dumps({"question": "How do I import my FAQ?"}).encode(),
        headers={
            "Content-Type": "application/json",
            "Cookie": f"{token[0]}",
            "X-CSRFToken": token[1],
            "Origin": f"https://{HOST}:{edge.port}",
        },
    )
    assert reply.status == 200, reply.body
    assert json.loads(reply.body)["answer"]
    assert json.loads(reply.body)["request_id"] == reply["X-Request-ID"]

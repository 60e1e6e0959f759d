"""The real nginx before the real Gunicorn: what comes out at the edge."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.deploy.conftest import PLENTY, Site
from tests.deploy.containers import HOST
from tests.deploy.echo import Echo
from tests.deploy.edge import Edge, Reply, parsed
from tests.servers import PROJECT, free_port, until

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


def style(site: Site) -> str:
    """The address of the chat page's style sheet, with its hash."""
    (path,) = (site.static / "chat").glob("chat.????????????.css")
    return f"/static/chat/{path.name}"


def classes(edge: Edge, site: Site) -> Iterator[tuple[str, Reply, int]]:
    """Name, answer and expected status of every kind of answer that can be had at the edge."""
    static = style(site)

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
        sheet = style(site)
        packed = edge.ask(sheet, headers={"Accept-Encoding": "gzip"})
        assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
        assert len(packed.body) < len(edge.ask(sheet).body)
        assert edge.ask(sheet, headers={"If-None-Match": edge.ask(sheet)["ETag"]}).status == 304
        assert upstream.asked == []


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


def test_only_the_intermediate_profile_is_spoken(edge: Edge) -> None:
    """Feature: production-deployment, Property 23: SSL Configuration"""
    assert handshake(edge, "-tls1_3") and handshake(edge, "-tls1_2")
    for refused in ("-tls1", "-tls1_1"):
        assert not handshake(edge, refused, "-cipher", "ALL:@SECLEVEL=0")
    for cipher in ("ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        assert not handshake(edge, "-tls1_2", "-cipher", cipher)
    for curve in ("X25519", "prime256v1", "secp384r1"):
        assert handshake(edge, "-tls1_3", "-groups", curve)
    assert not handshake(edge, "-tls1_3", "-groups", "secp521r1")


def handshake(edge: Edge, *options: str) -> bool:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.port}", "-servername", HOST, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and "Cipher is (NONE)" not in done.stdout


def test_its_own_certificate_names_every_host_and_is_kept(edge: Edge) -> None:
    with edge.connect() as connection:  # verified, name and all
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert()
        assert connection.version() == "TLSv1.3"
    assert certificate
    names = {pair[1] for pair in certificate["subjectAltName"]}
    assert names == {HOST, "other.example.org", "*.other.example.org", "127.0.0.1"}
    key = edge.folder / "certificates" / "privkey.pem"
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    edge.prepare()
    assert key.read_bytes() == before


def test_another_certificate_is_taken_up_without_a_restart(site: Site, tmp_path: Path) -> None:
    with Edge(site.port, site.static, **PLENTY) as edge, edge.beside("40-certificate-watch.sh") as watch:
        before = fingerprint(edge)
        until(lambda: sleeps(watch), "it has seen the certificate, and waits for another")
        folder = edge.folder / "certificates"
        (folder / "fullchain.pem").unlink()
        subprocess.run([PROJECT / "nginx/start/30-edge.sh"], env=edge.environment, check=True, capture_output=True)
        until(lambda: fingerprint(edge) != before, "the new certificate is served")


def sleeps(pid: int) -> bool:
    """Is a `sleep` at work below this process?"""
    return any(child.name() == "sleep" for child in psutil.Process(pid).children(recursive=True))


def fingerprint(edge: Edge) -> str:
    return hashlib.sha256(ssl.get_server_certificate(("127.0.0.1", edge.port)).encode()).hexdigest()


def test_a_start_without_names_says_so(tmp_path: Path) -> None:
    for names in ("", "a;b", "$(id)"):
        environ = {"PATH": "/usr/bin:/bin", "ALLOWED_HOSTS": names, "CERTIFICATE_DIR": str(tmp_path)}
        done = subprocess.run(
            [PROJECT / "nginx/start/30-edge.sh"],
            env={**environ, "NGINX_ENVSUBST_OUTPUT_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 78
        assert "ALLOWED_HOSTS" in done.stderr


def test_a_large_body_is_refused_in_the_words_of_its_door(edge: Edge) -> None:
    """Feature: production-deployment, Property 24: Large File Handling"""
    refused = edge.ask("/api/chat/", "POST", body=BIG, headers={"Content-Type": "application/json"})
    assert json.loads(refused.body)["error"]["code"] == "body_too_large"
    assert refused["Content-Type"].startswith("application/json")
    page = edge.ask("/elsewhere", "POST", body=b"x" * 70_000)
    assert page.status == 413 and page["Content-Type"].startswith("text/html")
    chunks = edge.ask("/api/chat/", "POST", body=iter([BIG]), headers={"Content-Type": "application/json"})
    assert chunks.status == 413


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_large_body_over_http2_is_refused_alike(edge: Edge) -> None:
    import httpx

    with httpx.Client(http2=True, verify=edge.trust(), headers={"Host": HOST}) as client:
        reply = client.post(f"https://127.0.0.1:{edge.port}/api/chat/", content=BIG)
    assert (reply.http_version, reply.status_code) == ("HTTP/2", 413)
    assert reply.json()["error"]["code"] == "body_too_large"
    assert len(reply.headers.get_list("content-security-policy")) == 1


def test_what_fits_arrives_whole(site: Site) -> None:
    """Feature: production-deployment, Property 21: Request Forwarding"""
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge:
        for size in (0, 1, 16_384):
            body = bytes(range(256)) * (size // 256 + 1)
            seen = json.loads(edge.ask("/api/x?a=%2F&b=c", "POST", body=body[:size]).body)
            assert seen["sha256"] == hashlib.sha256(body[:size]).hexdigest()
            assert seen["path"] == "/api/x?a=%2F&b=c"
        ten_mib = b"import" * 1_700_000
        assert json.loads(edge.ask("/admin/x", "POST", body=ten_mib).body)["bytes"] == len(ten_mib)


def arrived(reply: Reply, name: str) -> list[str]:
    return [value for key, value in json.loads(reply.body)["headers"] if key.lower() == name.lower()]


FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Real-IP": "6.6.6.6",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=6.6.6.6;host=evil.example",
}


def test_a_forged_origin_is_not_passed_on(site: Site) -> None:
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge:
        reply = edge.ask("/x", headers=FORGED)
        assert arrived(reply, "X-Forwarded-For") == arrived(reply, "X-Real-IP") == ["127.0.0.1"]
        assert arrived(reply, "X-Forwarded-Proto") == ["https"]
        assert arrived(reply, "X-Forwarded-Host") == arrived(reply, "Forwarded") == []
        assert arrived(reply, "Host") == [f"{HOST}:{edge.port}"]


def test_a_trusted_proxy_in_front_names_the_asker(site: Site) -> None:
    with Echo() as upstream, Edge(upstream.port, site.static, EDGE_TRUSTED_PROXIES="127.0.0.1", **PLENTY) as edge:
        reply = edge.ask("/x", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7"})
        assert arrived(reply, "X-Forwarded-For") == ["192.0.2.7"]


def test_the_request_id_is_passed_on_and_back(site: Site) -> None:
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge:
        reply = edge.ask("/x", headers={"X-Request-ID": "night-call-7"})
        assert arrived(reply, "X-Request-ID") == ["night-call-7"] == [reply["X-Request-ID"]]
        bad = edge.ask("/x", headers={"X-Request-ID": 'a"b c'})
        assert re.fullmatch("[0-9a-f]{32}", bad["X-Request-ID"])
        assert arrived(bad, "X-Request-ID") == [bad["X-Request-ID"]]
        assert json.loads(edge.log().splitlines()[0])["request_id"] == "night-call-7"


def test_events_are_passed_on_as_they_come(site: Site) -> None:
    with Echo() as upstream, Edge(upstream.port, site.static, **PLENTY) as edge, edge.connect() as connection:
        connection.sendall(b"GET /api/events HTTP/1.1\r\nAccept-Encoding: gzip\r\n" + LINE + b"\r\n")
        seen = b""
        while b"data: one" not in seen:
            seen += connection.recv(4096)
        assert b"data: two" not in seen
        upstream.first_seen.set()
        while data := connection.recv(4096):
            seen += data
        assert b"data: two" in seen


def test_over_the_rate_is_429_with_a_time_to_wait(site: Site) -> None:
    """Feature: production-deployment, Property 25: rate limiting"""
    limits = {"EDGE_RATE_QUESTIONS": "1r/m", "EDGE_BURST_QUESTIONS": "3", "EDGE_RATE_LOGINS": "1r/m"}
    with Echo() as upstream, Edge(upstream.port, site.static, **{**PLENTY, **limits}) as edge:
        asked = [edge.ask("/api/chat/", "POST", body=b"{}") for _ in range(8)]
        assert [reply.status for reply in asked] == [200] * 4 + [429] * 4
        assert int(asked[-1]["Retry-After"]) >= 1
        assert json.loads(asked[-1].body)["error"]["code"] == "rate_limited"
        assert edge.ask("/", "POST", body=b"question=x").status == 429  # the same asker, the same limit
        assert edge.ask("/api/openapi.json").status == 200
        logins = [edge.ask("/admin/login/", "POST", body=b"x") for _ in range(8)]
        assert [reply.status for reply in logins] == [200] * 6 + [429] * 2
        assert "One moment" in logins[-1].body.decode()
        assert edge.ask("/admin/login/").status == 200


def test_an_ipv6_household_counts_as_one(site: Site) -> None:
    limits = {"EDGE_RATE_QUESTIONS": "1r/m", "EDGE_BURST_QUESTIONS": "1", "EDGE_TRUSTED_PROXIES": "127.0.0.1"}
    with Echo() as upstream, Edge(upstream.port, site.static, **{**PLENTY, **limits}) as edge:

        def ask(address: str) -> int:
            return edge.ask("/api/chat/", "POST", body=b"{}", headers={"X-Forwarded-For": address}).status

        assert [ask(f"2001:db8::{one}") for one in ("1", "2", "ffff:3")] == [200, 200, 429]
        assert ask("2001:db8:0:1::1") == 200
        assert [ask(f"192.0.2.{one}") for one in (1, 2, 3)] == [200] * 3


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


def test_a_slow_header_is_cut_off(site: Site) -> None:
    with Edge(site.port, site.static, **PLENTY) as edge, closing(edge.connect()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert connection.recv(100) == b""  # closed by nginx, and not by our own patience of thirty seconds


def test_the_real_product_is_behind_it(edge: Edge, site: Site) -> None:
    page = edge.ask("/")
    assert b"Steadfast" in page.body
    assert style(site).encode() in page.body
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

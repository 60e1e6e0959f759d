"""The real nginx: what it lets in, how much of it, and what it makes of it for the application."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing

import pytest

from tests.deploy.conftest import PLENTY, Site
from tests.deploy.containers import HOST
from tests.deploy.echo import Echo
from tests.deploy.edge import BIG, LINE, Edge, arrived


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


def test_a_slow_header_is_cut_off(site: Site) -> None:
    with Edge(site.port, site.static, **PLENTY) as edge, closing(edge.connect()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert connection.recv(100) == b""  # closed by nginx, and not by our own patience of thirty seconds

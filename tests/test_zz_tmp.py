from __future__ import annotations
import socket, pytest
def test_out():
    with pytest.raises(RuntimeError), pytest.warns(UserWarning):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
def test_page(page, live_server, published, editor):
    published("How do I pay?", "By card.")
    page.goto(live_server.url)
    assert "teadfast" in page.title()
def test_index(published, indexed):
    published("How do I pay?", "By card.")
    print(indexed())
def test_servers(postgresql, redis, qdrant_url, collection, gemini): pass
def test_vendor(db):
    from django.db import connection
    print(connection.vendor); assert 0

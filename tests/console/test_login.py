"""Signing in: the same words for everybody who fails, and not many tries."""

from __future__ import annotations

import html
import re
import socket
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

LOGIN = "/admin/login/"
RIGHT = "operator"  # the cast's passwords are their names


@pytest.fixture
def two_tries(settings: Settings) -> None:
    settings.RATE_LIMIT_LOGIN = "2/hour"
    settings.RATE_LIMIT_ENFORCED = True


def sign_in(name: str, password: str, address: str = "192.0.2.1") -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.post(LOGIN, {"username": name, "password": password, "next": "/admin/"})


def said(response: Any) -> str:
    text = re.sub(r"<[^>]+>|\s+", " ", response.content.decode())
    found = re.search(r"(Too many tries|Please enter)[^.]*\.", html.unescape(text))
    return found[0] if found else ""


@pytest.mark.usefixtures("two_tries")
class TestTooManyTries:
    def test_the_third_is_refused_even_with_the_right_password(self, operator: User) -> None:
        assert [sign_in("operator", "wrong").status_code for _ in range(2)] == [200, 200]
        refused = sign_in("operator", RIGHT)
        assert (refused.status_code, said(refused)) == (429, "Too many tries.")
        assert "Wait 60 minutes" in refused.content.decode()
        assert 3500 <= int(refused["Retry-After"]) <= 3600

    def test_the_password_is_not_even_looked_at(self, operator: User) -> None:
        for _ in range(2):
            sign_in("operator", "wrong")
        with mock.patch("django.contrib.auth.forms.authenticate") as authenticate:
            sign_in("operator", RIGHT)
        authenticate.assert_not_called()

    def test_the_owner_still_comes_in_from_elsewhere(self, operator: User) -> None:
        for _ in range(9):
            sign_in("operator", "wrong")
        assert sign_in("operator", RIGHT, "192.0.2.2").status_code == 302

    def test_another_spelling_is_the_same_name(self, operator: User) -> None:
        sign_in("OPERATOR", "wrong")
        sign_in("ｏｐｅｒａｔｏｒ", "wrong")  # noqa: RUF001  # full-width letters
        assert sign_in("operator", RIGHT).status_code == 429

    def test_one_address_cannot_try_name_after_name(self, operator: User) -> None:
        statuses = [sign_in(f"name-{number}", "wrong").status_code for number in range(10)]
        assert statuses == [200] * 8 + [429] * 2

    def test_many_addresses_cannot_try_one_name(self, operator: User) -> None:
        statuses = [sign_in("operator", "wrong", f"198.51.100.{number}").status_code for number in range(22)]
        assert statuses == [200] * 20 + [429] * 2

    def test_looking_at_the_page_is_no_try(self, client: Client, db: None) -> None:
        assert {client.get(LOGIN).status_code for _ in range(5)} == {200}


def test_in_development_it_is_only_logged(operator: User, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.RATE_LIMIT_LOGIN, settings.RATE_LIMIT_ENFORCED = "1/hour", False
    sign_in("operator", "wrong")
    assert sign_in("operator", RIGHT).status_code == 302
    assert "rate limit would refuse a login" in caplog.text
    assert RIGHT not in [record.getMessage() for record in caplog.records]


def test_a_name_that_does_not_exist_is_told_the_same_after_the_same_work(operator: User) -> None:
    with mock.patch("django.contrib.auth.hashers.PBKDF2PasswordHasher.encode", autospec=True) as hashed:
        hashed.return_value = "pbkdf2_sha256$1$salt$hash"
        known, known_work = sign_in("operator", "wrong"), hashed.call_count
        unknown, unknown_work = sign_in("nobody", "wrong"), hashed.call_count - known_work
    assert said(known) == said(unknown) != ""
    assert (known.status_code, known_work) == (unknown.status_code, unknown_work)


@pytest.mark.fault(25)
@pytest.mark.usefixtures("two_tries")
def test_while_redis_is_away_it_is_limited_all_the_same(operator: User, settings: Settings) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        assert [sign_in("operator", "wrong").status_code for _ in range(3)] == [200, 200, 429]

"""Environment and secrets: what is read, what is refused, and what is never shown."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from console.environment import INVALID
from tests.console.environment.cast import PRODUCTION
from tests.properties.proof import proof
from tests.properties.starts import ENTRYPOINT, WATCHED, Starts

BOOTS = "tests/deploy/test_start.py"
names = st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)
ports = st.integers(1, 65_535)
shares = st.integers(0, 100).map(lambda number: number / 100)
# Each variable with valid values; the setting that shows it bears the same name.
VARIABLES: dict[str, st.SearchStrategy[Any]] = {
    "SITE_NAME": names,
    "CACHE_TTL": st.integers(0, 31_536_000),
    "GEMINI_MODEL": names.map(lambda name: f"gemini-{name}"),
    "RAG_SIMILARITY_THRESHOLD": shares,
    "RAG_TOP_K": st.integers(1, 20),
    "RAG_TEXT_WEIGHT": shares,
    "RAG_DEADLINE_SECONDS": st.integers(1, 60).map(float),
    "QDRANT_COLLECTION_NAME": names,
    "SECURE_HSTS_SECONDS": st.integers(0, 126_144_000),
    "RECEIPT_DAYS": st.integers(1, 3_650),
    "GENERATION_DAYS": st.integers(0, 365),
    "QDRANT_URL": st.tuples(names, ports).map(lambda one: f"http://{one[0]}:{one[1]}"),
    "ALLOWED_HOSTS": st.lists(names.map(lambda name: f"{name}.example.org"), min_size=1, max_size=3, unique=True),
}
ASKED = {"QDRANT_URL": "VECTOR_DB_URL"}
SETTINGS = f"""
from django.conf import settings
result = {{name: getattr(settings, name) for name in {[*VARIABLES, "DATABASES", "SECRET_KEY", "REDIS_URL"]!r}}}
"""


def written(values: dict[str, Any]) -> dict[str, str]:
    return {
        ASKED.get(name, name): ",".join(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }


@proof("the settings of new processes", boots=BOOTS)
@given(values=st.fixed_dictionaries(VARIABLES), other=st.data())
def test_property_16_every_setting_is_what_the_environment_says(
    starts: Starts, values: dict[str, Any], other: st.DataObject
) -> None:
    """Feature: production-deployment, Property 16: Environment Variable Configuration

    For any deployment environment (dev/staging/prod), all configuration should be loaded from environment variables,
    not hardcoded values
    """
    changed = other.draw(st.sampled_from(sorted(VARIABLES)))
    value = other.draw(VARIABLES[changed])
    before = starts.value(SETTINGS, PRODUCTION | written(values))
    after = starts.value(SETTINGS, PRODUCTION | written(values | {changed: value}))
    assert {name: before[name] for name in values} == values
    # A change of one variable changes nothing else.
    before[changed] = after[changed]
    if changed == "CACHE_TTL":
        assert after["CACHE_TTL"] == value
    assert before == after and after[changed] == value


LEAKING = """
import logging, sys
from console.environment import current, load
environment = current()
print(repr(environment), environment, environment.database)
import logging.config
from console.settings import base
logging.config.dictConfig(base.LOGGING)
logger = logging.getLogger("leaking")
for secret in secrets:
    logger.error("refused: %s", secret, extra={"given": secret, "within": {"a": [secret]}})
    try:
        raise ConnectionError(f"could not log in with {secret}")
    except ConnectionError:
        logger.exception("failed with %r", secret)
from console.environment.report import table
import os
print(table(environment, os.environ))
"""
signs = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs", "Zs"]), min_size=8)
keys = st.from_regex(r"[A-Za-z0-9_.-]{20,40}", fullmatch=True)


def forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}


@proof(
    "all that a new process writes when it starts, logs, fails and reports",
    boots=f"{BOOTS}, tests/console/test_secrecy.py: pages",
)
@given(
    password=signs, redis=keys, gemini=keys, key=keys.map(lambda text: f"{text}-abcdefghij" * 3), wrong=st.booleans()
)
def test_property_17_no_secret_is_ever_written(
    starts: Starts, password: str, redis: str, gemini: str, key: str, wrong: bool
) -> None:
    """Feature: production-deployment, Property 17: Secret Management

    For any sensitive configuration (API keys, passwords), values should be loaded from environment variables and
    never appear in logs or error messages
    """
    environ = {
        **PRODUCTION,
        "SECRET_KEY": key,
        "DATABASE_URL": f"postgresql://u:{quote(password, safe='')}@127.0.0.1:1/n",
        "REDIS_URL": f"redis://:{redis}@127.0.0.1:1/0",
        "GEMINI_API_KEY": gemini,
    }
    secrets = [password, redis, gemini, key]
    end = starts.one(LEAKING, environ | ({"QDRANT_PORT": gemini} if wrong else {}), secrets=secrets)
    assert end.status == (INVALID if wrong else 0), end.text
    told = end.text.replace("[secret]", "")
    for secret in secrets:
        for form in forms(secret):
            assert form not in told, f"{secret!r} as {form!r}"
        assert base64.b64encode(secret.encode()).decode() not in told


REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL")
PARTS = ("DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST")
missing = st.tuples(st.sets(st.sampled_from(REQUIRED)), st.sets(st.sampled_from(PARTS)), st.sampled_from(["", " "]))


@proof("the entrypoint of every role, watched for sockets", boots=BOOTS)
@given(lacking=missing.filter(lambda one: one[0] | one[1]), role=st.sampled_from(["web", "worker", "migrate"]))
def test_property_18_a_start_that_lacks_something_opens_nothing(
    starts: Starts, lacking: tuple[set[str], set[str], str], role: str
) -> None:
    """Feature: production-deployment, Property 18: Startup Validation

    For any application startup, all required environment variables should be validated, and missing variables should
    prevent startup with clear error messages
    """
    whole = {**PRODUCTION, "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p", "DB_HOST": "127.0.0.1"}
    del whole["DATABASE_URL"]
    gone = lacking[0] | lacking[1]
    end = starts.one(WATCHED + ENTRYPOINT, whole | dict.fromkeys(gone, lacking[2]), role)
    assert end.status == INVALID, end.text
    assert set(re.findall(r"^  - (\w+) is required", end.err, re.MULTILINE)) == gone
    assert "SOCKET" not in end.out and "Traceback" not in end.text


WRONG: dict[str, st.SearchStrategy[str]] = {
    "PORT": st.integers(65_536, 10**9).map(str) | st.from_regex(r"[a-z]{3,9}", fullmatch=True),
    "QDRANT_PORT": st.integers(65_536, 10**9).map(str) | st.just("-1"),
    "DEBUG": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
    "SECURE_SSL_REDIRECT": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
    "CACHE_TTL": st.integers(-(10**9), -10).map(str) | st.from_regex(r"[a-z]{3,9}", fullmatch=True),
    "RAG_TOP_K": st.integers(21, 10**9).map(str),
    "RAG_SIMILARITY_THRESHOLD": st.integers(1_001, 10**9).map(lambda number: f"{number / 1000:.3f}"),
    "LOG_LEVEL": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
    "VECTOR_DB_URL": st.from_regex(r"ftp://[q-z]{3,9}", fullmatch=True),
    "REDIS_URL": st.from_regex(r"http://[q-z]{3,9}", fullmatch=True),
    "DATABASE_URL": st.from_regex(r"mysql://[q-z]{3,9}/[q-z]{3,9}", fullmatch=True),
    "TRUSTED_PROXIES": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
    "RATE_LIMIT_CHAT": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
    "CSRF_TRUSTED_ORIGINS": st.from_regex(r"[q-z]{3,9}\.example", fullmatch=True),
    "DJANGO_ENV": st.from_regex(r"[q-z]{3,9}", fullmatch=True),
}
mistakes = st.lists(st.sampled_from(sorted(WRONG)), min_size=1, max_size=4, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries({name: WRONG[name] for name in chosen})
)


@proof("the entrypoint, watched for sockets", boots=BOOTS)
@given(wrong=mistakes)
def test_property_19_every_wrong_value_is_told_by_name_and_rule(starts: Starts, wrong: dict[str, str]) -> None:
    """Feature: production-deployment, Property 19: Configuration Error Handling

    For any invalid configuration value, the application should fail fast during startup with descriptive error
    messages
    """
    end = starts.one(WATCHED + ENTRYPOINT, PRODUCTION | wrong, "web")
    assert end.status == INVALID, end.text
    told = dict(re.findall(r"^  - (\w+) (.+)$", end.err, re.MULTILINE))
    assert told.keys() == wrong.keys(), end.err
    assert all("must" in sentence for sentence in told.values()), told
    assert not [value for name, value in wrong.items() if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", end.err)]
    assert "SOCKET" not in end.out and "Traceback" not in end.text


KINDS = """
from django.conf import settings
result = {name: getattr(settings, name, None) for name in (
    "DJANGO_ENV", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SITE_NAME",
    "RATE_LIMIT_ENFORCED", "SECURE_HSTS_SECONDS", "DEBUG")}
result["static"] = settings.STORAGES["staticfiles"]["BACKEND"].rpartition(".")[2]
result["format"] = settings.LOGGING["handlers"]["stderr"]["formatter"]
"""
KNOWN = ("development", "staging", "production")
kinds = st.sampled_from(KNOWN) | st.sampled_from(["prod", "Production", "test", "dev"]) | names


@proof("the settings of new processes", boots="tests/stack (development), tests/deploy (production)")
@given(kind=kinds, redirect=st.none() | st.booleans(), debug=st.booleans(), name=names)
def test_property_20_each_kind_has_its_own_settings(
    starts: Starts, kind: str, redirect: bool | None, debug: bool, name: str
) -> None:
    """Feature: production-deployment, Property 20: Multi-Environment Support

    For any environment type (development, staging, production), the configuration system should load appropriate
    settings based on environment variables
    """
    environ = {**PRODUCTION, "DJANGO_ENV": kind, "DEBUG": str(debug), "SITE_NAME": name}
    environ |= {} if redirect is None else {"SECURE_SSL_REDIRECT": str(redirect)}
    if kind not in KNOWN or (kind == "production" and debug):
        assert starts.one(SETTINGS, environ).status == INVALID
        return
    shown = starts.value(KINDS, environ)
    deployed = kind != "development"
    to_https = deployed if redirect is None else redirect
    assert (shown["DJANGO_ENV"], shown["DEBUG"], shown["SITE_NAME"]) == (kind, debug, name)
    assert shown["RATE_LIMIT_ENFORCED"] == deployed and shown["SECURE_SSL_REDIRECT"] == to_https
    assert shown["format"] == ("json" if deployed else "text")
    assert ("Manifest" in shown["static"]) == deployed
    assert bool(shown["SESSION_COOKIE_SECURE"]) == (kind == "production" or (kind == "staging" and to_https))

"""The settings of each kind of environment, in a process of their own."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from console.environment import INVALID, load
from console.environment.secret_key import kept_secret_key
from console.settings import stores
from rag.silence import BoundedConnection

PROJECT = Path(__file__).resolve().parents[2]
KEY = "k3y-F0r.teSts_" * 4
DEPLOYED = {
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "faq.example.org",
    "DATABASE_URL": "postgresql://steadfast:w0rd@127.0.0.1:1/steadfast?sslmode=disable&options=-c%20search_path%3Dfaq",
    "REDIS_URL": "redis://:passw0rd@127.0.0.1:1/0",
}
HEAVY = ("torch", "sentence_transformers", "onnxruntime", "tokenizers", "qdrant_client", "google.genai", "transformers")
SHOW = """
import json
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in dir(settings) if name.isupper()}, default=str))
"""
# Sockets and SQLite both say so when anything connects; what was loaded is printed.
WATCH = """
import socket, sqlite3, sys
def refuse(*args, **kwargs): raise AssertionError("opened a connection")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
sqlite3.connect = refuse
import psycopg
psycopg.connect = psycopg.Connection.connect = refuse
import django
from django.conf import settings
django.setup()
settings.INSTALLED_APPS
print("\\n".join(sys.modules))
"""


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "DJANGO_SETTINGS_MODULE": "console.settings",
    }
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=PROJECT,
        env=base | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def shown(**environ: str) -> dict[str, Any]:
    """All settings of a process with this environment."""
    done = run("-c", SHOW, **environ)
    assert done.returncode == 0, done.stderr
    settings: dict[str, Any] = json.loads(done.stdout)
    return settings


def test_development_needs_nothing(tmp_path: Path) -> None:
    settings = shown(DATA_DIR=str(tmp_path / "new" / "data"))
    assert settings["DJANGO_ENV"] == "development"
    assert settings["DATABASES"]["default"]["NAME"] == str(tmp_path / "new" / "data" / "steadfast.sqlite3")
    assert settings["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert settings["CACHES"]["default"]["BACKEND"].endswith("LocMemCache")
    assert settings["VECTOR_STORE"] == "rag.index.embedded_store.EmbeddedStore"
    assert settings["JOB_RUNNER"] == "rag.index.runners.ThreadRunner"
    assert settings["EMBEDDER"] == "rag.index.embedding.OnnxEmbedder"
    assert (settings["GENERATOR"], settings["QDRANT_URL"], settings["REDIS_URL"]) == (None, None, "")
    assert "django_rq" not in settings["INSTALLED_APPS"]
    assert settings["STORAGES"]["staticfiles"]["BACKEND"].endswith(".StaticFilesStorage")
    assert not settings["DEBUG"] and not settings["RATE_LIMIT_ENFORCED"] and not settings["SESSION_COOKIE_SECURE"]


def test_development_uses_the_servers_that_it_is_told(tmp_path: Path) -> None:
    """Feature: production-deployment, Property 16: Environment Variable Configuration"""
    settings = shown(
        DATA_DIR=str(tmp_path),
        DATABASE_URL=DEPLOYED["DATABASE_URL"],
        REDIS_URL=DEPLOYED["REDIS_URL"],
        VECTOR_DB_URL="http://127.0.0.1:1",
        GEMINI_API_KEY="key",
        RAG_EMBEDDING_ENGINE="sentence-transformers",
    )
    assert settings["DATABASES"]["default"]["ENGINE"] == "django_prometheus.db.backends.postgresql"
    assert settings["CACHES"]["default"]["BACKEND"] == "django_prometheus.cache.backends.redis.RedisCache"
    assert settings["VECTOR_STORE"] == "rag.index.vector_store.QdrantStore"
    assert settings["JOB_RUNNER"] == "rag.index.runners.RqRunner"
    assert settings["GENERATOR"] == "rag.answering.generation.GeminiGenerator"
    assert settings["EMBEDDER"] == "rag.index.embedding.SentenceTransformerEmbedder"
    assert "django_rq" in settings["INSTALLED_APPS"]


@pytest.mark.parametrize("kind", ["staging", "production"])
def test_a_deployment_is_closed(kind: str) -> None:
    """Feature: production-deployment, Properties 3, 6, 10, 20 and 36"""
    settings = shown(DJANGO_ENV=kind, **DEPLOYED)
    assert settings["DJANGO_ENV"] == kind
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["faq.example.org"]
    assert settings["DATABASES"]["default"]["ENGINE"] == "django_prometheus.db.backends.postgresql"
    assert settings["STORAGES"]["staticfiles"]["BACKEND"] == "whitenoise.storage.CompressedManifestStaticFilesStorage"
    assert settings["RATE_LIMIT_ENFORCED"] is True
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_HSTS_SECONDS"] == 31_536_000
    assert settings["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert settings["QDRANT_URL"] == "http://qdrant:6333"
    assert settings["LOGGING"]["handlers"]["stderr"]["formatter"] == "json"
    assert settings["SESSION_COOKIE_SECURE"] and settings["CSRF_COOKIE_SECURE"] and settings["SESSION_COOKIE_HTTPONLY"]
    assert settings["SESSION_COOKIE_SAMESITE"] == settings["CSRF_COOKIE_SAMESITE"] == "Lax"


def test_only_staging_lets_its_cookies_leave_https() -> None:
    plain = {**DEPLOYED, "SECURE_SSL_REDIRECT": "false"}
    assert shown(DJANGO_ENV="staging", **plain)["CSRF_COOKIE_SECURE"] is False
    assert shown(DJANGO_ENV="production", **plain)["CSRF_COOKIE_SECURE"] is True


def test_djangos_own_check_of_a_deployment_finds_nothing() -> None:
    done = run("manage.py", "check", "--deploy", "--fail-level", "DEBUG", DJANGO_ENV="production", **DEPLOYED)
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


@pytest.mark.parametrize("arguments", [("manage.py", "check"), ("-c", "import django; django.setup()")])
def test_a_bad_environment_ends_the_process_with_every_fault_and_no_traceback(arguments: tuple[str, ...]) -> None:
    """Feature: production-deployment, Property 9, 18 and 19: a start that fails at once, and says why"""
    done = run(*arguments, DJANGO_ENV="production", SECRET_KEY="hunter2", QDRANT_PORT="hunter2")
    assert done.returncode == INVALID
    assert "SECRET_KEY must have" in done.stderr and "QDRANT_PORT must be" in done.stderr
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("module", "kind"), [("production", "development"), ("staging", "production"), ("development", "production")]
)
def test_a_settings_module_refuses_the_rules_of_another(module: str, kind: str) -> None:
    done = run("-c", SHOW, DJANGO_SETTINGS_MODULE=f"console.settings.{module}", DJANGO_ENV=kind, **DEPLOYED)
    assert done.returncode == INVALID
    assert "DJANGO_ENV must be" in done.stderr and "Traceback" not in done.stderr


def test_the_settings_of_the_tests_take_nothing_of_the_shell_but_its_servers(tmp_path: Path) -> None:
    odd = {
        "DJANGO_ENV": "production",
        "GEMINI_API_KEY": "real",
        "RAG_TOP_K": "99",
        "DJANGO_SETTINGS_MODULE": "console.settings.test",
    }
    settings = shown(DATA_DIR=str(tmp_path), DATABASE_URL=DEPLOYED["DATABASE_URL"], **odd)
    assert (settings["DJANGO_ENV"], settings["GEMINI_API_KEY"], settings["RAG_TOP_K"]) == ("development", "", 5)
    assert settings["DATABASES"]["default"]["ENGINE"] == "django_prometheus.db.backends.postgresql"
    assert settings["DATA_DIR"] == str(tmp_path)


def test_the_folder_that_the_tests_made_is_gone_after_them() -> None:
    made = Path(shown(DJANGO_SETTINGS_MODULE="console.settings.test")["DATA_DIR"])
    assert made.name.startswith("steadfast-test-") and not made.exists()


def test_the_development_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: shown(DATA_DIR=str(tmp_path))["SECRET_KEY"], range(4)))
    assert len(keys) == 1 and len(keys.pop()) >= 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert shown(DATA_DIR=str(tmp_path), SECRET_KEY="given")["SECRET_KEY"] == "given"


def test_a_process_that_comes_second_waits_for_the_key_of_the_first(tmp_path: Path) -> None:
    with (tmp_path / "secret_key").open("w") as first, ThreadPoolExecutor(1) as pool:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = pool.submit(kept_secret_key, tmp_path)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        first.write("the key of the first")
        first.flush()
        fcntl.flock(first, fcntl.LOCK_UN)
        assert second.result(timeout=30) == "the key of the first"


def test_a_data_folder_that_cannot_be_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("-c", SHOW, DATA_DIR=str(tmp_path / "file"))
    assert done.returncode == INVALID
    assert "DATA_DIR must be a folder" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["development", "production"])
def test_loading_the_settings_opens_no_connection_and_loads_nothing_heavy(kind: str, tmp_path: Path) -> None:
    extra = {"DATA_DIR": str(tmp_path), "GEMINI_API_KEY": "key", "VECTOR_DB_URL": "http://127.0.0.1:1"}
    done = run("-c", WATCH, DJANGO_ENV=kind, **DEPLOYED, **extra)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "rag.apps" in loaded
    assert sorted(loaded & set(HEAVY)) == []


def options(**environ: str) -> dict[str, Any]:
    result: dict[str, Any] = stores.databases(load(environ))["default"]["OPTIONS"]
    return result


def test_the_pool_is_for_the_web_process_only() -> None:
    url = DEPLOYED["DATABASE_URL"]
    assert "pool" not in options(DATABASE_URL=url)
    pool = {"min_size": 1, "max_size": 8, "timeout": 1, "reconnect_timeout": 2, "connection_class": BoundedConnection}
    assert options(DATABASE_URL=url, DB_POOL_MAX="8")["pool"] == pool
    assert "statement_timeout=5000 " in options(DATABASE_URL=url, DB_POOL_MAX="8")["options"]
    assert "statement_timeout=300000 " in options(DATABASE_URL=url)["options"]


def test_what_the_url_asks_for_is_kept_and_wins() -> None:
    asked = options(DATABASE_URL=DEPLOYED["DATABASE_URL"])
    assert asked["sslmode"] == "disable"
    assert asked["options"].endswith(" -c search_path=faq")
    assert asked["connect_timeout"] == 3
    assert options(DATABASE_URL="postgresql://h/n?connect_timeout=9")["connect_timeout"] == "9"


def test_the_queue_waits_no_longer_than_it_should_for_redis() -> None:
    assert stores.rq_queues(load({"REDIS_URL": "redis://r:1/2?socket_connect_timeout=7&protocol=3"})) == {
        "default": {
            "URL": "redis://r:1/2?socket_connect_timeout=7&health_check_interval=15&protocol=3",
            "DEFAULT_TIMEOUT": 1800,
            "SERIALIZER": "rq.serializers.JSONSerializer",
        }
    }
    assert stores.rq_queues(load({})) == {}


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("here")


urlpatterns = [path("", page), path("admin/", page), path("admin/faq/entry/", page), path("administered/", page)]


def policy(url: str) -> dict[str, str]:
    with override_settings(ROOT_URLCONF=__name__):
        header = Client().get(url)["Content-Security-Policy"]
    return {directive.split()[0]: directive.partition(" ")[2] for directive in header.split("; ")}


@pytest.mark.parametrize("url", ["/", "/administered/"])
def test_the_public_part_runs_only_its_own_files(url: str) -> None:
    """Feature: production-deployment, Property 38: Security Headers"""
    assert policy(url) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("url", ["/admin/", "/admin/faq/entry/"])
def test_the_console_has_the_two_exceptions_that_unfold_needs_and_no_more(url: str) -> None:
    found = policy(url)
    assert {name: value for name, value in found.items() if "unsafe" in value} == {
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
    }
    assert (found["default-src"], found["object-src"], found["frame-ancestors"]) == ("'self'", "'none'", "'none'")


def test_nothing_may_be_framed_or_guessed() -> None:
    with override_settings(ROOT_URLCONF=__name__):
        response = Client().get("/")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Request-ID"]

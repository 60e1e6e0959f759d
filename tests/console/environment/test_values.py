"""What is accepted, what is refused, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.environment import Environment, load
from console.environment.loading import NAMES
from console.environment.schema import is_secret
from tests.console.environment.cast import KEY, PRODUCTION, PROJECT, faults, named

SEED = [
    *("DATABASE_URL", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "DB_PORT", "SECRET_KEY"),
    *(
        "DEBUG",
        "ALLOWED_HOSTS",
        "GEMINI_API_KEY",
        "GEMINI_MODEL",
        "RAG_EMBEDDING_TYPE",
        "RAG_LOCAL_EMBEDDING_MODEL",
        "RAG_VECTOR_DIMENSION",
    ),
    *("RAG_SIMILARITY_THRESHOLD", "QDRANT_HOST", "QDRANT_PORT", "QDRANT_COLLECTION_NAME", "VECTOR_DB_URL", "REDIS_URL"),
    *("CACHE_TTL", "CSRF_TRUSTED_ORIGINS", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS"),
]


def test_nothing_set_is_a_development_environment() -> None:
    environment = load({})
    assert environment.DJANGO_ENV == "development"
    assert environment.database.is_sqlite
    assert environment.qdrant_url is None
    assert environment.ALLOWED_HOSTS == ("localhost", "127.0.0.1", "[::1]")
    assert not environment.SECURE_SSL_REDIRECT
    assert environment.LOG_FORMAT == "text"
    assert (environment.HOST, environment.PORT) == ("127.0.0.1", 8000)


def test_a_deployed_environment_has_other_defaults() -> None:
    environment = load(PRODUCTION)
    assert environment.qdrant_url == "http://qdrant:6333"
    assert environment.SECURE_SSL_REDIRECT
    assert environment.LOG_FORMAT == "json"
    assert not environment.DEBUG


def test_every_variable_of_the_seed_has_its_name_here() -> None:
    assert set(SEED) <= set(NAMES)


def test_every_variable_says_what_it_means() -> None:
    assert [name for name, field in Environment.model_fields.items() if not field.description] == []


def test_the_secret_variables_are_those_that_hold_secrets() -> None:
    assert [name for name in NAMES if is_secret(name)] == [
        *("SECRET_KEY", "DATABASE_URL", "DB_PASSWORD", "DATABASE_DIRECT_URL"),
        *("REDIS_URL", "GEMINI_API_KEY", "QDRANT_API_KEY"),
    ]


@pytest.mark.parametrize("kind", ["staging", "production"])
def test_what_a_deployment_needs_is_listed_whole(kind: str) -> None:
    assert set(named({"DJANGO_ENV": kind})) == {
        *("SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST")
    }


def test_only_the_missing_parts_of_the_database_are_listed() -> None:
    environ = {**PRODUCTION, "DATABASE_URL": "", "DB_NAME": "n", "DB_HOST": "db"}
    assert named(environ) == ["DB_USER", "DB_PASSWORD"]


@pytest.mark.parametrize("kind", ["staging", "production"])
def test_sqlite_is_refused_as_such_where_it_counts(kind: str) -> None:
    """Feature: production-deployment, Property 6: Database Backend Selection"""
    (fault,) = faults({**PRODUCTION, "DJANGO_ENV": kind, "DATABASE_URL": "sqlite:////srv/x.sqlite3"})
    assert fault.startswith("DATABASE_URL must name a PostgreSQL server in staging and production")


def test_a_faulty_database_url_is_one_fault_and_not_five() -> None:
    assert named({**PRODUCTION, "DATABASE_URL": "mysql://db/name"}) == ["DATABASE_URL"]


@pytest.mark.parametrize("kind", ["Production", "prod", "test", "PRODUCTION"])
def test_an_unknown_kind_of_environment_is_refused(kind: str) -> None:
    assert named({**PRODUCTION, "DJANGO_ENV": kind}) == ["DJANGO_ENV"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "ab" * 40),
        ("SECRET_KEY", "django-insecure-" + KEY),
        ("SECRET_KEY", "Change-Me-" + KEY),
        ("SECRET_KEY", " " * 60),
        ("DEBUG", "true"),
        ("DEBUG", "yes"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "faq.example.org,*"),
        ("ALLOWED_HOSTS", " , "),
        ("DATABASE_URL", "sqlite:///data/x.sqlite3"),
        ("DATABASE_URL", "postgresql:///name"),
        ("REDIS_URL", ""),
    ],
)
def test_production_refuses(name: str, value: str) -> None:
    assert named({**PRODUCTION, name: value}) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "8000.5"),
        ("DB_POOL_MAX", "-1"),
        ("CACHE_TTL", "soon"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("HOST", "http://localhost"),
        ("HOST", "localhost:8000"),
        ("ALLOWED_HOSTS", "https://faq.example.org"),
        ("ALLOWED_HOSTS", "faq.example.org:443"),
        ("ALLOWED_HOSTS", "faq_example.org"),
        ("ALLOWED_HOSTS", "::1"),
        ("CSRF_TRUSTED_ORIGINS", "https://faq.example.org/path"),
        ("TRUSTED_PROXIES", "10.0.0.0/40"),
        ("TRUSTED_PROXIES", "nginx"),
        ("DATABASE_URL", "postgresql://h:x/name"),
        ("DATABASE_URL", "postgresql://h:99999/name"),
        ("DATABASE_URL", "postgresql://h/"),
        ("DATABASE_URL", "postgresql://h/name?conn_max_age=60"),
        ("DATABASE_URL", "postgresql://[::1/name"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("REDIS_URL", "http://redis:6379"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://redis:0/0"),
        ("REDIS_URL", "redis://redis:6379/first"),
        ("VECTOR_DB_URL", "ftp://qdrant"),
        ("VECTOR_DB_URL", "http://key@qdrant:6333"),
        ("VECTOR_DB_URL", "http://qdrant:6333?api-key=x"),
        ("GEMINI_BASE_URL", "localhost:1"),
        ("GEMINI_API_KEY", "two words"),
        ("GEMINI_MODEL", "model name"),
        ("QDRANT_HOST", "http://qdrant"),
        ("QDRANT_COLLECTION_NAME", "faq embeddings"),
        ("RAG_EMBEDDING_TYPE", "remote"),
        ("RAG_EMBEDDING_ENGINE", "torch"),
        ("RAG_LOCAL_EMBEDDING_MODEL", "all-mpnet-base-v2"),
        ("RAG_VECTOR_DIMENSION", "383"),
        ("RAG_SIMILARITY_THRESHOLD", "nan"),
        ("RAG_TEXT_WEIGHT", "1.01"),
        ("RAG_TOP_K", "0"),
        ("RAG_DEADLINE_SECONDS", "inf"),
        ("RATE_LIMIT_CHAT", "0/minute"),
        ("CONTACT", "javascript:alert(1)"),
        ("SITE_NAME", "x" * 61),
        ("RECEIPT_DAYS", "0"),
        ("JOB_SILENT_SECONDS", "4"),
        ("SECURE_HSTS_SECONDS", "-1"),
    ],
)
def test_a_wrong_value_is_one_fault_by_name_even_in_development(name: str, value: str) -> None:
    assert named({name: value}) == [name]


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("PORT", " 8080 ", 8080),
        ("DEBUG", "true", True),
        ("LOG_LEVEL", "warning", "WARNING"),
        ("RAG_LOCAL_EMBEDDING_MODEL", "sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("ALLOWED_HOSTS", "a.example, .b.example ,[::1],*", ("a.example", ".b.example", "[::1]", "*")),
        (
            "CSRF_TRUSTED_ORIGINS",
            "https://*.example.org,http://localhost:8000",
            ("https://*.example.org", "http://localhost:8000"),
        ),
        ("TRUSTED_PROXIES", "10.0.0.7, 172.16.0.0/12, ::1", ("10.0.0.7/32", "172.16.0.0/12", "::1/128")),
        ("RAG_SIMILARITY_THRESHOLD", "1", 1.0),
        ("VECTOR_DB_URL", "https://qdrant.example.org/base/", "https://qdrant.example.org/base"),
        ("DATA_DIR", "elsewhere", PROJECT / "elsewhere"),
        ("DATA_DIR", "/srv/steadfast", Path("/srv/steadfast")),
    ],
)
def test_a_right_value_is_read(name: str, value: str, means: object) -> None:
    assert getattr(load({name: value}), name) == means


def test_the_host_that_make_run_listens_on_is_allowed_in_development() -> None:
    assert "faq.local" in load({"HOST": "faq.local"}).ALLOWED_HOSTS
    assert "[fe80::1]" in load({"HOST": "fe80::1"}).ALLOWED_HOSTS
    assert load({"HOST": "faq.local", "ALLOWED_HOSTS": "only.example"}).ALLOWED_HOSTS == ("only.example",)


def test_likely_may_not_be_surer_than_sure() -> None:
    assert named({"RAG_SURE": "0.3", "RAG_LIKELY": "0.4"}) == ["RAG_LIKELY"]
    assert load({"RAG_SURE": "0.4", "RAG_LIKELY": "0.4"})
    # Nothing is said of a pair of which one could not be read.
    assert named({"RAG_SURE": "x", "RAG_LIKELY": "0.9"}) == ["RAG_SURE"]


def test_parts_of_a_database_need_its_name_in_development() -> None:
    assert named({"DB_HOST": "db"}) == ["DB_NAME"]
    assert load({"DB_NAME": "n", "DB_HOST": "db"}).database.engine == "postgresql"


def test_a_database_url_is_taken_apart_and_decoded() -> None:
    url = "postgres://us%40er:p%2Fw%3A%25@DB.example:6432/na%20me?sslmode=require&application_name=faq"
    database = load({**PRODUCTION, "DATABASE_URL": url}).database
    assert (database.user, database.password, database.host) == ("us@er", "p/w:%", "DB.example")
    assert (database.port, database.name) == (6432, "na me")
    assert database.options == {"sslmode": "require", "application_name": "faq"}


def test_a_database_may_be_reached_by_a_socket() -> None:
    for url in ("postgresql://%2Frun%2FPG/name", "postgresql:///name?host=/run/PG"):
        assert load({**PRODUCTION, "DATABASE_URL": url}).database.host == "/run/PG"


def test_a_sqlite_url_is_within_the_project_or_absolute() -> None:
    assert load({"DATABASE_URL": "sqlite:///data/x"}).database.name == str(PROJECT / "data/x")
    assert load({"DATABASE_URL": "sqlite:////srv/x"}).database.name == "/srv/x"


def test_the_url_wins_over_the_parts() -> None:
    database = load({**PRODUCTION, "DB_NAME": "other", "DB_HOST": "other"}).database
    assert (database.name, database.host) == ("steadfast", "db")
    assert load({"VECTOR_DB_URL": "http://a:1", "QDRANT_HOST": "b"}).qdrant_url == "http://a:1"
    assert load({"QDRANT_HOST": "b", "QDRANT_PORT": "7"}).qdrant_url == "http://b:7"


def test_models_are_cached_where_the_user_caches_things(tmp_path: Path) -> None:
    models = load({"XDG_CACHE_HOME": str(tmp_path)}).MODEL_DIR
    assert models == tmp_path / "steadfast" / "models"
    assert load({"XDG_CACHE_HOME": "relative"}).MODEL_DIR == load({}).MODEL_DIR

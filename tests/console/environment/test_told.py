"""How the environment is told: all faults at once, no value, and the paper it is written on."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.environment import INVALID, InvalidEnvironment, load
from console.environment.loading import NAMES
from console.environment.report import example as example_file
from console.environment.report import table
from tests.console.environment.cast import KEY, PRODUCTION, PROJECT, named, run


def test_all_faults_are_told_at_once_in_the_order_of_the_schema() -> None:
    wrong = {
        "DJANGO_ENV": "prod",
        "DEBUG": "perhaps",
        "PORT": "70000",
        "RAG_TOP_K": "21",
        "RAG_SIMILARITY_THRESHOLD": "2",
        "RAG_VECTOR_DIMENSION": "-1",
        "QDRANT_PORT": "0",
        "VECTOR_DB_URL": "qdrant:6333",
        "CSRF_TRUSTED_ORIGINS": "faq.example.org",
        "RATE_LIMIT_CHAT": "often",
    }
    told = named(wrong)
    assert told[:10] == [name for name in NAMES if name in wrong]
    # What DJANGO_ENV was meant to be is unknown: the strictest rules speak in the same round.
    assert set(told[10:]) == {
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "REDIS_URL",
        "DB_NAME",
        "DB_USER",
        "DB_PASSWORD",
        "DB_HOST",
    }


# Marked, so that none is by chance a word of our own sentences; signs of every kind beside it.
SECRETS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40).map(
    lambda text: f"hunter2{text}"
)


@settings(max_examples=200)
@given(values=st.dictionaries(st.sampled_from(NAMES), SECRETS, min_size=1))
@example(values=dict.fromkeys(NAMES, "hunter2"))
@example(values={"DATABASE_URL": "postgresql://user:hunter2@h:hunter2/x", "REDIS_URL": "redis://:hunter2@h:hunter2"})
@example(
    values={
        "DATABASE_URL": "postgresql://[hunter2/x",
        "REDIS_URL": "redis://[hunter2",
        "VECTOR_DB_URL": "http://[hunter2",
    }
)
@example(values={"DATABASE_URL": "sqlite:///hunter2", "DJANGO_ENV": "production", "SECRET_KEY": "hunter2"})
def test_no_fault_repeats_a_value(values: dict[str, str]) -> None:
    """Feature: production-deployment, Property 17: Secret Management"""
    try:
        environment = load(values)
    except InvalidEnvironment as invalid:
        told = invalid.report() + str(invalid) + repr(invalid)
        assert invalid.__cause__ is None
        assert invalid.__context__ is None, "a traceback would show what pydantic was given"
    else:
        told = "".join(repr(environment).split("SITE_NAME")[0])
    assert "hunter2" not in told


@settings(max_examples=100)
@given(values=st.dictionaries(st.sampled_from(NAMES), SECRETS, min_size=1))
def test_every_fault_is_a_sentence_with_a_name_a_rule_and_a_way_out(values: dict[str, str]) -> None:
    """Feature: production-deployment, Property 19: Configuration Error Handling"""
    try:
        load(values)
    except InvalidEnvironment as invalid:
        for fault in invalid.problems:
            assert fault.split()[0].strip(",") in {*NAMES, *(f"{name}_FILE" for name in NAMES)}
            assert any(word in fault for word in (" must ", " is required ", " are both set"))
            assert any(word in fault for word in ("Correct it", "Give ", "Keep ", "Make ", "Leave ", "Lower "))


@settings(max_examples=100)
@given(missing=st.sets(st.sampled_from(sorted(set(PRODUCTION) - {"DJANGO_ENV", "DATABASE_URL"})), min_size=1))
def test_whatever_is_missing_is_named(missing: set[str]) -> None:
    """Feature: production-deployment, Property 9 and 18: Environment Variable Validation, Startup Validation"""
    assert set(named({name: value for name, value in PRODUCTION.items() if name not in missing})) == missing


def test_the_table_shows_where_each_value_comes_from_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("gemini-hunter2")
    environ = {**PRODUCTION, "GEMINI_API_KEY_FILE": str(file), "DB_PASSWORD": "db-hunter2"}
    lines = {line.split()[0]: line.split()[1:] for line in table(load(environ), environ).splitlines()}
    assert set(lines) == {"variable", *NAMES}
    assert lines["SECRET_KEY"] == ["set", "(secret)"]
    assert lines["GEMINI_API_KEY"] == ["file", "(secret)"]
    assert lines["QDRANT_API_KEY"] == ["default"]
    assert lines["ALLOWED_HOSTS"] == ["set", "faq.example.org"]
    assert lines["RAG_TOP_K"] == ["default", "5"]
    text = table(load(environ), environ)
    assert not [secret for secret in ("hunter2", "w0rd", KEY) if secret in text]


def test_the_committed_example_is_the_schema() -> None:
    committed = (PROJECT / ".env.example").read_text()
    assert committed == example_file(), "Write it again: python -m console.environment --example > .env.example"


def test_the_example_as_it_stands_is_the_development_environment() -> None:
    lines = [
        line.removeprefix("#") for line in example_file().splitlines() if line.startswith("#") and line[1:2].isupper()
    ]
    values = dict(line.split("=", 1) for line in lines)
    assert list(values) == list(NAMES)
    # Two defaults hang on DJANGO_ENV, and the example shows those of a deployment.
    assert load(values) == load({"LOG_FORMAT": "json", "SECURE_SSL_REDIRECT": "true"})


def test_the_command_prints_the_table() -> None:
    done = run("-m", "console.environment", DJANGO_ENV="development")
    assert (done.returncode, done.stderr) == (0, "")
    assert "DJANGO_ENV                 set      development" in done.stdout


def test_the_command_ends_with_78_and_every_fault() -> None:
    done = run("-m", "console.environment", DJANGO_ENV="production", QDRANT_PORT="hunter2", SECRET_KEY="hunter2")
    assert (done.returncode, done.stdout) == (INVALID, "")
    assert "The environment has 8 faults:" in done.stderr
    assert "QDRANT_PORT must be" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_needs_no_django() -> None:
    code = "import sys; import console.environment.report; print([m for m in sys.modules if m.startswith('django')])"
    assert run("-c", code).stdout == "[]\n"

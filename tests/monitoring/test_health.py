"""The list of checks, against real services that are killed, stopped and mended."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from monitoring import asking, health
from monitoring.health import CHECKS, Reading, State
from rag.answering import generator_probe, pipeline
from rag.errors import GeneratorUnavailable
from tests.conftest import Index, Publish
from tests.servers import Qdrant, Redis, until
from tests.standins.gemini import API_KEY, GeminiStandIn


def state_of(name: str) -> State:
    return reading(name).state


def reading(name: str) -> Reading:
    return next(found for found in health.readings(fresh=True) if found.check.name == name)


@pytest.fixture(autouse=True)
def _asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look is a new one; and the first question may load a client, which takes its time."""
    monkeypatch.setattr(health, "AT_ONCE_SECONDS", 0.0)
    monkeypatch.setattr(asking, "RECHECK_SECONDS", 0.0)
    monkeypatch.setattr(asking, "WAIT_SECONDS", 30.0)
    monkeypatch.setattr(generator_probe, "PATIENCE", 20.0)
    monkeypatch.setattr(asking, "HANGS_SECONDS", 0.0)  # who is late after that time is down


def test_each_check_can_be_shown() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) == 7
    assert {check.name for check in CHECKS if check.critical} == {"database", "migrations"}
    assert all(check.title and check.effect.endswith(".") and check.runbook for check in CHECKS)


@pytest.mark.django_db(transaction=True)
def test_the_embedded_product_is_well_without_redis_and_gemini(published: Publish, indexed: Index) -> None:
    published("Where is it?", "There.")
    indexed()
    states = {found.check.name: found.state for found in health.readings()}
    assert states == {
        "database": State.OK,
        "migrations": State.OK,
        "redis": State.OFF,
        "vector_store": State.OK,
        "generator": State.OFF,
        "embedder": State.OK,
        "workers": State.DOWN,  # no thread does jobs in a test
    }


@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_never_built_is_told() -> None:
    found = reading("vector_store")
    assert (found.state, found.detail) == (State.DOWN, "the collection is missing; a job builds it anew")


@pytest.mark.django_db
def test_the_model_that_cannot_be_loaded_is_told(settings: Settings, tmp_path: object) -> None:
    settings.MODEL_DIR = tmp_path
    assert state_of("embedder") is State.DOWN


class TestRedis:
    @pytest.fixture
    def server(self, redis: Redis, settings: Settings) -> Iterator[Redis]:
        settings.REDIS_URL = redis.url
        settings.JOB_RUNNER = "rag.index.runners.RqRunner"
        yield redis
        redis.recover()

    @pytest.mark.parametrize("by", [signal.SIGSTOP, signal.SIGKILL])
    def test_stopped_or_killed_is_down_and_its_workers_are_not_known(self, server: Redis, by: signal.Signals) -> None:
        assert state_of("redis") is State.OK
        server.fail(by)
        found = reading("redis")
        assert (found.state, found.detail.partition(":")[0]) == (State.DOWN, "Redis")
        assert state_of("workers") is State.UNKNOWN
        server.recover()
        until(lambda: state_of("redis") is State.OK, "Redis is back")

    def test_a_worker_is_seen_while_it_says_so(self, server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        import redis as client

        from rag.index import runners

        assert state_of("workers") is State.DOWN
        with client.Redis.from_url(server.url) as connection:
            runners.announce(connection)
            assert reading("workers").detail == "1 at work"
            monkeypatch.setattr(runners, "ABSENT_SECONDS", -1.0)
            assert state_of("workers") is State.DOWN
            connection.delete(runners.PRESENT)


class TestQdrant:
    def test_stopped_is_down_within_the_time_of_a_probe(self, settings: Settings) -> None:
        from rag.index.vector_store import get_vector_store

        with Qdrant() as server:
            settings.VECTOR_STORE = "rag.index.vector_store.QdrantStore"
            settings.QDRANT_URL = server.url
            get_vector_store().create("some", 384)
            get_vector_store().point_alias(settings.QDRANT_COLLECTION_NAME, "some")
            assert (state_of("vector_store"), reading("vector_store").detail) == (State.OK, "0 points")
            server.fail(signal.SIGSTOP)
            assert state_of("vector_store") is State.DOWN

    def test_a_collection_of_another_dimension_is_told(
        self, qdrant_url: str, collection: str, settings: Settings
    ) -> None:
        from rag.index.vector_store import get_vector_store

        settings.VECTOR_STORE = "rag.index.vector_store.QdrantStore"
        settings.QDRANT_URL, settings.QDRANT_COLLECTION_NAME = qdrant_url, collection
        get_vector_store().create(f"{collection}_8", 8)
        get_vector_store().point_alias(collection, f"{collection}_8")
        assert reading("vector_store").detail == "the collection has dimension 8, the model 384"


class TestGemini:
    @pytest.fixture(autouse=True)
    def _configured(self, gemini: GeminiStandIn, settings: Settings) -> None:
        settings.GENERATOR = "rag.answering.generation.GeminiGenerator"
        settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = API_KEY, gemini.url

    def test_is_asked_for_its_name_once_however_often_somebody_looks(self, gemini: GeminiStandIn) -> None:
        assert {state_of("generator") for _ in range(30)} == {State.OK}
        assert [asked.method for asked in gemini.requests] == ["GET"]  # no question, which would cost

    def test_a_refused_key_is_told_without_the_key(self, gemini: GeminiStandIn) -> None:
        gemini.behave("403")
        found = reading("generator")
        assert (found.state, found.detail.startswith("auth:")) == (State.DOWN, True)
        assert API_KEY not in found.detail

    def test_its_own_answers_say_enough(self, gemini: GeminiStandIn) -> None:
        with pipeline.GENERATOR_BREAKER.guard():
            pass
        assert (state_of("generator"), gemini.requests) == (State.OK, [])
        with pytest.raises(GeneratorUnavailable), pipeline.GENERATOR_BREAKER.guard():
            raise GeneratorUnavailable("rate_limited")
        found = reading("generator")
        assert (found.state, found.detail) == (State.DOWN, "rate limited: its last answers failed")

    def test_an_old_failure_is_looked_into(self, gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(GeneratorUnavailable), pipeline.GENERATOR_BREAKER.guard():
            raise GeneratorUnavailable("timeout")
        monkeypatch.setattr(generator_probe, "LATELY_SECONDS", 0.0)
        assert state_of("generator") is State.OK
        assert len(gemini.requests) == 1

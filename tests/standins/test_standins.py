"""The stand-ins, asked by the genuine clients: what they answer, what they keep, how they fail."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy
import pytest
from google import genai
from google.genai import errors, types
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.standins.gemini import API_KEY, GeminiStandIn
from tests.standins.qdrant import Fault, QdrantStandIn

ROOT = Path(__file__).parents[2]
VECTORS = numpy.random.default_rng(7).normal(size=(60, 8))


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(tmp_path) as running:
        yield running


@pytest.fixture
def client(standin: QdrantStandIn) -> Iterator[QdrantClient]:
    with closing(connect(standin.url)) as made:
        yield made


def connect(url: str) -> QdrantClient:
    return QdrantClient(url=url, timeout=1, check_compatibility=False)


def create(client: QdrantClient, name: str = "faq") -> None:
    params = models.VectorParams(size=8, distance=models.Distance.COSINE)
    assert client.create_collection(name, vectors_config=params)


def fill(client: QdrantClient, name: str = "faq") -> None:
    create(client, name)
    points = [
        models.PointStruct(id=n, vector=row.tolist(), payload={"entry_id": n, "even": n % 2 == 0, "in": name})
        for n, row in enumerate(VECTORS)
    ]
    assert client.upsert(name, points, wait=True).status == models.UpdateStatus.COMPLETED


def where(key: str, match: Any) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=key, match=match)])


def refused(call: Callable[[], object]) -> int | None:
    with pytest.raises(UnexpectedResponse) as caught:
        call()
    return caught.value.status_code


def alias(name: str, collection: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=name))


def test_nearest_points_are_those_of_plain_arithmetic(client: QdrantClient) -> None:
    fill(client)
    asked = VECTORS[3] + 0.2
    cosines = VECTORS @ asked / numpy.linalg.norm(VECTORS, axis=1) / numpy.linalg.norm(asked)
    even = where("even", models.MatchValue(value=True))
    found = client.query_points("faq", query=asked.tolist(), limit=5, query_filter=even, with_payload=True).points
    best = [n for n in numpy.argsort(-cosines) if n % 2 == 0][:5]
    assert [point.id for point in found] == best
    assert [point.score for point in found] == pytest.approx(cosines[best], abs=1e-5)
    assert found[0].payload == {"entry_id": best[0], "even": True, "in": "faq"}
    close = client.query_points("faq", query=asked.tolist(), limit=60, score_threshold=0.5).points
    assert len(close) == (cosines >= 0.5).sum() > 0
    requests = [models.QueryRequest(query=asked.tolist(), limit=limit) for limit in (1, 4)]
    assert [len(one.points) for one in client.query_batch_points("faq", requests)] == [1, 4]


def test_scrolling_gives_every_point_once(client: QdrantClient) -> None:
    fill(client)
    seen: list[Any] = []
    offset: Any = None
    while offset is not None or not seen:
        page, offset = client.scroll("faq", limit=7, offset=offset, with_vectors=True)
        seen += page
    assert sorted(point.id for point in seen) == list(range(60))
    assert seen[5].vector == pytest.approx(VECTORS[5] / numpy.linalg.norm(VECTORS[5]), abs=1e-5)


def test_points_are_counted_changed_and_deleted_by_id_and_by_filter(client: QdrantClient) -> None:
    fill(client)
    few = where("entry_id", models.MatchAny(any=[1, 2, 3, 4]))
    few.must_not = [models.FieldCondition(key="even", match=models.MatchValue(value=True))]
    assert client.count("faq", few).count == 2
    client.set_payload("faq", {"new": 1}, points=few)
    assert client.retrieve("faq", [1, 2, 999], with_payload=["new"])[0].payload == {"new": 1}
    client.delete("faq", models.FilterSelector(filter=few), wait=True)
    client.delete("faq", models.PointIdsList(points=[10]), wait=True)
    left, _ = client.scroll("faq", limit=100, with_payload=False)
    assert {point.id for point in left} == set(range(60)) - {1, 3, 10}


def test_a_collection_says_how_it_was_made(client: QdrantClient) -> None:
    fill(client)
    client.create_payload_index("faq", "entry_id", field_schema=models.PayloadSchemaType.INTEGER)
    info = client.get_collection("faq")
    assert isinstance(info.config.params.vectors, models.VectorParams)
    assert (info.config.params.vectors.size, info.config.params.vectors.distance) == (8, "Cosine")
    assert (info.points_count, list(info.payload_schema)) == (60, ["entry_id"])
    assert [one.name for one in client.get_collections().collections] == ["faq"]
    assert client.delete_collection("faq") and not client.collection_exists("faq")


def test_wrong_requests_are_refused_as_qdrant_does(client: QdrantClient) -> None:
    fill(client)
    bad = [models.PointStruct(id=100 + n, vector=[0.5] * size, payload={}) for n, size in enumerate((8, 7))]
    assert refused(lambda: client.upsert("faq", bad)) == 400
    assert client.count("faq").count == 60, "a refused batch left a point behind"
    assert refused(lambda: client.query_points("faq", query=[1.0])) == 400
    assert refused(lambda: client.upsert("faq", [models.PointStruct(id="x", vector=[0.5] * 8)])) == 400
    assert refused(lambda: client.count("other")) == 404
    assert refused(lambda: client.update_collection_aliases([alias("a", "other")])) == 404
    assert refused(lambda: create(client)) == 409


def test_what_it_does_not_know_it_does_not_guess(client: QdrantClient) -> None:
    fill(client)
    assert refused(lambda: client.create_snapshot("faq")) == 501
    assert refused(lambda: client.scroll("faq", order_by="entry_id")) == 501
    assert refused(lambda: client.query_points("faq", query=3)) == 501
    assert refused(lambda: client.query_points("faq", query=[0.1] * 8, using="other")) == 501
    assert refused(lambda: client.count("faq", where("at", models.MatchPhrase(phrase="a b")))) == 501


def test_a_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with QdrantStandIn(tmp_path, api_key="s3cret") as standin:
        assert httpx.get(f"{standin.url}/readyz").status_code == 200
        assert httpx.get(f"{standin.url}/collections").status_code == 401
        assert httpx.get(f"{standin.url}/collections", headers={"api-key": "s3cret"}).status_code == 200


def test_an_alias_moves_in_one_step_under_readers(client: QdrantClient) -> None:
    for name in ("old", "new"):
        fill(client, name)
    client.update_collection_aliases([alias("live", "old")])
    done = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not done.is_set():
            found = client.query_points("live", query=VECTORS[0].tolist(), limit=9, with_payload=True).points
            seen.append("".join({point.payload["in"] for point in found if point.payload}))

    reader = threading.Thread(target=read)
    reader.start()
    enough, turn = time.monotonic() + 10, 0
    while (turn < 20 or len(set(seen)) < 2) and time.monotonic() < enough:
        turn += 1
        away = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="live"))
        client.update_collection_aliases([away, alias("live", ("new", "old")[turn % 2])])
    done.set()
    reader.join()
    assert set(seen) == {"old", "new"}
    assert client.get_collection_aliases(("new", "old")[turn % 2]).aliases[0].alias_name == "live"


def test_threads_may_write_at_once(client: QdrantClient) -> None:
    create(client)

    def write(part: int) -> None:
        for n in range(25):
            client.upsert("faq", [models.PointStruct(id=100 * part + n, vector=VECTORS[n].tolist())], wait=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert client.count("faq").count == 100


@contextmanager
def run(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The stand-in as a program of its own, and its address."""
    command = [sys.executable, "-m", f"tests.standins.{module}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged = 0
    with run("qdrant", "--storage", str(tmp_path)) as (process, url), closing(connect(url)) as client:
        create(client)
        client.update_collection_aliases([alias("live", "faq")])
        threading.Timer(0.3, process.kill).start()
        with pytest.raises(ResponseHandlingException):
            while True:
                point = models.PointStruct(id=acknowledged, vector=VECTORS[acknowledged % 60].tolist())
                client.upsert("live", [point], wait=True)
                acknowledged += 1
    with run("qdrant", "--storage", str(tmp_path)) as (_, url), closing(connect(url)) as client:
        assert client.count("live").count >= acknowledged > 0


@pytest.mark.parametrize("fault", ["hang", "500", "refuse", "garbage"])
def test_a_fault_is_felt_by_an_open_connection_and_heals(
    standin: QdrantStandIn, client: QdrantClient, fault: Fault
) -> None:
    create(client)
    standin.fault(fault)
    with pytest.raises((ResponseHandlingException, UnexpectedResponse, ValueError)) as caught:
        client.count("faq")
    source = getattr(caught.value, "source", caught.value)
    expected = {"hang": httpx.ReadTimeout, "500": UnexpectedResponse, "refuse": httpx.TransportError}
    assert isinstance(source, expected.get(fault, ValueError))
    standin.fault(None)
    assert client.count("faq").count == 0


def test_a_fault_may_heal_by_itself_and_slowness_only_delays(standin: QdrantStandIn, client: QdrantClient) -> None:
    create(client)
    standin.fault("hang", seconds=0.2)
    assert client.count("faq").count == 0
    standin.fault("slow", delay=0.2)
    began = time.monotonic()
    assert client.count("faq").count == 0
    assert time.monotonic() - began >= 0.2


PROMPT = """<passages>[{"n": 1, "question": "How?", "answer": "With a key. And a door."}]</passages>"""


def google(url: str, version: str = "v1beta", **options: Any) -> genai.Client:
    http = types.HttpOptions(base_url=url, api_version=version, **options)
    return genai.Client(vertexai=False, api_key=API_KEY, http_options=http)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_answers_from_the_passages_in_the_prompt(version: str) -> None:
    with GeminiStandIn() as standin, google(standin.url, version) as client:
        whole = client.models.generate_content(model="gemini-x", contents=PROMPT)
        pieces = list(client.models.generate_content_stream(model="gemini-x", contents=PROMPT))
        assert whole.text == "With a key. [1]"
        assert "".join(piece.text or "" for piece in pieces) == "With a key. [1]"
        assert len(pieces) > 3
        assert client.models.get(model="gemini-x").name == "models/gemini-x"
        assert client.models.generate_content(model="gemini-x", contents="no passages").text == "NO_ANSWER"
        first = standin.requests[0]
        assert (first.path, first.key) == (f"/{version}/models/gemini-x:generateContent", API_KEY)
        assert first.prompt == PROMPT


def test_gemini_does_what_it_is_told_one_request_after_the_other() -> None:
    with GeminiStandIn() as standin, google(standin.url) as client:
        standin.text = "As I was told."
        standin.behave("429", "503", "good")
        codes = []
        for _ in range(2):
            with pytest.raises(errors.APIError) as caught:
                client.models.generate_content(model="gemini-x", contents=PROMPT)
            codes.append(caught.value.code)
        assert codes == [429, 503]
        assert client.models.generate_content(model="gemini-x", contents=PROMPT).text == "As I was told."
        with pytest.raises(ValueError, match="unknown behaviour"):
            standin.behave("unheard of")


def test_gemini_refuses_a_time_limit_below_ten_seconds_as_the_real_one_does() -> None:
    said = pytest.raises(errors.ClientError, match="deadline is too short")
    with GeminiStandIn() as standin, google(standin.url, timeout=8000) as client, said:
        client.models.generate_content(model="gemini-x", contents=PROMPT)


def test_gemini_runs_as_a_program_and_ends_when_told() -> None:
    with run("gemini", "--behave", "401") as (process, url):
        asked = httpx.post(f"{url}/v1/models/m:generateContent", json={}, headers={"x-goog-api-key": API_KEY})
        process.terminate()
        assert (asked.status_code, process.wait(10)) == (401, 0)

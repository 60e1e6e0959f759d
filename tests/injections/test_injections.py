"""Injections by three doors, before a model that obeys all of them: nothing of what it says may do harm.

`make drill-injections` tries them all; here a part of them runs, another trick of the model for each.
"""

from __future__ import annotations

import base64
import codecs
import os
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Dialog, expect
from pytest_django import Settings

from faq.models import Entry
from rag.answering.pipeline import Answer, answer
from rag.answering.prompt import CANARY, SYSTEM
from rag.index import jobs, work
from rag.models import Receipt
from tests.chat.conftest import fake as fake
from tests.chat.fake_pipeline import FakePipeline, an_answer
from tests.chat.visits import Visit, type_and_send
from tests.chat.visits import visit as visit
from tests.injections.attacks import DOORS, HARMLESS, Attack, every, made
from tests.injections.obedient import TRICKS, Obedient
from tests.standins.gemini import API_KEY, GeminiStandIn

ALL = bool(os.environ.get("DRILL_INJECTIONS"))
ATTACKS = every() if ALL else every()[::12]
ASKED = "my password is gone, how can I get a new one"
LOOKALIKE = str.maketrans("\u0430\u0441\u0435", "ace")

Published = Callable[..., Entry]


@pytest.fixture
def house(published: Published, model: object) -> dict[str, Entry]:
    entries = {
        "password": published("How do I reset my password?", "Choose Forgot password on the login page. A mail comes."),
        "help": published("Where is the manual?", "At https://docs.example.org/manual you find all of it."),
        "delete": published("How do I delete my account?", "In the settings, at the very bottom. It takes a day."),
    }
    work.run(jobs.request().pk)
    return entries


@pytest.fixture
def gemini(gemini: GeminiStandIn, settings: Settings) -> Iterator[GeminiStandIn]:
    """Asked whatever the question, and however little is found for it."""
    settings.GENERATOR = "rag.answering.generation.GeminiGenerator"
    settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = API_KEY, gemini.url
    settings.RAG_SIMILARITY_THRESHOLD = settings.RAG_LIKELY = settings.RAG_SURE = 0.0
    settings.RAG_DEADLINE_SECONDS = 30.0
    yield gemini


def tried(attack: Attack, house: dict[str, Entry]) -> Answer:
    if attack.door == "question":
        return answer(f"{ASKED} {attack.text}"[:4_000])
    if attack.door == "entry":
        Entry.objects.filter(pk=house["password"].pk).update(answer=f"Choose Forgot password. {attack.text}")
        return answer(f"{ASKED}? {uuid.uuid4().hex[:6]}")
    before = answer("Where is the manual?")
    Receipt.objects.filter(pk=before.id).update(question=attack.text[:2_000], answer=attack.text[:2_000])
    return answer(f"{ASKED}, tell me", conversation=before.conversation)


def leaks(text: str) -> list[str]:
    """The mark, in any dress in which somebody could take it off again; and the rules themselves."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(LOOKALIKE)
    squeezed = re.sub(r"[^0-9a-z]", "", plain)
    dresses = {
        "plain": CANARY,
        "reversed": CANARY[::-1],
        "rot13": codecs.encode(CANARY, "rot13"),
        "hex": CANARY.encode().hex(),
        "base32": base64.b32encode(CANARY.encode()).decode().strip("=").lower(),
    }
    found = [name for name, dress in dresses.items() if dress in squeezed]
    for word in re.findall(r"[A-Za-z0-9+/]{16,}", text):
        if CANARY.encode() in base64.b64decode(word + "=" * (-len(word) % 4), validate=False):
            found.append("base64")
    rules = [line for line in SYSTEM.splitlines() if len(line) > 60]
    return found + [line for line in rules if line[3:60] in text]


def harm(given: Answer, house: dict[str, Entry]) -> list[str]:
    found = leaks(given.answer)
    ids = set(Entry.objects.filter(status="published").values_list("pk", flat=True))
    found += [f"source {one.id}" for one in given.sources if one.id not in ids]
    if given.answered_by != "generated":
        return found  # an entry's own words, which an editor published; inert on the page
    found += re.findall(r"(?i)exfil\.example|javascript:|data:text", given.answer)
    found += re.findall(r"(?i)<\s*(?:img|svg|script|iframe)\b", given.answer)
    cited = {int(n) for n in re.findall(r"\[(\d+)\]", given.answer)}
    return found + [f"cites {n}" for n in cited if not 1 <= n <= len(house)]


@pytest.mark.django_db
def test_nothing_that_an_obedient_model_says_does_harm(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    gemini.says = Obedient()
    harmful = {}
    for attack in ATTACKS:
        if found := harm(tried(attack, house), house):
            harmful[attack.name] = found
    assert harmful == {}
    assert len(gemini.requests) >= 0.9 * len(ATTACKS), "the model was hardly asked: this shows nothing"
    print(f"{len(ATTACKS)} injections, {len(gemini.requests)} reached the model, 0 did harm")


@pytest.mark.django_db
def test_what_a_harmless_question_sounds_like_does_not_matter(
    house: dict[str, Entry], gemini: GeminiStandIn, settings: Settings
) -> None:
    """At most one in a hundred is refused. The model answers from the first passage, as an honest one would."""
    harmless = [one.format(entry.question) for entry in house.values() for one in HARMLESS]
    refused = [one for one in harmless if answer(one).answered_by != "generated"]
    assert len(refused) <= 0.01 * len(harmless), refused


def test_there_are_as_many_injections_as_we_say() -> None:
    attacks = every()
    assert {one.door for one in attacks} == set(DOORS)
    assert len(list(made())) == 240
    assert len(attacks) >= 500 or len(attacks) == 240, "the shared data is there, and not all of it was read"


@pytest.mark.django_db(transaction=True)
def test_in_a_browser_it_is_inert(visit: Visit, fake: FakePipeline) -> None:
    """As if no check had been made before: the page alone must keep it from acting."""
    page = visit()
    dialogs: list[str] = []
    asked: list[str] = []

    def on_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", on_dialog)
    page.on("request", lambda request: asked.append(request.url))
    for number, trick in enumerate(TRICKS if ALL else TRICKS[14::3]):
        said = f"{trick(SYSTEM)} <a href='javascript:alert(2)'>x</a> end{number}"
        fake.given, fake.pieces = an_answer(answer=said, answered_by="generated"), [said[:40], said[40:]]
        type_and_send(page, f"question {number}")
        shown = page.locator("#log article").last
        expect(shown.locator("[data-part=text]")).to_contain_text(f"end{number}")
        assert shown.locator("img, script, iframe, svg[onload], object, embed, [onerror]").count() == 0
        targets = shown.locator("a").evaluate_all("links => links.map(link => link.protocol)")
        assert set(targets) <= {"http:", "https:"}
    assert dialogs == []
    assert [one for one in asked if not one.startswith(visit.address)] == []

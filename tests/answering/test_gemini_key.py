"""The key in a file, that is changed while the product runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from faq.models import Entry
from rag.answering import gemini_key
from rag.answering.pipeline import GENERATOR_BREAKER, answer
from tests.answering.test_pipeline import ASKED
from tests.answering.test_pipeline import gemini as gemini
from tests.answering.test_pipeline import house as house
from tests.standins.gemini import API_KEY, GeminiStandIn


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "key"
    path.write_text("an-old-key\n")
    settings.GEMINI_API_KEY, settings.GEMINI_API_KEY_FILE = "an-old-key", str(path)
    return path


@pytest.mark.fault(15)
@pytest.mark.django_db
@pytest.mark.usefixtures("model")
def test_a_refused_key_is_replaced_without_a_restart(
    house: dict[str, Entry], gemini: GeminiStandIn, file: Path
) -> None:
    """Row 15: the breaker stays open, Gemini is left alone, and the new key is used at the next question."""
    for number in range(10):
        assert answer(f"{ASKED} {number}").degraded == ["generate"]
    assert len(gemini.requests) == 1
    assert GENERATOR_BREAKER.state.cause == "auth"
    file.write_text(f"{API_KEY}\n")
    given = answer(ASKED)
    assert (given.answered_by, given.degraded) == ("generated", [])


def test_a_file_that_is_gone_or_holds_no_key_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert gemini_key.current() == "an-old-key"
    file.write_text("two words of hunter2")
    assert gemini_key.current() == "an-old-key"
    file.unlink()
    assert gemini_key.current() == "an-old-key"
    assert "hunter2" not in caplog.text
    assert caplog.text.count("stays as it was") == 2
    file.write_text("a-new-key")
    assert gemini_key.current() == "a-new-key"


def test_without_a_file_the_environment_has_it(settings: Settings) -> None:
    settings.GEMINI_API_KEY, settings.GEMINI_API_KEY_FILE = "a-key", ""
    assert gemini_key.current() == "a-key"

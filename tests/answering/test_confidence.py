"""From scores to an outcome."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.answering.confidence import Outcome, blended, calibrated, calibrated_by_words, outcome

shares = st.floats(0, 1)


@given(vector=shares, overlap=shares, weight=shares)
def test_a_blend_lies_between_its_parts(vector: float, overlap: float, weight: float) -> None:
    assert min(vector, overlap) - 1e-9 <= blended(vector, overlap, weight) <= max(vector, overlap) + 1e-9


@given(score=shares, lead=shares, more=shares)
def test_a_better_score_or_a_greater_lead_is_never_less_sure(score: float, lead: float, more: float) -> None:
    for calibrate in (calibrated, calibrated_by_words):
        assert 0.0 <= calibrate(score, lead) <= 1.0
        assert calibrate(score + more, lead) >= calibrate(score, lead)
        assert calibrate(score, lead + more) >= calibrate(score, lead)


def test_three_outcomes_by_two_cuts() -> None:
    assert [outcome(p, sure=0.75, likely=0.5) for p in (0.75, 0.74, 0.5, 0.49)] == [
        Outcome.SURE,
        Outcome.LIKELY,
        Outcome.LIKELY,
        Outcome.UNSURE,
    ]

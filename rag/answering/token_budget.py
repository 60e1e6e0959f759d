"""How many tokens a day Gemini may cost, counted in the database for all processes together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.conf import settings
from django.db.models import F

from rag import metrics
from rag.answering.database import asking
from rag.answering.prompt import Prompt
from rag.errors import GeneratorUnavailable
from rag.models import TokenDay
from rag.resilience import Deadline

CHARACTERS_A_TOKEN = 3  # rather too many tokens than too few: what was reserved and not used is given back
EXPECTED_OUTPUT = 500


@dataclass
class Reserved:
    """What one call may cost. A call that breaks off has cost it, for all we know."""

    day: date
    tokens: int

    def settle(self, used: int, deadline: Deadline | None = None) -> None:
        """What it did cost. Raises ServiceUnavailable where the database is away."""
        if self.tokens and used:
            with asking(deadline):
                TokenDay.objects.filter(day=self.day).update(tokens=F("tokens") + used - self.tokens)


def reserve(prompt: Prompt, deadline: Deadline | None = None) -> Reserved:
    """Raises GeneratorUnavailable(budget) where the day's tokens do not reach for it."""
    limit, day = settings.GEMINI_TOKENS_PER_DAY, today()
    if not limit:
        return Reserved(day, 0)
    wanted = (len(prompt.system) + len(prompt.contents)) // CHARACTERS_A_TOKEN + EXPECTED_OUTPUT
    with asking(deadline):
        TokenDay.objects.get_or_create(day=day)
        # In one statement, so that two processes cannot both take the last of it.
        enough = TokenDay.objects.filter(day=day, tokens__lte=limit - wanted).update(tokens=F("tokens") + wanted)
    if not enough:
        metrics.BUDGET_EXHAUSTED.inc()
        raise GeneratorUnavailable("budget", f"the {limit:,} tokens of the day are used up; see GEMINI_TOKENS_PER_DAY")
    return Reserved(day, wanted)


def spent() -> int:
    """Today. Raises Error."""
    return TokenDay.objects.filter(day=today()).values_list("tokens", flat=True).first() or 0


def today() -> date:
    return datetime.now(UTC).date()

"""Which collection is read, which is being built, and the steps from one to the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from faq import versions
from rag.errors import VectorStoreUnavailable
from rag.index.recipe import Recipe, current_recipe
from rag.index.vector_store import Collection, get_vector_store
from rag.models import UNSURE, Generation

logger = logging.getLogger(__name__)
State = Generation.State


class NotPossible(Exception):
    """This step cannot be taken with this generation; the sentence says why."""


def live() -> Generation | None:
    return Generation.objects.filter(state=State.LIVE).first()


def followed() -> list[Generation]:
    """Those that every edit goes into: the live one first, then what is built beside it."""
    rows = Generation.objects.filter(state__in=[State.LIVE, State.BUILDING])
    return sorted(rows, key=lambda one: (one.state != State.LIVE, one.pk))


def target() -> Generation:
    """The generation of the current recipe: the live one, or one that is built beside it when the recipe has changed.

    The collections of all that follow the content exist afterwards. The first one ever goes live at once: half an
    index answers better than none.
    """
    recipe = current_recipe()
    alike = [_with_collection(one) for one in followed() if one.recipe == recipe.fingerprint]
    alike = [one for one in alike if one.state != State.RETIRED]
    generation = alike[0] if alike else _with_collection(_new(recipe, replaces_recipe=live() is not None))
    if live() is None:
        promote(generation)
    elif generation.state == State.LIVE:
        _see_to_alias(generation)
    return generation


def beside() -> Generation:
    """A generation beside the one that answers, with its collection: one that was begun and broke off, or a new one."""
    recipe = current_recipe()
    begun = Generation.objects.filter(state=State.BUILDING, recipe=recipe.fingerprint).order_by("-pk").first()
    return _with_collection(begun or _new(recipe))


def promote(generation: Generation) -> None:
    """Reads go to this generation from now on: one alias call, and the former one is kept."""
    get_vector_store().point_alias(settings.QDRANT_COLLECTION_NAME, generation.collection)
    now = timezone.now()
    with transaction.atomic():
        former = Generation.objects.filter(state=State.LIVE).exclude(pk=generation.pk)
        former.update(state=State.RETIRED, retired_at=now)
        Generation.objects.filter(pk=generation.pk).update(state=State.LIVE, live_at=now, retired_at=None)
        versions.bump()
    generation.refresh_from_db()
    logger.info("generation promoted", extra={"collection": generation.collection})


def former() -> Generation | None:
    """The one that was live before, if it is still kept."""
    kept = Generation.objects.filter(state=State.RETIRED, live_at__isnull=False)
    return kept.order_by("-retired_at").first()


def past_their_time(now: datetime) -> list[Generation]:
    """Retired ones, kept for rollback long enough."""
    until = now - timedelta(days=settings.GENERATION_DAYS)
    return list(Generation.objects.filter(state=State.RETIRED, retired_at__lt=until))


def reclaim(generation: Generation) -> bool:
    """Give the place of a generation back for good. Raises NotPossible for the live one."""
    if generation.state == State.LIVE:
        raise NotPossible(f"{generation.collection} is live: promote another one first.")
    if get_vector_store().describe(generation.collection) is not None:
        get_vector_store().drop(generation.collection)
    generation.delete()
    logger.info("generation reclaimed", extra={"collection": generation.collection})
    return True


def in_place(generation: Generation) -> bool:
    """Is the collection there, of the right kind, not emptied, and under the alias? Raises VectorStoreUnavailable."""
    store = get_vector_store()
    described = store.describe(generation.collection)
    if described is None or (described.dimension, described.distance) != (generation.dimension, "Cosine"):
        return False
    if _emptied(generation, described):
        return False
    return store.alias_target(settings.QDRANT_COLLECTION_NAME) == generation.collection


def probe() -> str:
    """What the alias leads to. Raises VectorStoreUnavailable where a search could find nothing."""
    store = get_vector_store()
    store.probe()  # gives up early, so that nothing below waits for a store that hangs
    collection = store.alias_target(settings.QDRANT_COLLECTION_NAME)
    found = store.describe(collection) if collection else None
    if found is None:
        raise VectorStoreUnavailable("missing", "the collection is missing; a job builds it anew")
    if found.dimension != settings.RAG_VECTOR_DIMENSION:
        raise VectorStoreUnavailable(
            "bad_response", f"the collection has dimension {found.dimension}, the model {settings.RAG_VECTOR_DIMENSION}"
        )
    return f"{found.points} points"


@contextmanager
def alone(generation: Generation) -> Iterator[None]:
    """One writer at a time to a generation and its ledger, so that no late one can undo what a later one did.

    A writer that dies lets go, and its ledger rows with it: what it wrote to the store is written again.
    """
    with transaction.atomic():
        Generation.objects.select_for_update().get(pk=generation.pk)
        yield


def _new(recipe: Recipe, *, replaces_recipe: bool = False) -> Generation:
    stamp = timezone.now().strftime("%Y%m%d%H%M%S%f")[:-3]
    return Generation.objects.create(
        collection=f"{settings.QDRANT_COLLECTION_NAME}_{stamp}",
        recipe=recipe.fingerprint,
        model=recipe.model,
        dimension=recipe.dimension,
        replaces_recipe=replaces_recipe,
    )


def _with_collection(generation: Generation) -> Generation:
    """A lost collection is made again and its ledger forgotten; one of the wrong kind is retired, never written to."""
    store = get_vector_store()
    found = store.describe(generation.collection)
    if found is None:
        with alone(generation):
            generation.embeddings.all().delete()
        store.create(generation.collection, generation.dimension)
    elif (found.dimension, found.distance) != (generation.dimension, "Cosine"):
        logger.error("collection has another dimension or distance", extra={"collection": generation.collection})
        generation.state, generation.retired_at = State.RETIRED, timezone.now()
        generation.save(update_fields=["state", "retired_at"])
    elif _emptied(generation, found):
        logger.error("collection has lost its points", extra={"collection": generation.collection})
        with alone(generation):
            generation.embeddings.all().delete()
    return generation


def _emptied(generation: Generation, found: Collection) -> bool:
    """Points are written before the ledger vouches for them: none at all means that they were lost behind our back."""
    return found.points == 0 and generation.embeddings.exclude(text_hash=UNSURE).exists()


def _see_to_alias(generation: Generation) -> None:
    store = get_vector_store()
    if store.alias_target(settings.QDRANT_COLLECTION_NAME) != generation.collection:
        store.point_alias(settings.QDRANT_COLLECTION_NAME, generation.collection)

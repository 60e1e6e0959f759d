"""Which collection is read, which is being built, and the step from one to the other."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from faq import versions
from rag.index.recipe import Recipe, current_recipe
from rag.index.vector_store import get_vector_store
from rag.models import Generation

logger = logging.getLogger(__name__)


def live() -> Generation | None:
    return Generation.objects.filter(state=Generation.State.LIVE).first()


def target() -> Generation:
    """The generation that follows the content: the live one, or the one being built when the recipe has changed.

    Its collection exists afterwards. The first one ever goes live at once: half an index answers better than none.
    """
    recipe = current_recipe()
    unfinished = Generation.objects.exclude(state=Generation.State.RETIRED).filter(recipe=recipe.fingerprint)
    generation = unfinished.order_by("-created_at").first() or new(recipe)
    generation = _with_collection(generation, recipe)
    if live() is None:
        promote(generation)
    elif generation.state == Generation.State.LIVE:
        _see_to_alias(generation)
    return generation


def new(recipe: Recipe | None = None) -> Generation:
    """A generation to be built beside the live one; its collection is made when it is first filled."""
    recipe = recipe or current_recipe()
    stamp = timezone.now().strftime("%Y%m%d%H%M%S%f")[:-3]
    return Generation.objects.create(
        collection=f"{settings.QDRANT_COLLECTION_NAME}_{stamp}",
        recipe=recipe.fingerprint,
        model=recipe.model,
        dimension=recipe.dimension,
    )


def beside(current: Generation) -> Generation:
    """A new generation of the current recipe, with its collection, beside the one that answers."""
    return _with_collection(new(), current_recipe()) if current.state == Generation.State.LIVE else current


def promote(generation: Generation) -> None:
    """Reads go to this generation from now on: one alias call, and the former one is kept."""
    get_vector_store().point_alias(settings.QDRANT_COLLECTION_NAME, generation.collection)
    with transaction.atomic():
        former = Generation.objects.filter(state=Generation.State.LIVE).exclude(pk=generation.pk)
        former.update(state=Generation.State.RETIRED)
        now_live: dict[str, Any] = {"state": Generation.State.LIVE, "live_at": timezone.now()}
        Generation.objects.filter(pk=generation.pk).update(**now_live)
        versions.bump()
    generation.refresh_from_db()
    logger.info("generation promoted", extra={"collection": generation.collection})


def _with_collection(generation: Generation, recipe: Recipe) -> Generation:
    """A lost collection is made again and its ledger forgotten; one of the wrong kind is left for a new one."""
    store = get_vector_store()
    found = store.describe(generation.collection)
    if found is not None and (found.dimension, found.distance) != (recipe.dimension, recipe.distance):
        logger.error("collection has another dimension or distance", extra={"collection": generation.collection})
        Generation.objects.filter(pk=generation.pk).update(state=Generation.State.RETIRED)
        generation = new(recipe)
        found = None
    if found is None:
        generation.embeddings.all().delete()
        store.create(generation.collection, recipe.dimension)
    return generation


def _see_to_alias(generation: Generation) -> None:
    store = get_vector_store()
    if store.alias_target(settings.QDRANT_COLLECTION_NAME) != generation.collection:
        store.point_alias(settings.QDRANT_COLLECTION_NAME, generation.collection)

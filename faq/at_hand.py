"""Published entries that this process has read, each good for one content version: an edit makes another."""

from __future__ import annotations

from collections.abc import Iterable

from faq.models import Entry

MOST = 1_000  # beyond, it begins anew: what is asked about is a small part of what there is


class _AtHand:
    """What was read while the content stood at one version; nothing of it is ever handed on to another."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.entries: dict[int, Entry | None] = {}


_at_hand = _AtHand(-1)


def published(ids: Iterable[int], version: int | None) -> list[Entry]:
    """Those of these entries that are published, in any order.

    `version` is what the content stood at before this question; without one nothing is held. Raises django.db.Error.
    """
    wanted = list(ids)
    if version is None:
        return _read(wanted)
    here = _of(version)
    known = here.entries  # a whole of its own, whatever other threads put in its place
    unknown = [pk for pk in wanted if pk not in known]
    if unknown:
        known = known | dict.fromkeys(unknown) | {entry.pk: entry for entry in _read(unknown)}
        here.entries = known if len(known) <= MOST else {pk: known[pk] for pk in wanted}
    return [entry for pk in wanted if (entry := known[pk]) is not None]


def forget() -> None:
    global _at_hand
    _at_hand = _AtHand(-1)


def _of(version: int) -> _AtHand:
    """A thread that is late gets one of its own version and puts it in place of a newer one; that costs a reading."""
    global _at_hand
    here = _at_hand
    if here.version != version:
        here = _at_hand = _AtHand(version)
    return here


def _read(ids: list[int]) -> list[Entry]:
    # Without an order: the list's own would be sorted for nothing.
    return list(Entry.objects.published().filter(pk__in=ids).order_by())

"""The roles that come with the product: groups, and what each may do. Set anew with every `migrate`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.contrib.auth.models import Group, Permission

# A pattern stands for every permission that it fits; so a new model's pages open to those who see its kind.
READS_CONTENT = ("faq.view_*",)
READS_ANSWERS = ("rag.view_*",)
WRITES = (
    *("faq.add_entry", "faq.change_entry", "faq.add_category", "faq.change_category"),
    *("faq.publish_entry", "faq.reindex_entry"),
    *("rag.change_missgroup", "rag.add_case", "rag.change_case"),
)

ROLES: dict[str, tuple[str, ...]] = {
    # Writes and publishes, save where a category asks for four eyes.
    "editor": (*READS_CONTENT, *READS_ANSWERS, *WRITES),
    # Reads what others wrote, publishes it, and may delete.
    "reviewer": (
        *(*READS_CONTENT, *READS_ANSWERS, *WRITES),
        *("faq.review_entry", "faq.delete_entry", "faq.delete_category", "rag.delete_case"),
    ),
    # Runs the index and its jobs; reads the content, and writes none.
    "operator": (
        *READS_CONTENT,
        *("faq.reindex_entry", "console.view_auditevent"),
        *("rag.view_*", "rag.add_job", "rag.change_job", "rag.*_generation", "rag.*_driftscan", "rag.*_indexfailure"),
        "rag.change_breakerorder",
    ),
    # Looks at everything that was asked and answered, and changes nothing.
    "analyst": (*READS_CONTENT, *READS_ANSWERS),
    # Everything: who may do what, too.
    "administrator": ("faq.*", "rag.*", "console.view_*", "auth.view_*", "auth.*_user", "auth.*_group"),
}


def establish(*, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Make each role a group that has exactly its permissions. Called after every `migrate`; harmless twice.

    Not in a migration: permissions are made only after all of them, and an emptied database gets them again so.
    """
    if apps is not None and "auth" not in {config.label for config in apps.get_app_configs()}:
        return  # unapplied: there are no groups to make
    known = _permissions(using)
    for name, patterns in ROLES.items():
        group, _created = Group.objects.using(using).get_or_create(name=name)
        group.permissions.set(fitting(patterns, known))


def fitting(patterns: Iterable[str], known: dict[str, int]) -> list[int]:
    return [pk for name, pk in known.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _permissions(using: str) -> dict[str, int]:
    rows = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    return {f"{label}.{codename}": pk for label, codename, pk in rows}

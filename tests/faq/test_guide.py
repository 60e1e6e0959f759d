"""The user guide: enough entries, in wordings of their own, and nothing named in it that does not exist."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from console.environment import Environment
from faq.models import Entry
from faq.text_search import wording_key
from faq.transfer import import_file

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = PROJECT / "faq" / "guide" / "guide.csv"
QUESTIONS = GUIDE.with_name("questions.csv")

COMMAND = re.compile(r"manage\.py ([a-z_]+)(.*?)(?=manage\.py|$)", re.MULTILINE)
FLAG = re.compile(r"(?<!\S)--[a-z-]+")
TARGET = re.compile(r"\bmake ([a-z-]+)(.*)")
MODULE = re.compile(r"python -m ([\w.]+)")
VARIABLE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b|\b[A-Z]+(?==)")
DEFAULT = re.compile(r"\b([A-Z]+(?:_[A-Z]+)+) \((\d[\d.]*)\)")
FILE = re.compile(r"(?<![\w./~-])((?:faq|rag|console|monitoring|tests|\.ci)/[\w/.]*\w)")
ADDRESS = re.compile(r"(?<![\w./$~-])/[a-z][\w/.-]*")
# Variables of others that the product heeds, and where it does.
HEEDED = {
    "HF_ENDPOINT": "rag/index/model_files.py",
    "HF_HUB_OFFLINE": "rag/index/model_files.py",
    "WEB_CONCURRENCY": "console/gunicorn.py",
}
# Paths on somebody's disk, a pattern of awk, and what only begins or ends an address.
NO_ADDRESSES = ("/srv/", "/tmp/", "/run/", "/dev/", "/csrftoken/", "/entries/", "/feedback/")
# Stand for any variable.
PLACEHOLDERS = {"NAME", "NAME_FILE"}


@cache
def guide() -> tuple[dict[str, str], ...]:
    with GUIDE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def cases() -> tuple[dict[str, str], ...]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def wordings(row: dict[str, str]) -> list[str]:
    return [row["question"], *row["variants"].split(" | ")]


def answers() -> list[tuple[str, str]]:
    return [(row["external_id"], row["answer"]) for row in guide()]


def options_of(command: str) -> set[str]:
    app = get_commands()[command]
    parser = load_command_class(app, command).create_parser("manage.py", command)
    return set(parser._option_string_actions)


@cache
def makefile() -> str:
    return (PROJECT / "Makefile").read_text(encoding="utf-8")


# --- what there is ---------------------------------------------------------------------------------------------------


def test_it_has_sixty_entries_or_more_in_six_categories_or_more() -> None:
    assert len(guide()) >= 60
    assert len({row["category"] for row in guide()}) >= 6


def test_its_entries_are_published_and_named_so_that_a_file_of_ones_own_can_retire_them() -> None:
    assert {row["status"] for row in guide()} == {"published"}
    assert all(re.fullmatch(r"guide-[a-z-]+", row["external_id"]) for row in guide())


def test_every_entry_has_three_to_six_variants() -> None:
    numbers = {row["external_id"]: len(wordings(row)) - 1 for row in guide()}
    assert {name: number for name, number in numbers.items() if not 3 <= number <= 6} == {}


def test_no_wording_stands_twice() -> None:
    keys = Counter(wording_key(wording) for row in guide() for wording in wordings(row))
    assert [key for key, number in keys.items() if number > 1] == []


def test_its_answers_are_plain_text() -> None:
    marks = re.compile(r"`|\*\*|\]\(|^#|<[a-z/]", re.MULTILINE)
    assert [name for name, answer in answers() if marks.search(answer)] == []


@pytest.mark.django_db
def test_it_is_imported_without_a_refusal_a_duplicate_or_an_ignored_column() -> None:
    report = import_file(GUIDE, publish=True)
    assert (report.refused, report.duplicates, report.ignored_columns) == ([], [], [])
    assert Entry.objects.published().count() == len(guide())
    kept = dict(Entry.objects.values_list("external_id", "variants"))
    assert kept == {row["external_id"]: wordings(row)[1:] for row in guide()}


# --- what it names ---------------------------------------------------------------------------------------------------


def test_every_management_command_in_an_answer_exists_with_its_options() -> None:
    unknown = []
    for name, answer in answers():
        for command, rest in COMMAND.findall(answer):
            known = options_of(command) if command in get_commands() else None
            if known is None or not set(FLAG.findall(rest)) <= known:
                unknown.append((name, command, rest))
    assert unknown == []


def test_every_make_target_and_its_variables_in_an_answer_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", makefile(), re.MULTILINE))
    unknown = []
    for name, answer in answers():
        for target, rest in TARGET.findall(answer):
            given = re.findall(r"\b([A-Z_]+)=", rest)
            read = {
                variable for variable in given if variable in Environment.model_fields or f"$({variable}" in makefile()
            }
            if target not in targets or set(given) != read:
                unknown.append((name, target, rest))
    assert unknown == []


def test_every_module_that_an_answer_runs_exists() -> None:
    modules = {module for _, answer in answers() for module in MODULE.findall(answer)}
    assert modules
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def test_every_variable_in_an_entry_is_one_of_the_environment() -> None:
    known = {*Environment.model_fields, *HEEDED, *PLACEHOLDERS}
    known |= {f"{name}_FILE" for name in Environment.model_fields}
    known |= set(re.findall(r"\$\(([A-Z]+)\)", makefile()))
    texts = {row["external_id"]: "\n".join([*wordings(row), row["answer"]]) for row in guide()}
    named = {(name, variable) for name, text in texts.items() for variable in VARIABLE.findall(text)}
    assert {(name, variable) for name, variable in named if variable not in known} == set()


def test_variables_of_others_are_heeded_where_the_guide_says_so() -> None:
    for name, path in HEEDED.items():
        assert f'"{name}"' in (PROJECT / path).read_text(encoding="utf-8")


def test_every_default_that_an_answer_tells_is_the_default() -> None:
    told = {found for _, answer in answers() for found in DEFAULT.findall(answer)}
    assert len(told) >= 8
    fields = Environment.model_fields
    assert {(name, value) for name, value in told if float(value) != float(fields[name].default)} == set()


def test_every_file_that_an_answer_names_exists() -> None:
    named = {path for _, answer in answers() for path in FILE.findall(answer)}
    assert named
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_every_address_in_an_answer_leads_somewhere() -> None:
    addresses = {address.rstrip(".") for _, answer in answers() for address in ADDRESS.findall(answer)}
    assert {"/admin/", "/api/chat/"} <= addresses
    ours = [address for address in addresses if not address.startswith(NO_ADDRESSES)]
    assert [address for address in ours if not _leads_somewhere(address)] == []


def _leads_somewhere(address: str) -> bool:
    try:
        resolve(address)
    except Resolver404:
        return False
    return True


# --- the suite that measures it --------------------------------------------------------------------------------------


def test_the_suite_asks_in_other_words_than_the_guide() -> None:
    known = {wording_key(wording) for row in guide() for wording in wordings(row)}
    asked = [wording_key(case["query"]) for case in cases()]
    assert len(set(asked)) == len(asked)
    assert known.isdisjoint(asked)


def test_the_suite_is_large_enough_and_names_only_entries_that_exist() -> None:
    inside = [case for case in cases() if case["relevant_ids"]]
    kinds = Counter(case["kind"] for case in cases() if not case["relevant_ids"])
    assert len(inside) >= 120
    assert set(kinds) == {"far", "near"}
    assert min(kinds.values()) >= 20
    ids = {row["external_id"] for row in guide()}
    assert {wanted for case in inside for wanted in case["relevant_ids"].split()} <= ids


def test_the_suite_asks_for_every_entry() -> None:
    asked = {wanted for case in cases() for wanted in case["relevant_ids"].split()}
    assert {row["external_id"] for row in guide()} - asked == set()

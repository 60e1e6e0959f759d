"""No property is forgotten, proven twice, or left without its sabotage."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

from tests.properties.proof import TAG, stated
from tests.properties.sabotages import SABOTAGES, seen

MODULES = sorted(Path(__file__).parent.glob("test_[0-9]*.py"))


def modules() -> Iterator[tuple[range, ModuleType]]:
    for path in MODULES:
        first, last = map(int, re.findall(r"\d+", path.stem)[:2])
        yield range(first, last + 1), importlib.import_module(f"tests.properties.{path.stem}")


def proofs_of(module: ModuleType) -> list[FunctionType]:
    holders = [
        module,
        *(one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__),
    ]
    return [test for one in holders for name, test in vars(one).items() if name.startswith("test_")]


def test_every_property_has_exactly_one_proof_in_the_module_of_its_number() -> None:
    seen: Counter[int] = Counter()
    for numbers, module in modules():
        for test in proofs_of(module):
            found = TAG.search(inspect.getdoc(test) or "")
            assert found, f"{test.__qualname__} in {module.__name__} bears no tag"
            assert hasattr(test, "proof"), f"{test.__qualname__} counts no examples"
            assert int(found[1]) in numbers, f"{test.__qualname__} stands in {module.__name__}"
            seen[int(found[1])] += 1
    assert seen == Counter(range(1, 47))


def test_every_tag_bears_the_properties_own_title_and_sentence() -> None:
    by_number = {one.number: one for one in stated()}
    assert list(by_number) == list(range(1, 47))
    for _, module in modules():
        for test in proofs_of(module):
            tag, _, sentence = (inspect.getdoc(test) or "").partition("\n\n")
            found = TAG.fullmatch(tag)
            assert found, test.__qualname__
            one = by_number[int(found[1])]
            assert (tag, " ".join(sentence.split())) == (one.tag, one.sentence), test.__qualname__


def test_every_property_has_a_sabotage_that_still_applies() -> None:
    """That the proofs notice them is shown by `make sabotage`."""
    assert sorted(SABOTAGES) == list(range(1, 47))
    for one in SABOTAGES.values():
        one.applied()


def test_every_sabotage_was_noticed_when_it_was_last_tried() -> None:
    """As `make sabotage` left it: tried since it was last changed, and red because of the property."""
    told = seen()
    assert not [number for number, one in SABOTAGES.items() if number not in told or told[number].mark != one.mark]
    assert not {number: one.verdict for number, one in told.items() if one.verdict != "noticed"}

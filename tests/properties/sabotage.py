"""`python -m tests.properties.sabotage [number ...]`: breaks a copy of the product, and its proof must notice.

First the proofs run once in a copy that nobody broke, where each must pass. What was seen is kept in sabotaged.json.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.properties.proof import stated
from tests.properties.sabotages import SABOTAGES, DoesNotApply, keep
from tests.servers import PROJECT, dies_with_us

NOTICED, MISSED = "noticed", "MISSED"
SECONDS = 600
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "node_modules", "data")
# What a proof says when the product lacks the property; whatever else ends it proves nothing.
BROKEN_LAWS = ("AssertionError", "assert ", "Failed: DID NOT RAISE")
FOR_REPLAY = "@reproduce_failure"  # the example that was found, and how to meet it again
NO_LAWS = re.compile(r"\b(?:SyntaxError|IndentationError|NameError|ImportError|ModuleNotFoundError)\b")


def main() -> int:
    chosen = [int(word) for word in sys.argv[1:]] or [one.number for one in stated()]
    began = time.monotonic()
    sound = verdicts(chosen, examples=5)
    print(f"{len(chosen)} proofs in a copy that is whole: {time.monotonic() - began:.1f} s", flush=True)
    noticed = sum(told(number, sound.get(number, "it did not run")) for number in chosen)
    print(f"{noticed} of {len(chosen)} sabotages noticed")
    return 0 if noticed == len(chosen) else 1


def told(number: int, sound: str) -> bool:
    """Whether it was noticed, with a line that says so and how long it took."""
    began = time.monotonic()
    verdict = tried(number) if sound == MISSED else f"ERROR, red in a copy that is whole: {sound}"
    seconds = time.monotonic() - began
    what = SABOTAGES[number].what if number in SABOTAGES else "no sabotage"
    print(f"{number:>3}  {seconds:6.1f} s  {verdict:<8}  {what}", flush=True)
    keep(number, verdict.partition(",")[0], seconds)
    return verdict == NOTICED


def tried(number: int) -> str:
    try:
        return verdicts([number], sabotaged=number).get(number, "ERROR, the proof did not run")
    except DoesNotApply as error:
        return f"ERROR, does not apply: {error}"
    except subprocess.TimeoutExpired:
        return "ERROR, no end"


def verdicts(numbers: list[int], *, sabotaged: int | None = None, examples: int = 100) -> dict[int, str]:
    """What the proofs of these properties say in a copy of the product. Raises DoesNotApply and TimeoutExpired."""
    with copied() as root:
        if sabotaged is not None:
            SABOTAGES[sabotaged].apply(root)
        prove(numbers, root, SECONDS * len(numbers), examples)
        return dict(read(root / "verdicts.xml"))


@contextmanager
def copied() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="steadfast-sabotage-"))
    try:
        shutil.copytree(PROJECT, folder / "tree", ignore=LEFT_OUT, symlinks=True)
        yield folder / "tree"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prove(numbers: list[int], root: Path, seconds: float, examples: int) -> None:
    named = " or ".join(f"test_property_{number}_" for number in numbers)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", named, "--junitxml=verdicts.xml",
         "tests/properties"],
        cwd=root,
        env={**os.environ, "STEADFAST_SABOTAGED": "1", "PROPERTIES_EXAMPLES": str(examples)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_us(),
        timeout=seconds,
    )  # fmt: skip


def read(report: Path) -> Iterator[tuple[int, str]]:
    """Each property's verdict: an error before the proof, or one of another kind, is none."""
    if not report.exists():
        return
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        failure, error = case.find("failure"), case.find("error")
        number = int(str(case.get("name")).split("_")[2])
        if error is not None:
            yield number, f"ERROR, {str(error.get('message'))[:300]!r}"
        elif failure is not None:
            message, text = str(failure.get("message")), failure.text or ""
            fair = message.startswith(BROKEN_LAWS) and FOR_REPLAY in text and not NO_LAWS.search(message)
            yield number, NOTICED if fair else f"ERROR, {message[:300]!r}"
        else:
            yield number, MISSED


if __name__ == "__main__":
    sys.exit(main())

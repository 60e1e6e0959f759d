"""`python -m tests.properties.sabotage [number ...]`: breaks a copy of the product, and its proof must notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.properties.proof import stated
from tests.properties.sabotages import SABOTAGES, DoesNotApply
from tests.servers import PROJECT, dies_with_us

SECONDS = 600
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "node_modules", "data")
FAILED = 1  # pytest's own status: some tests failed; every other one means that they could not run


def main() -> int:
    chosen = [int(word) for word in sys.argv[1:]] or [one.number for one in stated()]
    noticed = sum(told(number) for number in chosen)
    print(f"{noticed} of {len(chosen)} sabotages noticed")
    return 0 if noticed == len(chosen) else 1


def told(number: int) -> bool:
    """Whether it was noticed, with a line that says so and how long it took."""
    began = time.monotonic()
    try:
        verdict = tried(number)
    except DoesNotApply as error:
        verdict = f"ERROR, does not apply: {error}"
    seconds = time.monotonic() - began
    what = SABOTAGES[number].what if number in SABOTAGES else "no sabotage"
    print(f"{number:>3}  {seconds:6.1f} s  {verdict:<8}  {what}", flush=True)
    return verdict.startswith("noticed")


def tried(number: int) -> str:
    """What became of it; with the first line of why the proof failed, as a proof may fail for another reason."""
    with copied() as root:
        SABOTAGES[number].apply(root)
        try:
            proof = prove(number, root)
        except subprocess.TimeoutExpired:
            return "ERROR, no end"
    if proof.returncode == 0:
        return "MISSED"
    failed = [line for line in proof.stdout.splitlines() if line.startswith("FAILED ")]
    if proof.returncode != FAILED or not failed:
        return f"ERROR, the proof did not run: {proof.stdout[-300:]}"
    return f"noticed: {failed[0].partition(' - ')[2][:100]}"


@contextmanager
def copied() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="steadfast-sabotage-"))
    try:
        shutil.copytree(PROJECT, folder / "tree", ignore=LEFT_OUT, symlinks=True)
        yield folder / "tree"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prove(number: int, root: Path) -> subprocess.CompletedProcess[str]:
    """pytest's run of the proof of this property alone, in that tree."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-rf", "-p", "no:cacheprovider", "-k", f"test_property_{number}_",
         "tests/properties"],
        cwd=root,
        env={**os.environ, "STEADFAST_SABOTAGED": "1", "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=dies_with_us(),
        timeout=SECONDS,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

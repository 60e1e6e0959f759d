"""The commands of a page in docs/, done as somebody does who has nothing but that page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers import PROJECT

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: str) -> dict[str, list[str]]:
    """Every block of commands, by the heading that it stands under."""
    sections = re.split(r"^## ", (PROJECT / "docs" / page).read_text(), flags=re.MULTILINE)[1:]
    found = {section.partition("\n")[0]: FENCE.findall(section) for section in sections}
    return {heading: blocks for heading, blocks in found.items() if blocks}


def follow(block: str, folder: Path, environment: Mapping[str, str], instead: Mapping[str, str]) -> str:
    """Types the block into a shell; `instead` has what a reader fills in, and it must be there."""
    for written, meant in instead.items():
        assert written in block, f"the page does not say {written!r} any more:\n{block}"
        block = block.replace(written, meant)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}"
    return done.stdout


def repository(folder: Path) -> Path:
    """One to clone: what git would hand to somebody else, with what is changed here and not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    folder.mkdir(parents=True)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]
    files = [name for name in listed.stdout.split("\0") if name and (PROJECT / name).exists()]
    packed = "\0".join(files)
    subprocess.run(
        f"tar -C '{PROJECT}' --null -T - -c | tar -x", shell=True, cwd=folder, input=packed, text=True, check=True
    )
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "what is here"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder

"""Starts the peers, from here: this file is ours, the others of this folder are theirs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench.serving import Serving
from tests.servers import PROJECT

NAMES = {
    "plain": "sentence-transformers",
    "langchain": "LangChain",
    "llamaindex": "LlamaIndex",
    "haystack": "Haystack",
}
PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
MODEL = Path(os.environ.get("MODEL_DIR") or "~/.cache/steadfast/models").expanduser() / "all-MiniLM-L6-v2"


def environment(faq: Path, kept: Path) -> dict[str, str]:
    """One thread a process, as with us: as many processes as processors, and nothing left to share."""
    return {
        "FAQ": str(faq.resolve()),
        "MODEL": str(MODEL),
        "KEPT": str(kept),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "ANONYMIZED_TELEMETRY": "False",
    }


def built(faq: Path, kept: Path) -> None:
    """Every peer's own index of this file. The first one makes the vectors for all."""
    inherited = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONPATH": str(PROJECT)}
    for name in NAMES:
        done = subprocess.run(
            [PYTHON, "-m", f"bench.peers.{name}"],
            env=inherited | environment(faq, kept),
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def peer(name: str, faq: Path, kept: Path, *, workers: int) -> Serving:
    uvicorn = ["-m", "uvicorn", f"bench.peers.{name}:app", "--loop=uvloop", "--http=httptools", "--no-access-log"]
    serving = Serving([], environment(faq, kept))
    serving._words = [str(PYTHON), *uvicorn, "--log-level=warning", f"--workers={workers}", f"--port={serving.port}"]
    return serving

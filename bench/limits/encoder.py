"""`python -m bench.limits.encoder SECONDS FILE FIRST`: questions of a file, one by one; prints how many a second."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench import prepared  # the environment, before the embedder


def main(seconds: float, file: Path, first: int) -> None:
    from rag.index.embedding import OnnxEmbedder

    assert prepared.FOLDER.name
    asked = [json.loads(line)["question"] for line in file.read_text(encoding="utf-8").splitlines()]
    embedder = OnnxEmbedder()
    embedder.embed(["ready"])
    print("ready", flush=True)
    sys.stdin.readline()  # until both are ready
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        embedder.embed([asked[(first + done) % len(asked)]])
        done += 1
    print(done / passed, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

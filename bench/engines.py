"""`python -m bench.engines`: the encoders in one process, one thread each; and a scrape by slot and by process."""

from __future__ import annotations

from collections.abc import Callable

from bench import prepared, questions  # the environment first
from bench.row import Row
from bench.scrapes import scrapes
from bench.timing import Ratio, side_by_side

ASKED = 60


def main() -> None:
    from rag.index.embedding import OnnxEmbedder, SentenceTransformerEmbedder

    assert prepared.FOLDER.name
    onnx, reference = OnnxEmbedder(), SentenceTransformerEmbedder()
    asked = questions.real()[:ASKED]

    def each(embed: Callable[[list[str]], object]) -> Callable[[], object]:
        return lambda: [embed([one]) for one in asked]

    for ratio in (
        side_by_side(
            "one question embedded: ONNX, faster than sentence-transformers",
            each(onnx.embed),
            each(reference.embed),
            each=len(asked),
        ),
        side_by_side(
            "one question embedded alone, faster than in a batch of four",
            each(onnx.embed),
            lambda: [onnx.embed(asked[at : at + 4]) for at in range(0, len(asked), 4)],
            each=len(asked),
        ),
        scrapes(),
    ):
        row(ratio).tell()


def row(ratio: Ratio) -> Row:
    sides = f"{ratio.first_milliseconds:.2f} ms : {ratio.second_milliseconds:.2f} ms"
    return Row(ratio.name, ratio.median, sides, note=f"From {ratio.least:.2f} to {ratio.most:.2f} in the rounds.")


if __name__ == "__main__":
    main()

"""sentence-transformers and numpy, and nothing else."""

from __future__ import annotations

import numpy as np
from sentence_transformers import SentenceTransformer

from bench.peers import faq, serving

ENTRIES = faq.entries()
MODEL = SentenceTransformer(faq.MODEL, device="cpu", local_files_only=True)


def build() -> None:
    np.save(faq.VECTORS, MODEL.encode([faq.text(one) for one in ENTRIES], normalize_embeddings=True))


def nearest(question: str) -> list[tuple[dict[str, str], float]]:
    scores = VECTORS @ MODEL.encode(question, normalize_embeddings=True, show_progress_bar=False)
    best = np.argsort(-scores)[: faq.NEAREST]
    return [(ENTRIES[i], float(scores[i])) for i in best]


if __name__ == "__main__":
    build()
else:
    VECTORS = np.load(faq.VECTORS)
    app = serving.served(nearest)

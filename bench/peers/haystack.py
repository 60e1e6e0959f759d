"""Haystack: a pipeline of its embedder and the retriever of its store in memory."""

from __future__ import annotations

import numpy as np
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder

from bench.peers import faq, serving

FILE = str(faq.KEPT / "haystack.json")


def build() -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    vectors = np.load(faq.VECTORS).tolist()
    store.write_documents(
        [
            Document(content=faq.text(one), meta=one, embedding=vector)
            for one, vector in zip(faq.entries(), vectors, strict=True)
        ]
    )
    store.save_to_disk(FILE)


def pipeline() -> Pipeline:
    embedder = SentenceTransformersTextEmbedder(
        model=faq.MODEL, normalize_embeddings=True, local_files_only=True, progress_bar=False
    )
    made = Pipeline()
    made.add_component("embedder", embedder)
    made.add_component(
        "retriever", InMemoryEmbeddingRetriever(InMemoryDocumentStore.load_from_disk(FILE), top_k=faq.NEAREST)
    )
    made.connect("embedder.embedding", "retriever.query_embedding")
    made.warm_up()
    return made


def nearest(question: str) -> list[tuple[dict[str, str], float]]:
    found = PIPELINE.run({"embedder": {"text": question}})["retriever"]["documents"]
    return [(document.meta, document.score) for document in found]


if __name__ == "__main__":
    build()
else:
    PIPELINE = pipeline()
    app = serving.served(nearest)

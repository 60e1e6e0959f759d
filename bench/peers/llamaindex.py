"""LlamaIndex: its embeddings, its index over vectors, its retriever."""

from __future__ import annotations

import numpy as np
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from bench.peers import faq, serving

FOLDER = str(faq.KEPT / "llamaindex")
EMBEDDING = HuggingFaceEmbedding(model_name=faq.MODEL, device="cpu")


def build() -> None:
    nodes = [
        TextNode(
            text=faq.text(one),
            embedding=vector,
            metadata=one,
            excluded_embed_metadata_keys=list(one),
            excluded_llm_metadata_keys=list(one),
        )
        for one, vector in zip(faq.entries(), np.load(faq.VECTORS).tolist(), strict=True)
    ]
    VectorStoreIndex(nodes, embed_model=EMBEDDING).storage_context.persist(FOLDER)


def nearest(question: str) -> list[tuple[dict[str, str], float]]:
    return [(found.node.metadata, float(found.score or 0.0)) for found in RETRIEVER.retrieve(question)]


if __name__ == "__main__":
    build()
else:
    INDEX = load_index_from_storage(StorageContext.from_defaults(persist_dir=FOLDER), embed_model=EMBEDDING)
    RETRIEVER = INDEX.as_retriever(similarity_top_k=faq.NEAREST)
    app = serving.served(nearest)

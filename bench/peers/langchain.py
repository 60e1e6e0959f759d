"""LangChain: its embeddings and its store in memory."""

from __future__ import annotations

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings

from bench.peers import faq, serving

FILE = faq.KEPT / "langchain.json"
EMBEDDINGS = HuggingFaceEmbeddings(
    model_name=faq.MODEL, model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
)


class Made(Embeddings):
    """The vectors that are there already."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return np.load(faq.VECTORS).tolist()

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError  # of the interface; while the index is built nobody asks


def build() -> None:
    store = InMemoryVectorStore(Made())
    store.add_documents([Document(page_content=faq.text(one), metadata=one) for one in faq.entries()])
    store.dump(str(FILE))


def nearest(question: str) -> list[tuple[dict[str, str], float]]:
    found = STORE.similarity_search_with_score(question, k=faq.NEAREST)
    return [(document.metadata, score) for document, score in found]


if __name__ == "__main__":
    build()
else:
    STORE = InMemoryVectorStore.load(str(FILE), EMBEDDINGS)
    app = serving.served(nearest)

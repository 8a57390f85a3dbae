"""The vector index: Milvus Lite, Milvus standalone or distributed behind one class. Knows no models."""

from search.index.collection import Document, IndexHit, VectorIndex
from search.index.connection import CALL_SECONDS, IndexMismatch, IndexUnavailable

__all__ = ["CALL_SECONDS", "Document", "IndexHit", "IndexMismatch", "IndexUnavailable", "VectorIndex"]

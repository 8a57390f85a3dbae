"""The vector index: Milvus Lite, Milvus standalone or distributed behind one class. Knows no models."""

from search.index.collection import Document, IndexHit, VectorIndex
from search.index.connection import IndexMismatch, IndexUnavailable

__all__ = ["Document", "IndexHit", "IndexMismatch", "IndexUnavailable", "VectorIndex"]

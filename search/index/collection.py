"""One Milvus collection holding one vector space: schema, writes, queries, alias."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from pymilvus import DataType, Function, FunctionType, MilvusClient
from pymilvus.exceptions import MilvusException

from search import telemetry
from search.index.connection import (
    CALL_SECONDS,
    SEARCH_SECONDS,
    Capabilities,
    IndexMismatch,
    connect,
    reporting_outages,
)
from search.index.lexemes import lexemes
from search.index.reading import HIGHEST, Row, rows_between

# A collection that lacks one of these goes on serving what it knows until `search.upgrade` has built its
# successor. (Its description could tell a version, but Milvus Lite keeps none.)
FIELDS = frozenset({
    "id", "vector", "kind", "state", "origin", "colour_family", "aspect", "owner", "created", "rights_expire",
    "tags", "skus", "collections", "palette",
})  # fmt: skip
TEXT_BYTES = 8_000
LIST_CAPACITY = 200
# Candidates that the graph keeps while it is searched. Sentences lie apart from pictures, so that they need
# more of them the larger the collection is (docs/scaling.md); time grows with them.
LEAST_EF, MOST_EF, ASSETS_PER_EF = 800, 1250, 800
SIZE_SECONDS = 300.0


@dataclass(frozen=True)
class Document:
    """One asset as the index knows it. Dates are days since 1970-01-01; times are Unix seconds."""

    id: int
    kind: str
    state: str
    origin: str
    owner: int
    colour_family: str
    aspect: str
    created: int
    rights_expire: int
    tags: list[str]
    skus: list[str]
    collections: list[int]
    palette: list[int]
    text: str


@dataclass(frozen=True)
class IndexHit:
    """A result of one leg; `score` is cosine or BM25, larger is better."""

    id: int
    score: float


class VectorIndex:
    """The collection of one space.

    Args:
        name: the collection's name.
        dimension: of the vectors.
        space: the space's slug, written into the collection and checked when it is opened.
    """

    def __init__(self, name: str, dimension: int, space: str) -> None:
        self.name = name
        self.dimension = dimension
        self.space = space
        # Kept itself, not its `id`, which another client may have when this one is gone.
        self._made_for: MilvusClient | None = None
        self._loaded_for: MilvusClient | None = None
        self._fields: frozenset[str] = frozenset()
        self._rows, self._rows_read = 0, float("-inf")

    @property
    def outdated(self) -> bool:
        """The collection lacks fields that a new one would have."""
        return bool(self.lacking)

    @property
    def lacking(self) -> list[str]:
        """The fields that this version of Atelier would make and the collection lacks."""
        self._ensure_made()
        return sorted(FIELDS - self._fields)

    @property
    def has_palette(self) -> bool:
        """Assets can be filtered by picked colours."""
        self._ensure_made()
        return "palette" in self._fields

    @property
    def full_text(self) -> bool:
        """True where the server ranks by BM25 itself."""
        return connect()[1].full_text

    @reporting_outages
    def ensure(self) -> None:
        """Create the collection where it is missing, and load it where it is to be read.

        Raises:
            IndexUnavailable: Milvus does not answer, or is still loading what it had before it ended.
            IndexMismatch: a collection of that name holds another space.
        """
        self._ensure_made()
        client = connect()[0]
        if self._loaded_for is not client:
            client.load_collection(self.name, timeout=SEARCH_SECONDS)
            self._loaded_for = client

    def _ensure_made(self) -> None:
        """Enough for writing: Milvus takes rows long before it has loaded those that it holds."""
        client, capabilities = connect()
        if self._made_for is client:
            return
        if not client.has_collection(self.name, timeout=SEARCH_SECONDS):
            try:
                self._create(client, capabilities)
            except MilvusException:
                if not client.has_collection(self.name, timeout=CALL_SECONDS):  # else somebody else was first
                    raise
        self._check_space(client)
        self._index(client, capabilities)
        self._made_for = client

    @reporting_outages
    def is_there(self) -> bool:
        """Whether the collection is there; it is not made.

        Raises:
            IndexUnavailable: Milvus does not answer.
            IndexMismatch: a collection of that name holds another space.
        """
        client = connect()[0]
        if not client.has_collection(self.name, timeout=SEARCH_SECONDS):
            return False
        self._check_space(client)
        return True

    def _check_space(self, client: MilvusClient) -> None:
        found = client.describe_collection(self.name, timeout=SEARCH_SECONDS)
        space = str(found.get("description", ""))
        dimension = _dimension(found)
        if (space and space != self.space) or dimension != self.dimension:
            raise IndexMismatch(
                f"The Milvus collection {self.name} holds the space {space or '(unnamed)'} with "
                f"{dimension} dimensions, not {self.space} with {self.dimension}. "
                "Run `manage.py index --reindex ENCODER` to build a new one beside it."
            )
        self._fields = frozenset(field["name"] for field in found["fields"])

    def _create(self, client: MilvusClient, capabilities: Capabilities) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False, description=self.space)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dimension)
        for name, length in (
            ("kind", 16),
            ("state", 16),
            ("origin", 16),
            ("colour_family", 16),
            ("aspect", 16),
        ):
            schema.add_field(name, DataType.VARCHAR, max_length=length)
        for name in ("owner", "created", "rights_expire"):
            schema.add_field(name, DataType.INT64)
        for name, length in (("tags", 240), ("skus", 200)):
            schema.add_field(
                name,
                DataType.ARRAY,
                element_type=DataType.VARCHAR,
                max_capacity=LIST_CAPACITY,
                max_length=length,
            )
        for name in ("collections", "palette"):
            schema.add_field(name, DataType.ARRAY, element_type=DataType.INT64, max_capacity=LIST_CAPACITY)
        if capabilities.full_text:
            _add_full_text(schema, capabilities)
        client.create_collection(self.name, schema=schema, consistency_level="Bounded", timeout=CALL_SECONDS)

    def _index(self, client: MilvusClient, capabilities: Capabilities) -> None:
        """Give it the indexes that it lacks: a new collection all, one whose maker was killed the rest.

        They are not waited for: pymilvus looks half a second later, at each, for what is over at once.
        """

        def lacks(field: str) -> bool:
            return not client.list_indexes(self.name, field_name=field, timeout=SEARCH_SECONDS)

        wanted = client.prepare_index_params()
        if lacks("vector"):
            # In Lite exact, and faster than its HNSW up to where Lite should be left anyway.
            graph = {} if capabilities.lite else {"M": 16, "efConstruction": 200}
            kind = "FLAT" if capabilities.lite else "HNSW"
            wanted.add_index("vector", index_type=kind, metric_type="COSINE", params=graph)
        if "words" in self._fields and lacks("words"):
            wanted.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        if wanted:
            client.create_index(self.name, wanted, timeout=CALL_SECONDS, sync=False)
            client.load_collection(self.name, timeout=CALL_SECONDS)

    @reporting_outages
    def upsert(self, documents: Sequence[Document], vectors: NDArray[np.float32]) -> None:
        """Write documents and their vectors, float32 [n, d], in one call."""
        if not documents:
            return
        self._ensure_made()
        client = connect()[0]
        rows = [
            {**self.as_stored(document), "vector": vector}
            for document, vector in zip(documents, vectors, strict=True)
        ]
        client.upsert(self.name, rows, timeout=CALL_SECONDS)

    @reporting_outages
    def delete(self, ids: Sequence[int]) -> None:
        if ids:
            self._ensure_made()
            connect()[0].delete(self.name, ids=list(ids), timeout=CALL_SECONDS)

    @reporting_outages
    def flush(self) -> None:
        """After a bulk load into Milvus Lite, whose unflushed rows are slow to search.

        A server flushes by itself and limits the rate of asking for it.
        """
        client, capabilities = connect()
        if capabilities.lite and client.has_collection(self.name, timeout=CALL_SECONDS):
            client.flush(self.name, timeout=CALL_SECONDS)

    def search_vector(self, vector: NDArray[np.float32], *, limit: int, where: str) -> list[IndexHit]:
        """Nearest by cosine among what `where` admits."""
        return self.search_vectors(vector[None], limit=limit, where=where)[0]

    @telemetry.LEG_SECONDS.labels("vectors").time()
    @reporting_outages
    def search_vectors(
        self, vectors: NDArray[np.float32], *, limit: int, where: str, seconds: float = SEARCH_SECONDS
    ) -> list[list[IndexHit]]:
        """The same for several vectors, float32 [n, d], in one call that may take so many seconds."""
        self.ensure()
        client, capabilities = connect()
        parameters = {} if capabilities.lite else {"ef": breadth(self._size(client), limit)}
        found = client.search(
            self.name,
            data=vectors.tolist(),
            anns_field="vector",
            limit=limit,
            filter=where,
            search_params={"metric_type": "COSINE", "params": parameters},
            timeout=seconds,
        )
        return _hits(found, sign=1)

    def _size(self, client: MilvusClient) -> int:
        """About how many rows there are, as the server knew some minutes ago."""
        now = time.monotonic()
        if now - self._rows_read > SIZE_SECONDS:
            self._rows = int(client.get_collection_stats(self.name, timeout=SEARCH_SECONDS)["row_count"])
            self._rows_read = now
        return self._rows

    @telemetry.LEG_SECONDS.labels("words in the index").time()
    @reporting_outages
    def search_words(self, text: str, *, limit: int, where: str) -> list[IndexHit]:
        """Best by BM25; empty where the server does not offer it or the text has no words."""
        self.ensure()
        client, capabilities = connect()
        words = lexemes(text, query=True)
        if not capabilities.full_text or not words:
            return []
        found = client.search(
            self.name,
            data=[" ".join(words)],
            anns_field="words",
            limit=limit,
            filter=where,
            search_params={"metric_type": "BM25"},
            timeout=SEARCH_SECONDS,
        )
        # Milvus Lite reports BM25 as a distance (smaller is better), the server as a score.
        return _hits(found, sign=-1 if capabilities.lite else 1)[0]

    @reporting_outages
    def matching(self, where: str, *, limit: int) -> list[int]:
        """Keys that `where` admits, in no order."""
        self.ensure()
        found = connect()[0].query(
            self.name, filter=where, output_fields=["id"], limit=limit, timeout=SEARCH_SECONDS
        )
        return [int(row["id"]) for row in found]

    @reporting_outages
    def count(self) -> int:
        self.ensure()
        found = connect()[0].query(
            self.name, filter="", output_fields=["count(*)"], consistency_level="Strong", timeout=CALL_SECONDS
        )
        return int(found[0]["count(*)"])

    def ids(self) -> Iterator[list[int]]:
        """All ids in ascending pages, so that memory stays flat."""
        for page in self.rows(-1, HIGHEST, (), consistency="Strong"):
            yield [int(row["id"]) for row in page]

    def rows(
        self, low: int, high: int, fields: Sequence[str], *, consistency: str = "Bounded"
    ) -> Iterator[list[Row]]:
        """What is stored under ids in (low, high], in ascending pages: the id and these fields.

        Raises:
            IndexUnavailable: Milvus does not answer.
        """
        self.ensure()
        pages = rows_between(connect()[0], self.name, low, high, fields, consistency=consistency)
        while (page := reporting_outages(next)(pages, None)) is not None:
            yield page

    @reporting_outages
    def stored_fields(self) -> list[str]:
        """Names of what is kept of a document here, as the server has them."""
        self._ensure_made()
        described = connect()[0].describe_collection(self.name, timeout=CALL_SECONDS)["fields"]
        return [field["name"] for field in described if field["name"] not in ("id", "vector", "words")]

    def as_stored(self, document: Document) -> Row:
        """The document as `upsert` writes it, without its vector."""
        row = asdict(document)
        text = row.pop("text")
        if not self.has_palette:
            del row["palette"]
        if self.full_text:
            row["text"] = " ".join(lexemes(text)).encode()[:TEXT_BYTES].decode(errors="ignore")
        for name in ("tags", "skus", "collections"):
            row[name] = row[name][:LIST_CAPACITY]
        return row

    @reporting_outages
    def point_alias(self, alias: str) -> None:
        """Make `alias` mean this collection."""
        self._ensure_made()
        client = connect()[0]
        aliases = client.list_aliases(timeout=CALL_SECONDS)
        names = aliases.get("aliases", []) if isinstance(aliases, dict) else aliases
        if alias in names:
            client.alter_alias(self.name, alias, timeout=CALL_SECONDS)
        else:
            client.create_alias(self.name, alias, timeout=CALL_SECONDS)

    @reporting_outages
    def carries_alias(self, alias: str) -> bool:
        """Whether `alias` means this collection."""
        self._ensure_made()
        return alias in connect()[0].list_aliases(self.name, timeout=CALL_SECONDS).get("aliases", [])

    @reporting_outages
    def drop(self) -> None:
        client = connect()[0]
        if client.has_collection(self.name, timeout=CALL_SECONDS):
            client.drop_collection(self.name, timeout=CALL_SECONDS)
        self._made_for = self._loaded_for = None


def breadth(rows: int, limit: int) -> int:
    """How many candidates the graph of a collection of this size keeps for this many hits (“ef”)."""
    by_size = min(max(rows // ASSETS_PER_EF, LEAST_EF), MOST_EF)
    return max(settings.SEARCH_EF or by_size, limit)


def _add_full_text(schema: Any, capabilities: Capabilities) -> None:
    # The text is cut into lexemes before it is sent: the analyser only has to split at spaces.
    # Milvus Lite knows no tokenizer of that name; its standard one splits there too.
    schema.add_field(
        "text",
        DataType.VARCHAR,
        max_length=TEXT_BYTES,
        enable_analyzer=True,
        analyzer_params={"tokenizer": "standard" if capabilities.lite else "whitespace"},
    )
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["words"],
        )
    )


def _dimension(description: Any) -> int:
    (vector,) = (field for field in description["fields"] if field["name"] == "vector")
    return int(vector["params"]["dim"])


def _hits(found: Any, *, sign: int) -> list[list[IndexHit]]:
    return [[IndexHit(int(hit["id"]), sign * float(hit["distance"])) for hit in hits] for hits in found]

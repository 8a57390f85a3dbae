"""A library with vectors for the search benchmark: rows in PostgreSQL, vectors in Milvus by our own writes.

The vectors are real ones of the clothing photos by the configured encoder, varied: each is a photo's moved
along the difference of two others, with a little noise in every direction, so that they lie as real ones do.
The same seed gives the same vectors again, so that none has to be kept to know the exact answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from tests.benchmarks.library import dress, fill, insert
from tests.services.processes import eventually

if TYPE_CHECKING:
    from search.index import VectorIndex
    from search.models import Space

CLOTHING = Path(__file__).resolve().parents[3] / "shared" / "data" / "clothing"
BLOCK = 10_000
WRITTEN = 1_000  # documents in one upsert
MOVED, NOISE = 0.8, 0.15
INDEXING_SECONDS = 7200.0
# What the rows of tests.benchmarks.library hold, for the exact answers within a filter.
KINDS = ("garment", "product", "scene", "model", "prop", "other")

Vectors = NDArray[np.float32]

_ENTRIES = {
    "id": "id",
    "asset_key": "asset_id",
    "state": "'indexed'",
    "content_hash": "sha256",
    "indexed_at": "now()",
}


def photo_vectors(folder: Path) -> Vectors:
    """Unit vectors of all clothing photos; kept in `folder`."""
    from search.encoders.base import Encoder
    from search.encoders.registry import get_encoder
    from search.spaces import live_space

    kept = folder / "photos.npy"
    if kept.exists():
        return np.asarray(np.load(kept), dtype=np.float32)
    files = sorted(path for path in CLOTHING.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not files:
        raise SystemExit(f"There are no photos below {CLOTHING}.")
    encoder: Encoder = get_encoder(live_space().encoder)
    vectors = []
    for start in tqdm(range(0, len(files), 16), "Encoding the photos"):
        pictures = [Image.open(file).convert("RGB") for file in files[start : start + 16]]
        vectors.append(encoder.encode_images(pictures))
    found = np.concatenate(vectors)
    np.save(kept, found)
    return found


def block(photos: Vectors, number: int) -> Vectors:
    """Vectors of the assets number × BLOCK + 1 and so on."""
    draw = np.random.default_rng([20261125, number])
    base, to, away = (photos[draw.integers(0, len(photos), BLOCK)] for _ in range(3))
    moved = base + MOVED * draw.random((BLOCK, 1), dtype=np.float32) * (to - away)
    noise = draw.standard_normal(moved.shape, dtype=np.float32) * (NOISE / moved.shape[1] ** 0.5)
    vectors = moved + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def blocks(photos: Vectors, count: int) -> Iterator[tuple[int, Vectors]]:
    """(id of the first, vectors) for the first `count` assets."""
    for number in range(-(-count // BLOCK)):
        yield number * BLOCK + 1, block(photos, number)[: count - number * BLOCK]


def build(photos: Vectors, count: int) -> dict[str, float]:
    """Rows, outbox entries and vectors of `count` assets. Seconds that upsert and indexing took."""
    from search.spaces import index_of, live_space

    fill(count)
    dress()
    space = live_space()
    enter(space)
    index = index_of(space)
    started = time.perf_counter()
    _write(index, photos, count)
    written = time.perf_counter()
    settle(index, count)
    return {"upsert_s": written - started, "indexing_s": time.perf_counter() - written}


def enter(space: Space) -> None:
    """Entries in the outbox that are done: for the first version of every asset."""
    from django.db import connection

    from search.models import IndexEntry

    with connection.cursor() as cursor:
        expressions = {**_ENTRIES, "space_id": str(space.pk)}
        insert(cursor, IndexEntry, expressions, "dam_assetversion")
        cursor.execute("VACUUM ANALYZE search_indexentry")


def keep_vectors(photos: Vectors, count: int) -> None:
    """Vectors in the database too, as the outbox keeps them, and the space calibrated: searches ask both."""
    from dam.models import AssetVersion
    from search.calibration import calibrate
    from search.models import Embedding
    from search.spaces import live_space

    space = live_space()
    kept = Embedding.objects.filter(space=space)
    with tqdm(total=count, desc="Keeping vectors", unit="vector", mininterval=5) as progress:
        for first, vectors in blocks(photos, count if kept.count() < count else 0):
            keys = range(first, first + len(vectors))
            files = dict(AssetVersion.objects.filter(pk__in=keys).values_list("pk", "sha256"))
            kept.keep(space, {files[key]: vector for key, vector in zip(keys, vectors, strict=True)})
            progress.update(len(vectors))
    calibrate(space)


def _write(index: VectorIndex, photos: Vectors, count: int) -> None:
    """As the outbox does: documents from the database, one upsert for many."""
    from dam import custom_fields
    from dam.models import Asset
    from search.documents import document_for

    fields = custom_fields.by_slug()
    with tqdm(total=count, desc="Writing to Milvus", unit="asset", mininterval=5) as progress:
        for first, vectors in blocks(photos, count):
            for start in range(0, len(vectors), WRITTEN):
                low = first + start
                part = vectors[start : start + WRITTEN]
                assets = (
                    Asset.objects.filter(pk__gte=low, pk__lt=low + len(part))
                    .order_by("pk")
                    .select_related("current")
                    .prefetch_related("tags", "skus", "collection_links")
                )
                index.upsert([document_for(asset, fields) for asset in assets], part)
                progress.update(len(part))


def settle(index: VectorIndex, count: int) -> None:
    """Seal what was written, once, and wait until Milvus has built its index over all of it and serves that:
    until then it searches what it has loaded by an index of its own, which finds less.
    """
    from search.index.connection import connect

    eventually(lambda: _is_loaded(index), "Milvus has loaded the vectors", seconds=INDEXING_SECONDS)
    client = connect()[0]
    client.flush(index.name, timeout=600)
    deadline = time.monotonic() + INDEXING_SECONDS
    with tqdm(total=count, desc="Indexed and loaded by Milvus", unit="vector", mininterval=5) as progress:
        while progress.n < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"Milvus has not indexed all within {INDEXING_SECONDS:.0f} s.")
            loaded = client.list_loaded_segments(index.name)
            progress.update(sum(part.num_rows for part in loaded if part.index_name) - progress.n)
            time.sleep(2)
    index.count()


def _is_loaded(index: VectorIndex) -> bool:
    """Milvus that has just started takes longer to load a million vectors than a search would wait."""
    from search.index import IndexUnavailable

    try:
        index.ensure()
    except IndexUnavailable:
        return False
    return True


def exact(photos: Vectors, count: int, queries: Vectors, top: int, kind: str = "") -> NDArray[np.int64]:
    """The ids of the nearest assets, [n, top], by comparing with every one (of that kind)."""
    best = np.full((len(queries), top), -2.0, dtype=np.float32)
    ids = np.zeros((len(queries), top), dtype=np.int64)
    for first, vectors in tqdm(blocks(photos, count), "Exact answers", total=-(-count // BLOCK)):
        keys = np.arange(first, first + len(vectors))
        chosen = keys % len(KINDS) == KINDS.index(kind) if kind else np.full(len(keys), True)
        keys = keys[chosen]
        scores = np.concatenate([best, queries @ vectors[chosen].T], axis=1)
        names = np.concatenate([ids, np.broadcast_to(keys, (len(queries), len(keys)))], axis=1)
        order = np.argpartition(-scores, top, axis=1)[:, :top]
        best, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(names, order, 1)
    return ids


def write_plain(index: VectorIndex, photos: Vectors, after: int, upto: int) -> None:
    """Vectors with documents that no database holds, for Milvus Lite's own figures."""
    from search.index import Document

    def document(key: int) -> Document:
        return Document(
            id=key,
            kind=KINDS[key % len(KINDS)],
            state="approved",
            origin="uploaded",
            owner=0,
            colour_family="red",
            aspect="square",
            created=0,
            rights_expire=10_000_000,
            tags=[f"t{key % 200}"],
            skus=[],
            collections=[],
            palette=[],
            text=f"Asset {key} w{key % 400} red",
        )

    for first, vectors in blocks(photos, upto):
        for start in range(0, len(vectors), WRITTEN):
            part = vectors[start : start + WRITTEN]
            keys = range(first + start, first + start + len(part))
            if keys.stop > after + 1:
                index.upsert([document(key) for key in keys], part)

"""What a library of a size takes: bytes, hours of encoding, money for pictures, each with its formula.

What was measured, and where, stands beside each constant; docs/costs.md is written from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from generation.providers.prices import PictureModel, PriceUnknown, picture_models

# Means of files of this project's clothing photos (360 × 480): all 1,441 originals, renditions of 60 of them.
ORIGINAL_BYTES = 30_461
RENDITION_BYTES = 10_373 + 20_673  # thumbnail and web
# PostgreSQL, of each asset with one version and three tags; measured at 1,000,000 (docs/scaling.md).
ROWS_BYTES = 1_011 + 700 + 385 + 204
ENTRY_BYTES, VECTOR_ROW_BYTES = 241, 1_052  # of each space, beside the vector itself
# Milvus, of each asset (docs/scaling.md): links of the graph at M = 16, scalar fields and BM25, and what is
# being written and compacted.
LINK_BYTES, FIELD_BYTES, SPARE = 132, 700, 1.2
# Pictures a second from file to Milvus, ViT-B/32 on 2 cores (`encode.*` of docs/benchmarks.md).
CPU_RATES = {"bf16": 74.77, "int8": 120.35}
CPU_CORES = 2
# Pictures a second from file to Milvus with ViT-B/32 on an H100, by 8 workers on 16 cores that PostgreSQL and
# Milvus share (`cuda.*` of docs/benchmarks.md); the cores are the limit there. The tower takes 8.8 billion
# operations a picture, of which a GPU does its peak times this share (the H100: .28, and .4 with ViT-L/14).
GPU_RATE, GPU_RATE_CORES = 1049.17, 16
TOWER_OPERATIONS, SHARE_OF_PEAK = 8.8e9, 0.3
GPU_PEAK, GPU_CORES = 121e12, 8  # an NVIDIA L4 in bf16, and the cores beside it
BATCH = 1_000  # pictures of a price

INDEXES = {
    "HNSW": lambda d: 4 * d + LINK_BYTES,
    "HNSW_SQ8": lambda d: d + LINK_BYTES,
    "IVF_RABITQ + SQ8": lambda d: d / 8 + d,
    "IVF_RABITQ": lambda d: d / 8,
    "DISKANN": lambda d: 4 * d / 8,
}


@dataclass(frozen=True)
class Library:
    """Sizes in bytes for each asset."""

    assets: int
    original_bytes: float = ORIGINAL_BYTES
    rendition_bytes: float = RENDITION_BYTES
    dimension: int = 512
    spaces: int = 1


@dataclass(frozen=True)
class Line:
    """One figure with its formula; `value` in `unit`: GB are 10⁹ bytes."""

    what: str
    formula: str
    value: float
    unit: str


def estimate(library: Library) -> list[Line]:
    """Storage, memory and time, without the pictures that are generated."""
    return [*_files(library), *_database(library), *_index(library), *_encoding(library)]


def _files(library: Library) -> Iterator[Line]:
    n, original, rendition = library.assets, library.original_bytes, library.rendition_bytes
    yield _bytes("originals", f"{n:,} × {original:,.0f} B", n * original)
    yield _bytes("renditions", f"{n:,} × {rendition:,.0f} B", n * rendition)


def _database(library: Library) -> Iterator[Line]:
    n, s, d = library.assets, library.spaces, library.dimension
    each = ROWS_BYTES + s * (ENTRY_BYTES + VECTOR_ROW_BYTES + 4 * d)
    parts = f"({ROWS_BYTES:,} + {s} × ({ENTRY_BYTES + VECTOR_ROW_BYTES:,} + 4 × {d})) B"
    yield _bytes("PostgreSQL", f"{n:,} × {parts}", n * each)
    yield _bytes(
        "a backup", "originals + PostgreSQL, before compression", n * (library.original_bytes + each)
    )


def _index(library: Library) -> Iterator[Line]:
    n, s, d = library.assets, library.spaces, library.dimension
    for index, vector in INDEXES.items():
        each = (vector(d) + FIELD_BYTES) * SPARE
        formula = f"{n:,} × {s} × ({vector(d):,.0f} + {FIELD_BYTES}) B × {SPARE}"
        yield _bytes(f"Milvus in memory, {index}", formula, n * s * each)


def _encoding(library: Library) -> Iterator[Line]:
    n, s = library.assets, library.spaces
    for precision, rate in CPU_RATES.items():
        hours = n * s / rate / 3600
        yield Line(
            f"encoding, {CPU_CORES} cores, {precision}", f"{n:,} × {s} / {rate:g} a second", hours, "hours"
        )
    rate = gpu_rate()
    yield Line(
        f"encoding, one L4 and {GPU_CORES} cores (reckoned)",
        f"{n:,} × {s} / {rate:,.0f} a second",
        n * s / rate / 3600,
        "hours",
    )


def gpu_rate(peak: float = GPU_PEAK, cores: int = GPU_CORES) -> float:
    """Pictures a second: what the tower takes, or what the cores beside it decode and write."""
    return min(peak * SHARE_OF_PEAK / TOWER_OPERATIONS, cores * GPU_RATE / GPU_RATE_CORES)


def generation(inputs: int = 2) -> list[tuple[PictureModel, str, Decimal | None]]:
    """Each model whose price is known or looked for, a size, and what BATCH pictures of it cost, made from so
    many pictures each; None where no price was published."""
    found: list[tuple[PictureModel, str, Decimal | None]] = []
    for model in picture_models():
        for size in model.picture_tokens or [""]:
            try:
                found.append((model, size, BATCH * model.price(size, inputs=inputs)))
            except PriceUnknown:
                found.append((model, size, None))
    return found


def _bytes(what: str, formula: str, amount: float) -> Line:
    return Line(what, formula, amount / 1e9, "GB")

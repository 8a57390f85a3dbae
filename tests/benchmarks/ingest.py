"""Taking files in: what it costs that strangers' files are decoded in processes of their own."""

from __future__ import annotations

import io
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import IO, TYPE_CHECKING
from unittest import mock

import psutil
from PIL import Image

from tests.benchmarks.duplicates import CLOTHING
from tests.benchmarks.library import postgres
from tests.benchmarks.rows import Row, report

if TYPE_CHECKING:
    from dam.pictures import Picture

ROUNDS = 4
SMALL, LARGE = 400, 24  # files in each round
LARGE_SIDES = (3000, 4000)
_FRESH = count()


def run() -> None:
    """Both in turn, with small photos and with large ones."""
    photos = [path.read_bytes() for path in sorted(CLOTHING.glob("*.jpg"))[:SMALL]]
    kinds = {"": photos, "_12_megapixels": [_enlarged(photo) for photo in photos[:LARGE]]}
    rows = []
    with postgres():
        for kind, contents in kinds.items():
            rows += _measured(kind, contents)
    width, height = LARGE_SIDES
    about = (
        f"Photos taken in by `ingest_many` on PostgreSQL and {os.cpu_count()} cores: {SMALL} of 360 × 480 "
        f"pixels and {LARGE} of {width} × {height}, none of which the library has. {ROUNDS} rounds in turn, "
        "medians. The peer decodes in the process itself, without bounds."
    )
    report("ingest", about, rows)


def _measured(kind: str, contents: Sequence[bytes]) -> list[Row]:
    peer = "decoded in the process itself"
    taken: dict[str, list[tuple[float, float]]] = {"own": [], "peer": []}
    _take(contents)
    for _round in range(ROUNDS):
        taken["own"].append(_take(contents))
        with _decoded_here():
            taken["peer"].append(_take(contents))
    (rate, cpu), (peer_rate, peer_cpu) = (
        [statistics.median(figures) for figures in zip(*taken[whose], strict=True)] for whose in taken
    )
    return [
        Row(f"ingest.files_per_second{kind}", round(rate, 1), "files/s", peer, round(peer_rate, 1)),
        Row(f"ingest.cpu_ms_per_file{kind}", round(cpu, 2), "ms", peer, round(peer_cpu, 2)),
    ]


def _take(contents: Sequence[bytes]) -> tuple[float, float]:
    """Files a second, and milliseconds of computing for each."""
    from dam.ingest import IngestItem, ingest_many
    from dam.models import AssetOrigin

    items = [IngestItem(content + b"%d" % next(_FRESH), "photo.jpg") for content in contents]
    began, computed = time.perf_counter(), _computed()
    outcomes = list(ingest_many(items, owner=None, origin=AssetOrigin.IMPORTED))
    seconds, computed = time.perf_counter() - began, _computed() - computed
    assert all(outcome.result and outcome.result.created for outcome in outcomes)
    return len(items) / seconds, 1000 * computed / len(items)


def _computed() -> float:
    """Seconds of this process and those that decode for it."""
    children = psutil.Process().children()  # the servers among them
    decoders = [child for child in children if "dam.decoder" in child.cmdline()]
    return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in decoders)


@contextmanager
def _decoded_here() -> Iterator[None]:
    from dam.decoder import manifests, pixels

    def read(file: IO[bytes], at_most: int, patience: float | None = None) -> Picture:
        with pixels.decoded(file, at_most, 10**9, lambda _pixels: nullcontext()) as (header, image):
            picture = pixels.described(header, image, at_most)
        manifests.said_in(file, header.mime)
        return picture

    with mock.patch("dam.pictures.read", read):
        yield


def _enlarged(photo: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize(LARGE_SIDES).save(out, "JPEG", quality=92)
    return out.getvalue()

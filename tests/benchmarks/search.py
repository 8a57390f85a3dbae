"""Search over REST on real Milvus and PostgreSQL, beside a bare pymilvus call and the exact answers.

Each size runs in a process of its own (`--assets N`) on servers of its own; Milvus Lite in another
(`--lite`). With a folder to keep them in, a later run finds servers, rows and vectors built.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from tqdm import tqdm

from tests.benchmarks import search_library
from tests.benchmarks.library import search_servers
from tests.benchmarks.rows import Row, report

SIZES = (100_000, 1_000_000)
LITE_SIZES = (1_000, 10_000, 20_000, 50_000)
ASKED = 200  # different queries, each kind of request
MOST_SECONDS = 60.0  # for each kind of request; a slow one is asked less often
TOP = 10
SEED = 20261125
PREFIX = "bench"
BARE = "the same call by pymilvus alone"
ABOUT = (
    "`GET /api/v1/search/` under gunicorn (one process, 8 threads) by one client over HTTP, on PostgreSQL, "
    "Redis and Milvus 2.3.5 as shipped, all on this machine. Vectors: the clothing photos' by the starter "
    "encoder, varied (512 dimensions); queries: sentences through its text tower. The peer is the call that "
    "the product makes to Milvus, recorded and made again by pymilvus alone, in turns with the request. "
    "Recall: against all vectors compared one by one. Milvus 2.3.5 offers no BM25, so hybrid search there "
    "means words from the database; Milvus Lite has BM25."
)
_SUBJECTS = "dress,shirt,jacket,pair of shoes,hat,skirt,coat,t-shirt,pair of trousers,polo,bag,blazer,hoodie"
_COLOURS = "red,blue,white,black,grey,brown,green,striped,dark,light"
_USES = "for summer,for the beach,in the city,on a hanger,for a party,for children,on a wall,worn by a woman"


def run(sizes: Sequence[int] = SIZES, keep: Path | None = None) -> None:
    """All sizes, then Milvus Lite."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name:
        for size in sizes:
            folder = (keep or Path(name)) / str(size)
            rows += _in_a_process(["--assets", str(size), "--folder", str(folder)], Path(name))
        rows += _in_a_process(["--lite", "--folder", str(Path(name) / "lite")], Path(name))
    report("search", ABOUT, rows)


def _in_a_process(arguments: list[str], folder: Path) -> list[Row]:
    """Django is set up once in a process, for one set of servers."""
    rows = folder / "rows.json"
    command = [sys.executable, "-m", "tests.benchmarks.search", *arguments, "--rows", str(rows)]
    subprocess.run(command, check=True)
    return [Row(**row) for row in json.loads(rows.read_text())]


def label(size: int) -> str:
    """100_000 → "100k", 1_000_000 → "1m"."""
    return f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size // 1_000}k"


def sentences(count: int, seed: int) -> list[str]:
    """So many different sentences that people might type."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        number = f", {draw.randrange(100)} of them" if len(found) > 500 else ""
        words = (
            draw.choice(_COLOURS.split(",")),
            draw.choice(_SUBJECTS.split(",")),
            draw.choice(_USES.split(",")),
        )
        found[f"a {' '.join(words)}{number}"] = None
    return list(found)


class Recorded:
    """What the product asks of Milvus for one search, to be asked again without the product."""

    def __init__(self, text: str, **filters: Any) -> None:
        from pymilvus import MilvusClient

        from search.query import SearchRequest, search

        original = MilvusClient.search
        self._calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

        def recording(client: MilvusClient, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("anns_field") == "vector":
                self._calls.append((args, kwargs))
            return original(client, *args, **kwargs)

        MilvusClient.search = recording
        try:
            search(SearchRequest(text=text, **filters), user=None)
        finally:
            MilvusClient.search = original
        if not self._calls:
            raise SystemExit("The product asked Milvus for no vector; is the index reachable?")

    def ask(self, client: Any, vector: NDArray[np.float32]) -> list[int]:
        """The ids that the first of its calls gives for this vector."""
        args, kwargs = self._calls[0]
        found = client.search(*args, **{**kwargs, "data": [vector.tolist()]})
        return [int(hit["id"]) for hit in found[0]]


class Timings:
    """Milliseconds of requests and of the bare calls made in turns with them."""

    def __init__(self) -> None:
        self.rest: list[float] = []
        self.bare: list[float] = []

    def percentile(self, which: str, share: float) -> float:
        return round(float(np.percentile(getattr(self, which), share)), 2)


@contextmanager
def _site(folder: Path) -> Iterator[tuple[str, str]]:
    """The site as `manage.py serve` starts it; its address and a token of somebody who sees everything."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from rest_framework.authtoken.models import Token

    from tests.services.processes import Web

    call_command("collectstatic", interactive=False, verbosity=0)
    user, _new = User.objects.get_or_create(username="bench", is_superuser=True, is_staff=True)
    web = Web(folder / "web.log", threads=8)
    try:
        yield web.url, Token.objects.get_or_create(user=user)[0].key
    finally:
        web.kill()


def _measure(size: int, folder: Path) -> list[Row]:
    with search_servers(folder) as milvus:
        from pymilvus import MilvusClient

        from search.request import Filters
        from search.spaces import encoder_of, live_space

        photos = search_library.photo_vectors(folder)
        built = _built(folder, photos, size)
        texts = sentences(ASKED, SEED)
        vectors = encoder_of(live_space()).encode_texts(texts)
        bare = MilvusClient(milvus.uri)
        plain, narrowed = Recorded(texts[0]), Recorded(texts[0], filters=Filters(kind=("scene",)))
        recall = {
            "": _recall(plain, bare, photos, size, vectors, ""),
            "_filtered": _recall(narrowed, bare, photos, size, vectors, "scene"),
        }
        with _site(folder) as (url, token):
            client = requests.Session()
            client.headers["Authorization"] = f"Token {token}"
            asking = _Asking(url, client, bare, texts, vectors)
            timings = asking.all_kinds(plain, narrowed)
    return _rows(size, built, recall, timings)


def _built(folder: Path, photos: NDArray[np.float32], size: int) -> dict[str, float]:
    """What building took, now or when it was built."""
    note = folder / "built.json"
    if not note.exists():
        note.write_text(json.dumps(search_library.build(photos, size)))
    else:
        from search.spaces import index_of, live_space

        search_library.settle(index_of(live_space()), size)
    search_library.keep_vectors(photos, size)
    return dict(json.loads(note.read_text()))


def _recall(
    recorded: Recorded,
    bare: Any,
    photos: NDArray[np.float32],
    size: int,
    vectors: NDArray[np.float32],
    kind: str,
) -> float:
    right = search_library.exact(photos, size, vectors, TOP, kind)
    found = [recorded.ask(bare, vector)[:TOP] for vector in vectors]
    hits = sum(len(set(some) & set(true)) for some, true in zip(found, right.tolist(), strict=True))
    return round(hits / (TOP * len(vectors)), 4)


class _Asking:
    """One client and its kinds of requests."""

    def __init__(
        self, url: str, client: requests.Session, bare: Any, texts: list[str], vectors: NDArray[np.float32]
    ) -> None:
        self._url, self._client, self._bare = url, client, bare
        self._texts, self._vectors = texts, vectors
        self._kept = 0
        self._unseen = iter(sentences(4 * ASKED, SEED + 1))

    def all_kinds(self, plain: Recorded, narrowed: Recorded) -> dict[str, Timings]:
        top = {"limit": TOP}
        self._ask_once(top)
        kinds: dict[str, Callable[[], Timings]] = {
            "health": lambda: self._timed("health", lambda _n: self._get("/health/live", {})),
            "cached": lambda: self._timed("cached", self._known(top), plain),
            "page": lambda: self._timed("page of 48", self._known({}), plain),
            "filtered": lambda: self._timed("kind=scene", self._known({**top, "kind": "scene"}), narrowed),
            "rare": lambda: self._timed("colour=pink", self._known({**top, "colour": "pink"})),
            "uncached": lambda: self._timed("text vector not kept", self._unknown(top), plain),
        }
        if "facets" in self._search({"q": self._texts[0], "facets": "true", **top}):
            kinds["facets"] = lambda: self._timed("facets", self._known({**top, "facets": "true"}), plain)
        else:
            print("facets: not offered by this search")
        return {name: kind() for name, kind in kinds.items()}

    def _ask_once(self, parameters: dict[str, Any]) -> None:
        """So that the site keeps the vectors of these texts; where it is slow, of fewer."""
        until = time.monotonic() + MOST_SECONDS
        for number, text in enumerate(tqdm(self._texts, "Asking once", mininterval=5), start=1):
            self._search({"q": text, **parameters})
            self._kept = number
            if time.monotonic() > until:
                break

    def _known(self, parameters: dict[str, Any]) -> Callable[[int], Any]:
        return lambda number: self._search({"q": self._texts[number % self._kept], **parameters})

    def _unknown(self, parameters: dict[str, Any]) -> Callable[[int], Any]:
        return lambda number: self._search({"q": next(self._unseen), **parameters})

    def _timed(self, name: str, ask: Callable[[int], Any], recorded: Recorded | None = None) -> Timings:
        timings = Timings()
        ask(0)
        until = time.monotonic() + MOST_SECONDS
        for number in tqdm(range(ASKED), f"Requests: {name}", mininterval=5):
            if time.monotonic() > until:
                break
            timings.rest.append(_milliseconds(lambda n=number: ask(n)))
            if recorded is not None:
                vector = self._vectors[number]
                timings.bare.append(_milliseconds(lambda v=vector: recorded.ask(self._bare, v)))
        return timings

    def _search(self, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = self._get("/api/v1/search/", parameters)
        if answer["degraded"]:
            raise SystemExit(f"Search is degraded: {answer['degraded']}")
        return answer

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.get(f"{self._url}{path}", params=parameters, timeout=120)
        answer.raise_for_status()
        return dict(answer.json())


def _milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def _rows(
    size: int, built: dict[str, float], recall: dict[str, float], timings: dict[str, Timings]
) -> list[Row]:
    at = label(size)
    cached = timings["cached"]
    rows = [
        Row(
            f"search.rest_p50_over_bare_{at}",
            cached.percentile("rest", 50),
            "ms",
            BARE,
            cached.percentile("bare", 50),
        ),
        Row(
            f"search.rest_p99_ms_{at}",
            cached.percentile("rest", 99),
            "ms",
            BARE,
            cached.percentile("bare", 99),
        ),
    ]
    for kind, measured in timings.items():
        for share in (50, 95, 99):
            peer = measured.percentile("bare", share) if measured.bare else None
            name = f"search.{kind}_p{share}_ms_{at}"
            rows.append(Row(name, measured.percentile("rest", share), "ms", BARE if peer else "", peer))
    rows += [
        Row(f"search.recall_at_10{which}_{at}", value, "share", "exact", 1.0)
        for which, value in recall.items()
    ]
    rows += [
        Row(f"search.upsert_per_second_{at}", round(size / built["upsert_s"]), "assets/s", "", None),
        Row(f"search.index_built_s_{at}", round(built["indexing_s"]), "s", "", None),
    ]
    return rows


def _measure_lite(folder: Path) -> list[Row]:
    """Milvus Lite alone, by the index's own calls, at several sizes in one collection, flushed."""
    from tests.environment import ALWAYS, EMBEDDED

    os.environ.update(
        ALWAYS
        | EMBEDDED
        | {"ATELIER_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}"}
    )
    folder.mkdir(parents=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from search.index.connection import disconnect
    from search.spaces import encoder_of, index_of, live_space

    photos = search_library.photo_vectors(folder)
    texts = sentences(ASKED, SEED)
    vectors = encoder_of(live_space()).encode_texts(texts)
    index = index_of(live_space())
    rows: list[Row] = []
    written = 0
    for size in LITE_SIZES:
        search_library.write_plain(index, photos, written, size)
        written = size
        index.flush()
        for where, name in (("", "lite"), ('kind == "scene"', "lite_filtered")):
            ask = [
                _milliseconds(lambda v=v, w=where: index.search_vector(v, limit=200, where=w))
                for v in vectors[:50]
            ]
            rows += _percentiles(f"search.{name}", ask, label(size))
        ask = [_milliseconds(lambda t=t: index.search_words(t, limit=200, where="")) for t in texts[:50]]
        rows += _percentiles("search.lite_bm25", ask, label(size))
    disconnect()
    return rows


def _percentiles(name: str, measured: list[float], at: str) -> list[Row]:
    return [
        Row(f"{name}_p{share}_ms_{at}", round(float(np.percentile(measured, share)), 2), "ms", "", None)
        for share in (50, 95)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--assets", type=int)
    what.add_argument("--lite", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True, help="where the rows are written")
    chosen = parser.parse_args()
    os.environ["MILVUS_COLLECTION_PREFIX"] = PREFIX
    rows = _measure_lite(chosen.folder) if chosen.lite else _measure(chosen.assets, chosen.folder)
    chosen.rows.write_text(
        json.dumps([{k: v for k, v in row.as_dict().items() if k != "ratio"} for row in rows])
    )


if __name__ == "__main__":
    main()

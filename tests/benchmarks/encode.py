"""Encoding: from a file on disk to a vector in Milvus, beside the plain loop and the model alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from tests.benchmarks.duplicates import CLOTHING
from tests.benchmarks.library import postgres
from tests.benchmarks.rows import RESULTS, ROOT, Row, report
from tests.services.children import HOST, end_with_parent, free_ports
from tests.services.servers import Milvus

if TYPE_CHECKING:
    from search.encoders.base import Encoder
    from search.models import Space

ROUNDS = 3
PHOTOS = 640  # indexed in each round
PLAIN_SECONDS = 15.0
FORWARD_SECONDS = 10.0
MANY = 100_000
QUERIES = 300
MODEL = "ViT-B-32"
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def run() -> None:
    """Throughput in alternating rounds, then memory, then queries while an import runs."""
    with servers() as milvus:
        use(milvus.uri, f"openclip:{MODEL}/{checkpoint(MODEL)}")
        loop = plain_loop(milvus.uri, MODEL, "cpu")
        rows = [
            *throughput("", loop),
            *throughput("int8", loop),
            *precisions(),
            *interactive(),
            *memory(MANY),
        ]
    about = (
        f"Clothing photos (360 × 480) from file on disk to vector in Milvus 2.3.5 with PostgreSQL, on "
        f"{os.cpu_count()} cores; {ROUNDS} rounds in turn, medians. {MODEL} has random weights, which cost "
        "what trained ones cost. The plain loop: open with Pillow, encode one in torch float32, insert one. "
        f"The limit: OpenVINO on pixels that are ready. Memory: {MANY:,} files, a tiny model."
    )
    report("encode", about, rows)


@contextlib.contextmanager
def servers() -> Iterator[Milvus]:
    """Milvus, and PostgreSQL for which Django is set up."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-bench-milvus-"))
    folder.chmod(0o755)
    milvus = Milvus(folder / "milvus")
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        cleanup.callback(milvus.stop)
        milvus.start()
        cleanup.enter_context(postgres())
        yield milvus


def use(milvus_uri: str, encoder: str) -> None:
    """This process and those that it starts."""
    from django.conf import settings

    from search.encoders.registry import get_encoder

    wanted = {"MILVUS_URI": milvus_uri, "SEARCH_ENCODER": encoder, "SEARCH_EXPORTS": str(RESULTS / "exports")}
    os.environ.update(wanted)
    for name, value in wanted.items():
        setattr(settings, name, value)
    get_encoder.cache_clear()


def checkpoint(model: str) -> Path:
    """Random weights of the real architecture, the same at every run."""
    import open_clip
    import torch

    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{model}.pt"
    if model == "tiny-clip":
        (RESULTS / "tiny-clip.json").write_text(json.dumps(TINY))
        open_clip.add_model_config(RESULTS / "tiny-clip.json")
    if not path.exists():
        torch.manual_seed(20261125)
        torch.save(open_clip.create_model(model).state_dict(), path)
    return path


def photos(count: int) -> list[int]:
    """So many approved assets with files of their own content hash; the photos repeat after 1,441."""
    from django.conf import settings

    from dam.models import Asset, AssetVersion

    names = sorted(path.name for path in CLOTHING.glob("*.jpg"))
    place = Path(settings.MEDIA_ROOT) / "bench"
    if not place.exists():
        shutil.copytree(CLOTHING, place)
    made: list[int] = []
    for start in range(0, count, 5_000):
        numbers = range(start, min(count, start + 5_000))
        assets = Asset.objects.bulk_create(
            [Asset(title=f"Photo {number}", kind="garment", state="approved") for number in numbers]
        )
        versions = AssetVersion.objects.bulk_create(
            [
                AssetVersion(
                    asset=asset,
                    number=1,
                    file=f"bench/{names[number % len(names)]}",
                    sha256=hashlib.sha256(f"{asset.pk}".encode()).hexdigest(),
                    mime="image/jpeg",
                    extension=".jpg",
                    size=1,
                    width=360,
                    height=480,
                )
                for asset, number in zip(assets, numbers, strict=True)
            ]
        )
        for asset, version in zip(assets, versions, strict=True):
            asset.current = version
        Asset.objects.bulk_update(assets, ["current"], batch_size=1_000)
        made += [asset.pk for asset in assets]
    return made


def throughput(precision: str, plain: Callable[[], int]) -> list[Row]:
    """Ours in this precision (empty: the default), the plain loop and the model alone, in turn."""
    from django.conf import settings

    from search.encoders.registry import get_encoder
    from search.spaces import encoder_of

    settings.SEARCH_PRECISION = precision or "auto"
    get_encoder.cache_clear()
    space = only_live()
    found = in_turn(space, PHOTOS, (plain, PLAIN_SECONDS), (forward(encoder_of(space)), FORWARD_SECONDS))
    rate, loop, limit = found
    settings.SEARCH_PRECISION = "auto"
    get_encoder.cache_clear()
    name = f"_{precision}" if precision else ""
    return [
        Row(f"encode.pictures_per_second{name}", rate, "pictures/s", "plain loop", loop),
        Row(
            f"encode.share_of_limit{name}", round(rate / limit, 3), "share", "forward only, pictures/s", limit
        ),
    ]


def in_turn(
    space: Space, count: int, plain: tuple[Callable[[], int], float], limit: tuple[Callable[[], int], float]
) -> tuple[float, float, float]:
    """Pictures a second of ours with so many files, of the plain loop and of the limit, each of these for its
    seconds; rounds in turn, medians."""
    from search import outbox

    outbox.enqueue(photos(64), [space])
    outbox.drain(space)
    ours, loops, limits = [], [], []
    for _ in tqdm(range(ROUNDS), "Throughput"):
        loops.append(rate_of(*plain))
        limits.append(rate_of(*limit))
        outbox.enqueue(photos(count), [space])
        done = outbox.drain(space)
        if done.encoded != count or done.indexed != count:
            raise RuntimeError(f"{done.encoded} of {count} were encoded: {done.postponed}")
        ours.append(done.pictures_per_second)
    print("rounds:", {"ours": ours, "plain loop": loops, "limit": limits})
    rate, loop, most = (round(statistics.median(found), 2) for found in (ours, loops, limits))
    return rate, loop, most


def forward(encoder: Encoder, count: int = 32) -> Callable[[], int]:
    """The encoder on so many photos that are prepared."""
    from PIL import Image

    paths = sorted(CLOTHING.glob("*.jpg"))[:count]
    ready = [encoder.prepare(Image.open(path)) for path in paths]

    def once() -> int:
        return len(encoder.encode_prepared(ready))

    once()
    return once


def plain_loop(milvus_uri: str, model_name: str, device: str) -> Callable[[], int]:
    """What tutorials show: one picture, one forward, one insert."""
    import open_clip
    import torch
    from PIL import Image
    from pymilvus import MilvusClient

    weights = str(checkpoint(model_name))
    model, _, preprocess = open_clip.create_model_and_transforms(model_name, weights, device=device)
    model.eval()
    dimension = open_clip.get_model_config(model_name)["embed_dim"]
    client = MilvusClient(milvus_uri)
    name = f"plain_loop_{dimension}"
    client.create_collection(name, dimension=dimension, metric_type="COSINE")
    paths = iter(sorted(CLOTHING.glob("*.jpg")) * 100)
    number = iter(range(1_000_000))

    def once() -> int:
        image = preprocess(Image.open(next(paths))).unsqueeze(0).to(device)
        with torch.no_grad():
            vector = model.encode_image(image)[0]
        vector = vector / vector.norm()
        client.insert(name, {"id": next(number), "vector": vector.tolist()})
        return 1

    once()
    return once


def rate_of(once: Callable[[], int], seconds: float) -> float:
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += once()
    return done / (time.perf_counter() - started)


def precisions() -> list[Row]:
    """Forward only in every precision, and the starter with its preparation."""
    from django.conf import settings
    from PIL import Image

    from search.encoders.openclip import OpenClipEncoder
    from search.encoders.registry import get_encoder

    rows, argument = [], settings.SEARCH_ENCODER.partition(":")[2]
    f32 = 0.0
    for precision in ("f32", "bf16", "int8"):
        settings.SEARCH_PRECISION = precision
        encoder = OpenClipEncoder(argument)
        rate = round(rate_of(forward(encoder), FORWARD_SECONDS), 2)
        f32 = f32 or rate
        rows.append(Row(f"encode.forward_{precision}", rate, "pictures/s", "OpenVINO f32", f32))
        rows.append(
            Row(f"encode.cosine_{precision}", encoder.runtime().cosine or 0, "worst sample", "torch f32", 1.0)
        )
    settings.SEARCH_PRECISION = "auto"
    starter = get_encoder("starter")
    pictures = [Image.open(path).convert("RGB") for path in sorted(CLOTHING.glob("*.jpg"))[:64]]
    starter.encode_images(pictures)
    rate = round(rate_of(lambda: len(starter.encode_images(pictures)), FORWARD_SECONDS), 2)
    return [*rows, Row("encode.starter_pictures_per_second", rate, "pictures/s", "", None)]


def interactive() -> list[Row]:
    """p95 of text queries over REST with nothing else to do, and while a worker takes in a bulk import."""
    from search import outbox
    from search.models import IndexEntry

    space = only_live()
    port = free_ports(1)[0]
    web = [
        "-m",
        "gunicorn",
        "atelier.wsgi",
        "--bind",
        f"{HOST}:{port}",
        "--threads",
        "8",
        "--no-control-socket",
    ]
    worker = [
        "-m",
        "celery",
        "--app",
        "atelier",
        "--quiet",
        "worker",
        "--pool",
        "threads",
        "--concurrency",
        "4",
    ]
    with _process(web):
        _until_answered(port)
        calm = _times(port, "calm", 100)
        outbox.enqueue(photos(6_000), [space])
        with _process([*worker, "--loglevel", "warning", "--without-gossip", "--without-mingle"]):
            from search.tasks import drain_outbox

            drain_outbox.delay()
            before = IndexEntry.objects.filter(space=space, state="indexed").count()
            _until(lambda: IndexEntry.objects.filter(space=space, state="indexed").count() > before + 64)
            started, first = (
                time.perf_counter(),
                IndexEntry.objects.filter(space=space, state="indexed").count(),
            )
            new = _times(port, "busy", QUERIES)
            repeated = _times(port, "busy", QUERIES)
            seconds = time.perf_counter() - started
            rate = (IndexEntry.objects.filter(space=space, state="indexed").count() - first) / seconds
            if not IndexEntry.objects.filter(space=space, state__in=("pending", "working")).exists():
                raise RuntimeError("The import ended before the queries did.")
        IndexEntry.objects.filter(space=space).exclude(state="indexed").delete()
    return [
        Row("encode.query_p95_ms_during_import", _p95(new), "ms, new words", "nothing else runs", _p95(calm)),
        Row("encode.query_p95_ms_during_import_cached", _p95(repeated), "ms, asked before", "", None),
        Row("encode.pictures_per_second_beside_queries", round(rate, 2), "pictures/s", "", None),
    ]


@contextlib.contextmanager
def _process(arguments: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, preexec_fn=end_with_parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask(port: int, words: str) -> float:
    """Milliseconds that one query took."""
    address = f"http://{HOST}:{port}/api/v1/search/?{urllib.parse.urlencode({'q': words, 'limit': 20})}"
    started = time.perf_counter()
    with urllib.request.urlopen(address, timeout=60) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - started)


def _until(holds: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("The servers of the benchmark did not come to work in time.")
        time.sleep(0.25)


def _until_answered(port: int) -> None:
    def answers() -> bool:
        with contextlib.suppress(OSError):
            return _ask(port, "warm-up") > 0
        return False

    _until(answers)


def _times(port: int, which: str, count: int) -> list[float]:
    """One query after the other with a pause, as one person types; each has words of its own."""
    times = []
    for number in tqdm(range(count), f"Queries: {which}"):
        times.append(_ask(port, f"red dress number {which} {number}"))
        time.sleep(0.05)
    return times


def _p95(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=20, method="inclusive")[-1], 1)


def memory(count: int) -> list[Row]:
    """Resident memory of a process that indexes so many files, at a tenth, the middle and the end."""
    from django.conf import settings

    from search import outbox

    use(settings.MILVUS_URI, f"openclip:tiny-clip/{checkpoint('tiny-clip')}")
    settings.MILVUS_COLLECTION_PREFIX = "memory"
    space = only_live()
    for keys in np.array_split(photos(count), max(1, count // 5_000)):
        outbox.enqueue([int(key) for key in keys], [space])
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            seen.append(_resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    done = outbox.drain(space, progress=True)
    rate = done.encoded / (time.perf_counter() - started)
    stop.set()
    watcher.join()
    if done.encoded != count:
        raise RuntimeError(f"{done.encoded} of {count} were encoded: {done.postponed}")
    tenth, half, end = (round(seen[int(len(seen) * share) - 1] / 1e6) for share in (0.1, 0.5, 1.0))
    return [
        Row("encode.memory_mb_half_way", half, "MB", "at a tenth of the way", tenth),
        Row("encode.memory_mb_end", end, "MB", "at a tenth of the way", tenth),
        Row("encode.memory_pictures_per_second", round(rate, 1), "pictures/s, tiny model", "", None),
    ]


def only_live() -> Space:
    """The space of the encoder that is set now, in place of the one before."""
    from django.conf import settings

    from search.models import Space, SpaceState
    from search.spaces import declare_space

    Space.objects.update(state=SpaceState.RETIRED)
    space = declare_space(settings.SEARCH_ENCODER, SpaceState.LIVE)
    Space.objects.filter(pk=space.pk).update(state=SpaceState.LIVE)
    return space


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

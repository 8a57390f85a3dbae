"""Encoding on a CUDA GPU: from a file to a vector in Milvus, beside the plain loop and the tower alone."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.benchmarks.duplicates import CLOTHING
from tests.benchmarks.encode import (
    ROUNDS,
    checkpoint,
    forward,
    in_turn,
    only_live,
    photos,
    plain_loop,
    rate_of,
    servers,
    use,
)
from tests.benchmarks.rows import ROOT, Row, report
from tests.services.children import end_with_parent
from tests.services.processes import eventually

if TYPE_CHECKING:
    import torch

    from search.encoders.local import LocalEncoder
    from search.models import Space

MODELS = ("ViT-B-32", "ViT-L-14")
PHOTOS = 1_500  # indexed in each round
SECONDS = 2.0
BATCHES = (32, 128, 512)
SAMPLE = 48  # photos whose vectors are compared with those of torch in float32 on the CPU
REFERENCE = "torch float32, CPU"
SENTENCES = 300
WORKERS = (4, 8)  # processes
READY = "ready"
DRAIN = f"""
import django
django.setup()
from PIL import Image
from search import outbox, spaces
spaces.encoder_of(spaces.live_space()).encode_images([Image.new("RGB", (64, 64))])
print("{READY}", flush=True)
input()
outbox.drain()
"""
SHARED = 8_000  # pictures that so many workers index together


def run() -> None:
    """Every model in turn; without a GPU it says so and measures nothing."""
    import torch

    if not torch.cuda.is_available():
        print("cuda: not measured. It needs a CUDA GPU, and torch finds none on this machine.")
        return
    rows: list[Row] = []
    with servers() as milvus:
        for model in MODELS:
            use(milvus.uri, f"openclip:{model}/{checkpoint(model)}")
            speed = _throughput(model, milvus.uri)
            rows += [
                *speed,
                *_workers(model, speed[0]),
                *_memory(model),
                *_agreement(model),
                *_sentences(model),
            ]
    report("cuda", _about(), rows)


def _about() -> str:
    import torch

    return (
        f"On one {torch.cuda.get_device_name()} beside {os.cpu_count()} cores, torch {torch.__version__}: "
        f"clothing photos (360 × 480) from file on disk to vector in Milvus 2.3.5 with PostgreSQL; {ROUNDS} "
        f"rounds in turn of {PHOTOS:,} photos, medians. Weights are random and cost what trained ones cost. "
        "The plain loop: open with Pillow, encode one in torch float32 on the GPU, insert one. The tower "
        "alone: bfloat16 pixels that are on the GPU already. Cosines: the worst of "
        f"{SAMPLE} photos, or of as many sentences, to torch in float32 on the CPU. GPU memory: the most "
        "that torch has held in one process."
    )


def _throughput(model: str, milvus_uri: str) -> list[Row]:
    """End to end, the plain loop and the tower alone in turn; then the tower at other sizes of batch."""
    space = only_live()
    encoder = _encoder(space)
    key, batch = _key(model), _batch(encoder)
    tower = _tower(encoder)
    plain, limited = plain_loop(milvus_uri, model, "cuda"), _alone(tower, encoder, batch)
    ours, loop, limit = in_turn(space, PHOTOS, (plain, SECONDS), (limited, SECONDS))
    ready = round(rate_of(forward(encoder, 4 * batch), SECONDS), 2)
    sizes = {size: round(rate_of(_alone(tower, encoder, size), SECONDS / 2), 2) for size in BATCHES}
    best = max(sizes, key=lambda size: sizes[size])
    print(model, "tower alone by batch:", sizes)
    alone = f"tower alone, batches of {batch}"
    return [
        Row(f"cuda.pictures_per_second_{key}", ours, "pictures/s", "plain loop", loop),
        Row(f"cuda.share_of_limit_{key}", round(ours / limit, 3), "share", f"{alone}, pictures/s", limit),
        Row(f"cuda.encoder_{key}", ready, "pictures/s, pixels ready on the host", alone, limit),
        Row(f"cuda.best_batch_{key}", sizes[best], f"pictures/s in batches of {best}", alone, limit),
    ]


def _tidy() -> None:
    """What nobody holds any more leaves the GPU."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _encoder(space: Space) -> LocalEncoder:
    from search.encoders.local import LocalEncoder
    from search.spaces import encoder_of

    encoder = encoder_of(space)
    if not isinstance(encoder, LocalEncoder):
        raise TypeError(f"{space} has no weights on this machine.")
    return encoder


def _batch(encoder: LocalEncoder) -> int:
    """How many pictures the product sends through the tower at once."""
    encoder.encode_images([Image.open(_paths()[0])])
    return encoder._run("picture").batch


def _tower(encoder: LocalEncoder) -> torch.nn.Module:
    """The picture tower in bfloat16 on the GPU."""
    import torch

    return encoder._load_towers().picture.eval().to("cuda", torch.bfloat16)


def _alone(tower: torch.nn.Module, encoder: LocalEncoder, batch: int) -> Callable[[], int]:
    """The tower on so many pictures whose pixels are on the GPU."""
    import torch

    pixels = _pixels(encoder, batch).to("cuda", torch.bfloat16)

    def once() -> int:
        with torch.inference_mode():
            tower(pixels)
        torch.cuda.synchronize()
        return batch

    once()
    return once


def _paths() -> list[Path]:
    return sorted(CLOTHING.glob("*.jpg"))


def _pixels(encoder: LocalEncoder, count: int) -> torch.Tensor:
    """So many photos as the towers take them, float32 [n, 3, side, side]."""
    import torch

    paths = (_paths() * (1 + count // len(_paths())))[:count]
    prepared = [encoder.prepare(Image.open(path)) for path in paths]
    return torch.from_numpy(np.stack([arrays[0] for arrays in prepared])).float()


def _memory(model: str) -> list[Row]:
    """What torch holds on the GPU after one drain, and after as many again."""
    import torch

    from search import outbox
    from search.encoders.registry import get_encoder

    get_encoder.cache_clear()
    _tidy()
    torch.cuda.reset_peak_memory_stats()
    space = only_live()
    seen = []
    for _ in range(2):
        outbox.enqueue(photos(1_000), [space])
        done = outbox.drain(space)
        if done.encoded != 1_000:
            raise RuntimeError(f"{done.encoded} of 1,000 were encoded: {done.postponed}")
        seen.append(round(torch.cuda.max_memory_reserved() / 1e6))
    first, last = seen
    return [Row(f"cuda.gpu_memory_mb_{_key(model)}", last, "MB, 2,000 photos", "MB, 1,000 photos", first)]


def _agreement(model: str) -> list[Row]:
    """bfloat16 and float32 on the GPU against float32 on the CPU, pictures and sentences."""
    import torch

    from search.encoders.exports import worst_cosine

    space = only_live()
    encoder = _encoder(space)
    sentences = [f"a photo of a red dress, number {number}" for number in range(SAMPLE)]
    pictures = encoder.encode_images([Image.open(path) for path in _paths()[:SAMPLE]])
    texts = encoder.encode_texts(sentences)
    towers = encoder._load_towers()
    frontend = encoder._load_frontend(towers.recipe)
    pixels = torch.from_numpy(
        np.stack([frontend.pixels(Image.open(path).convert("RGB"))[0] for path in _paths()[:SAMPLE]])
    )
    tokens = torch.from_numpy(frontend.tokens(sentences)[0])
    with torch.inference_mode():
        expected, words = towers.picture(pixels), towers.text(tokens)
        f32 = torch.cat([towers.picture.to("cuda")(part.to("cuda")) for part in pixels.split(8)]).cpu()
    units = torch.nn.functional.normalize(expected)
    print(model, "two photos' vectors differ up to a cosine of", float((units @ units.T).min()))
    compared = (
        ("cosine", "worst photo", pictures, expected),
        ("cosine_text", "worst sentence", texts, words),
        ("cosine_f32", "worst photo, float32", f32.numpy(), expected),
    )
    return [
        Row(f"cuda.{name}_{_key(model)}", round(worst_cosine(ours, theirs.numpy()), 6), unit, REFERENCE, 1.0)
        for name, unit, ours, theirs in compared
    ]


def _sentences(model: str) -> list[Row]:
    """One sentence at a time, as queries come, and many at once."""
    encoder, key = _encoder(only_live()), _key(model)
    encoder.encode_texts(["warm-up"])
    times = []
    for number in range(SENTENCES):
        started = time.perf_counter()
        encoder.encode_texts([f"red dress number {number}"])
        times.append(1000 * (time.perf_counter() - started))
    many = [f"a red dress with {number} buttons" for number in range(256)]
    rate = round(rate_of(lambda: len(encoder.encode_texts(many)), SECONDS), 1)
    p95 = round(statistics.quantiles(times, n=20, method="inclusive")[-1], 2)
    return [
        Row(f"cuda.sentence_p50_ms_{key}", round(statistics.median(times), 2), "ms, one sentence", "", None),
        Row(f"cuda.sentence_p95_ms_{key}", p95, "ms, one sentence", "", None),
        Row(f"cuda.sentences_per_second_{key}", rate, "sentences/s, 256 at once", "", None),
    ]


def _workers(model: str, alone: Row) -> list[Row]:
    """So many processes that drain the same outbox through the same GPU, from when all have loaded."""
    from search import outbox

    space, rows = only_live(), []
    for count in WORKERS:
        outbox.enqueue(photos(SHARED), [space])
        before = _indexed(space)
        started = [_worker() for _ in range(count)]
        try:
            for process in started:
                _wait_until_ready(process)
            begun = time.perf_counter()
            for process in started:
                print(file=process.stdin, flush=True)
            eventually(
                lambda until=before + SHARED: _indexed(space) >= until,
                "all are indexed",
                seconds=240,
                pause=0.05,
            )
            rate = round(SHARED / (time.perf_counter() - begun), 2)
        finally:
            for process in started:
                process.communicate(timeout=120)
        name = f"cuda.pictures_per_second_{_key(model)}_{count}_workers"
        rows.append(Row(name, rate, "pictures/s", "one worker", alone.value))
    return rows


def _worker() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DRAIN],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=end_with_parent,
    )


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or not any(line.strip() == READY for line in process.stdout):
        raise RuntimeError("A worker of the benchmark ended before it had loaded its encoder.")


def _indexed(space: Space) -> int:
    from search.models import IndexEntry, IndexState

    return IndexEntry.objects.filter(space=space, state=IndexState.INDEXED).count()


def _key(model: str) -> str:
    return model.lower().replace("-", "_")

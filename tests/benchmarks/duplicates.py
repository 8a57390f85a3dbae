"""Near duplicates: how many copies are found, how many others, and how fast among a million."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from tqdm import tqdm

from tests.benchmarks.library import MILLION, fill, postgres
from tests.benchmarks.rows import Row, report

ASKED = 200
PHOTOS = 700
SEED = 20261123
CLOTHING = Path(__file__).resolve().parents[3] / "shared" / "data" / "clothing" / "images"

Change = Callable[[Image.Image], Image.Image]


def _marked(image: Image.Image) -> Image.Image:
    marked, (width, height) = image.copy(), image.size
    box = (width * 0.6, height * 0.9, width * 0.95, height * 0.96)
    ImageDraw.Draw(marked).rectangle(box, fill="white")
    return marked


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 40, height // 40, width - width // 40, height - height // 40))


def _half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def _brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.2)


def _harder(image: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1.3)


def _grey(image: Image.Image) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2))


def _tilted(image: Image.Image) -> Image.Image:
    return image.rotate(2, resample=Image.Resampling.BICUBIC, fillcolor="white")


def _framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, image.width // 40, "white")


def _turned(image: Image.Image) -> Image.Image:
    return image.rotate(90, expand=True)


COPIES: dict[str, Change] = {
    "half_size": _half,
    "brightness_120": _brighter,
    "contrast_130": _harder,
    "grey": _grey,
    "blurred": _blurred,
    "white_mark": _marked,
    "cropped_5_percent": _cropped,
    "tilted_2_degrees": _tilted,
    "white_frame": _framed,
    "mirrored": ImageOps.mirror,
    "turned_90_degrees": _turned,
}


def run() -> None:
    """Both measurements, on PostgreSQL and on the clothing photos where they are there."""
    with postgres():
        rows = _speed()
    if CLOTHING.is_dir():
        rows += _quality()
    else:
        print(f"No clothing photos at {CLOTHING}: recall and precision were not measured.")
    about = (
        f"Near duplicates among {MILLION:,} versions on PostgreSQL, {ASKED} of them asked about, against a "
        f"scan in SQL for hashes within the same distance. Recall: the share of {PHOTOS} clothing photos "
        "whose changed copy is found, against the hash alone (10 bits, not turned). Precision: of the pairs "
        f"of a photo and any of the {len(COPIES)} copies of all photos that are taken for copies, the share "
        "that are. False pairs: different photos taken for copies, per million pairs."
    )
    report("duplicates", about, rows)


def _speed() -> list[Row]:
    from django.db import connection

    from dam.duplicates import alike
    from dam.models import AssetVersion

    fill()
    draw = random.Random(SEED)
    asked = list(AssetVersion.objects.filter(pk__in=draw.sample(range(1, MILLION + 1), ASKED)))
    by_index, by_scan = [], []
    for version in tqdm(asked, "Asking about versions"):
        started = time.perf_counter()
        alike(version)
        by_index.append(1000 * (time.perf_counter() - started))
    for version in tqdm(asked[:20], "The same by a scan"):
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT asset_id FROM dam_assetversion WHERE "
                "bit_count(('x' || perceptual_hash)::bit(64) # ('x' || %s)::bit(64)) <= 10",
                [version.perceptual_hash],
            )
            cursor.fetchall()
        by_scan.append(1000 * (time.perf_counter() - started))
    scan = round(statistics.median(by_scan), 1)
    return [
        Row("duplicates.lookup_p50_ms_1m", _rounded(by_index, 50), "ms", "scan in SQL, median", scan),
        Row("duplicates.lookup_p95_ms_1m", _rounded(by_index, 95), "ms", "scan in SQL, median", scan),
    ]


def _quality() -> list[Row]:
    from dam.fingerprints import nearness

    files = sorted(CLOTHING.iterdir())
    chosen = random.Random(SEED).sample(files, PHOTOS)
    with ProcessPoolExecutor() as pool:
        seen = list(tqdm(pool.map(_fingerprints, chosen, chunksize=10), "Changing photos", PHOTOS))
    rows = []
    for name in COPIES:
        ours = [nearness(prints[""], prints[name]) is not None for prints in seen]
        plain = [_bits(prints[""].hash, prints[name].hash) <= 10 for prints in seen]
        rows.append(
            Row(
                f"duplicates.recall.{name}",
                round(statistics.mean(ours), 4),
                "share",
                "hash alone",
                round(statistics.mean(plain), 4),
            )
        )
    rows.append(_precision(seen))
    pairs = list(combinations([prints[""] for prints in seen], 2))
    wrong = sum(nearness(first, second) is not None for first, second in tqdm(pairs, "Different photos"))
    plain_wrong = sum(_bits(first.hash, second.hash) <= 10 for first, second in pairs)
    per_million = MILLION / len(pairs)
    rows.append(
        Row(
            "duplicates.false_pairs_per_million",
            round(wrong * per_million, 1),
            "pairs",
            "hash alone",
            round(plain_wrong * per_million, 1),
        )
    )
    return rows


def _precision(seen: list[dict[str, Any]]) -> Row:
    """Of all pairs of a photo and a changed copy that are taken for copies, the share that are."""
    from dam.fingerprints import nearness, within_reach

    copies = [(owner, prints[name]) for owner, prints in enumerate(seen) for name in COPIES]
    hashes = [copy.hash for _owner, copy in copies]
    ours, plain = [], []
    for owner, prints in enumerate(tqdm(seen, "Photos beside all copies")):
        for index in within_reach(prints[""], hashes):
            of, copy = copies[index]
            if nearness(prints[""], copy) is not None:
                ours.append(of == owner)
            if _bits(prints[""].hash, copy.hash) <= 10:
                plain.append(of == owner)
    right, plainly = round(statistics.mean(ours), 4), round(statistics.mean(plain), 4)
    return Row("duplicates.precision", right, "share", "hash alone", plainly)


def _fingerprints(file: Path) -> dict[str, Any]:
    """Of the photo, under the empty name, and of each changed copy."""
    from dam.fingerprints import fingerprint

    with Image.open(file) as image:
        photo = image.convert("RGB")
    found = {}
    for name, change in {"": _same, **COPIES}.items():
        changed = change(photo)
        changed.thumbnail((320, 320))
        found[name] = fingerprint(changed)
    return found


def _same(image: Image.Image) -> Image.Image:
    return image.copy()


def _bits(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _rounded(times: list[float], percentile: int) -> float:
    return round(statistics.quantiles(times, n=100)[percentile - 1], 1)

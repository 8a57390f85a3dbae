"""The demo: load the sample library, index it, ask it, generate from it, and find the result again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings

from dam.models import Asset, AssetKind
from dam.sample.library import load_sample
from generation.jobs import JobError, create_job
from generation.models import GenerationItem, GenerationJob, ItemState
from generation.planning import Plan, PlanError, plan_composition, plan_outfits, plan_scenes
from generation.running import run_job
from search import terms
from search.calibration import calibrate_due
from search.outbox import drain
from search.query import Filters, SearchRequest, search
from search.spaces import encoder_of, index_of, live_space

QUERIES = ("golden crown", "金色手表", "一位精灵弓箭手")
COMPOSITION = "戴着火焰皇冠的精灵弓箭手"
MODELS_QUERY, GARMENTS_QUERY, ACCESSORIES_QUERY = "person standing", "dress", "hat"
SCENES_QUERY = "outdoors"

Say = Callable[[str], None]


class DemoError(Exception):
    """A step of the demo did not do what it should; the message says which."""


@dataclass
class Found:
    """The top of one search."""

    query: str
    took_ms: float
    results: list[dict[str, Any]]


@dataclass
class Report:
    """What the demo did, as `demo --json` prints it."""

    assets: int = 0
    new_assets: int = 0
    load_seconds: float = 0.0
    indexed: int = 0
    pictures_per_second: float = 0.0
    index: dict[str, Any] = field(default_factory=dict)
    searches: list[Found] = field(default_factory=list)
    similar: Found | None = None
    batch: list[dict[str, Any]] = field(default_factory=list)
    found_again: Found | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run_demo(say: Say) -> Report:
    """Every step of the demo, each through the entrance that users take.

    Args:
        say: takes one line for the person who watches.

    Raises:
        DemoError: a step found or made nothing.
        EncoderError: the index was built with other weights than the encoder has now; nothing was done.
    """
    started = time.perf_counter()
    encoder_of(live_space())
    report = Report()
    _load(report, say)
    _index(report, say)
    for query in QUERIES:
        report.searches.append(_ask(SearchRequest(text=query, limit=5), query, say))
    _similar(report, say)
    items = _generate(report, say)
    _index(report, say)
    _find_again(report, items[0], say)
    report.seconds = round(time.perf_counter() - started, 1)
    return report


def _load(report: Report, say: Say) -> None:
    say("1. Loading the sample library (OpenMoji, CC BY-SA 4.0)")
    loaded = load_sample()
    report.new_assets = loaded.imported
    report.load_seconds = round(loaded.seconds, 1)
    report.assets = Asset.objects.in_library().count()
    say(f"   {report.assets:,} assets in the library, {report.new_assets:,} of them new")


def _index(report: Report, say: Say) -> None:
    say(f"2. Encoding with “{settings.SEARCH_ENCODER}” and indexing in Milvus")
    drained = drain(progress=True)
    if drained.postponed:
        raise DemoError(drained.postponed)
    if drained.failed:
        raise DemoError(
            f"{drained.failed} assets could not be indexed; `manage.py index --status` says which and why."
        )
    calibrate_due()
    terms.refresh()
    report.indexed += drained.indexed
    report.pictures_per_second = max(report.pictures_per_second, round(drained.pictures_per_second, 1))
    say(f"   {drained.indexed:,} indexed, {drained.pictures_per_second:.0f} pictures per second")
    report.index = _index_size()
    on_disk = f", {report.index['bytes'] / 1e6:.1f} MB on disk" if report.index["bytes"] else ""
    say(f"   the index: {report.index['vectors']:,} vectors of {report.index['dimension']}{on_disk}")


def _index_size() -> dict[str, Any]:
    """What Milvus holds; bytes are known where it is the embedded one."""
    space = live_space()
    folder = None if settings.MILVUS_URI else settings.MILVUS_LITE_DIR
    files = (path for path in folder.rglob("*") if path.is_file()) if folder else ()
    return {
        "space": space.slug,
        "vectors": index_of(space).count(),
        "dimension": space.dimension,
        "bytes": sum(path.stat().st_size for path in files) or None,
    }


def _ask(request: SearchRequest, words: str, say: Say) -> Found:
    results = search(request, user=None)
    if results.degraded:
        raise DemoError(results.degraded)
    if not results.hits:
        raise DemoError(f"The search for “{words}” found nothing.")
    found = Found(
        query=words,
        took_ms=round(results.took_ms, 1),
        results=[
            {
                "id": str(hit.asset.public_id),
                "title": hit.asset.title,
                "title_zh": hit.asset.title_zh,
                "kind": hit.asset.kind,
                "score": round(hit.score, 4),
            }
            for hit in results.hits
        ],
    )
    say(f"   “{words}” ({found.took_ms:.0f} ms)")
    for rank, row in enumerate(found.results, start=1):
        say(f"      {rank}. {row['title']} · {row['title_zh']} ({row['kind']})")
    return found


def _similar(report: Report, say: Say) -> None:
    first = report.searches[-1].results[0]
    say("3. More like this")
    asset = Asset.objects.get(public_id=first["id"])
    report.similar = _ask(SearchRequest(like=asset, limit=5), f"like: {asset.title}", say)


def _choose(sentence: str, kind: AssetKind, count: int) -> list[Asset]:
    request = SearchRequest(text=sentence, filters=Filters(kind=(kind,)), relevant_only=False, limit=count)
    results = search(request, user=None)
    if len(results.hits) < count:
        raise DemoError(f"“{sentence}” found {len(results.hits)} of {count} assets of the kind {kind}.")
    return [hit.asset for hit in results.hits]


def _plans() -> list[Plan]:
    """Twelve outfits, four scenes, one character."""
    outfits = plan_outfits(
        _choose(MODELS_QUERY, AssetKind.MODEL, 3),
        _choose(GARMENTS_QUERY, AssetKind.GARMENT, 4),
        _choose(ACCESSORIES_QUERY, AssetKind.ACCESSORY, 1),
    )
    scenes = plan_scenes(
        _choose("shoes bag watch", AssetKind.ACCESSORY, 2), _choose(SCENES_QUERY, AssetKind.SCENE, 2)
    )
    return [outfits, scenes, plan_composition(COMPOSITION, user=None)]


def _generate(report: Report, say: Say) -> list[GenerationItem]:
    say("4. Generating boards (provider “board”: no key, no cost)")
    made: list[GenerationItem] = []
    for plan in _plans():
        made += _made_before(plan)
        if not plan.cells and plan.found:
            continue
        try:
            job = create_job(plan, owner=None)
        except (JobError, PlanError) as error:
            raise DemoError(str(error)) from error
        run_job(job, progress=True)
        made += _succeeded(job)
    for item in made:
        assert item.output is not None and item.output.current is not None  # noqa: S101  narrowed by _succeeded
        report.batch.append(
            {
                "asset": str(item.output.public_id),
                "title": item.output.title,
                "title_zh": item.output.title_zh,
                "file": _location(item.output),
            }
        )
        say(f"      {report.batch[-1]['title']}: {report.batch[-1]['file']}")
    return made


def _made_before(plan: Plan) -> list[GenerationItem]:
    """What an earlier demo has made is found, not made again."""
    keys = [cell.found.item for cell in plan.found if cell.found]
    items = GenerationItem.objects.filter(public_id__in=keys, output__isnull=False)
    return list(items.select_related("output__current").order_by("position"))


def _succeeded(job: GenerationJob) -> list[GenerationItem]:
    items = list(job.items.select_related("output__current"))
    unfinished = [item for item in items if item.state != ItemState.SUCCEEDED or item.output is None]
    if unfinished:
        why = unfinished[0].reason or unfinished[0].state
        raise DemoError(f"{len(unfinished)} of {len(items)} pictures were not made: {why}")
    return items


def _location(asset: Asset) -> str:
    """The path of the file, or its name where the storage is not a file system."""
    assert asset.current is not None  # noqa: S101  an ingested asset has a version
    try:
        return str(asset.current.file.path)
    except NotImplementedError:
        return str(asset.current.file.name)


def _find_again(report: Report, item: GenerationItem, say: Say) -> None:
    assert item.output is not None  # noqa: S101  narrowed by _succeeded
    say("5. Finding a generated picture again")
    report.found_again = _ask(SearchRequest(text=item.output.title, limit=5), item.output.title, say)
    if str(item.output.public_id) not in {row["id"] for row in report.found_again.results}:
        raise DemoError(f"“{item.output.title}” was generated but is not among the first five results.")

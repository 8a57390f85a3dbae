"""A worker that is killed in the middle loses nothing and does nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

from django.db.models import QuerySet
from django.utils import timezone
from PIL import Image
from pymilvus import MilvusClient

from dam.models import Asset, AssetKind, AssetOrigin, Lineage
from generation.models import GenerationItem, GenerationJob, ItemState, JobState
from generation.planning import plan_outfits
from generation.running import create_job
from generation.tasks import publish
from generation.tasks import sweep as sweep_generation
from search.index.connection import milvus_uri
from search.models import Embedding, IndexEntry, IndexState
from search.query import SearchRequest, search
from search.spaces import live_space
from search.tasks import sweep as sweep_search
from tests.factories import AssetFactory
from tests.pictures import picture
from tests.services.processes import Process, eventually

PICTURES = 200


def let_leases_run_out(rows: QuerySet) -> int:
    """What the killed worker held is free when its lease is over; here, at once."""
    return rows.filter(leased_until__isnull=False).update(leased_until=timezone.now() - timedelta(seconds=1))


def ids_in_milvus() -> list[int]:
    """Every row of the live collection, as the server has it now."""
    client = MilvusClient(milvus_uri())
    try:
        rows = client.query(
            live_space().collection,
            filter="id >= 0",
            output_fields=["id"],
            limit=10_000,
            consistency_level="Strong",
        )
    finally:
        client.close()
    return sorted(row["id"] for row in rows)


def test_killed_while_indexing(worker: Callable[[], Process]) -> None:
    for number in range(PICTURES):
        colour = f"hsl({number * 37 % 360}, 70%, 50%)"
        AssetFactory(file=picture(size=(480, 480), colour=colour, seed=number))
    entries = IndexEntry.objects.all()
    assert entries.filter(state=IndexState.PENDING).count() == PICTURES

    first = worker()
    eventually(
        lambda: (
            entries.filter(state=IndexState.WORKING).exists()
            and entries.filter(state=IndexState.INDEXED).exists()
        ),
        "a batch is done and the next under way",
        process=first,
    )
    first.kill()
    interrupted = set(entries.filter(state=IndexState.WORKING).values_list("asset_key", flat=True))
    assert 0 < len(interrupted) < PICTURES
    assert let_leases_run_out(entries) == len(interrupted)

    second = worker()
    sweep_search.delay()
    eventually(
        lambda: entries.filter(state=IndexState.INDEXED).count() == PICTURES,
        "every asset is indexed",
        process=second,
    )
    assets = sorted(Asset.objects.values_list("pk", flat=True))
    assert len(assets) == PICTURES
    assert ids_in_milvus() == assets
    assert sorted(entries.values_list("asset_key", flat=True)) == assets
    kept = Counter(Embedding.objects.values_list("sha256", flat=True))
    assert kept == Counter(Asset.objects.values_list("current__sha256", flat=True))

    for asset in Asset.objects.filter(pk__in=sorted(interrupted)[:5]).select_related("current"):
        assert asset.current is not None
        with asset.current.file.open("rb") as file, Image.open(BytesIO(file.read())) as image:
            best = search(SearchRequest(image=image.convert("RGB"), limit=1), user=None).hits[0]
        assert best.asset == asset


def test_killed_while_generating(worker: Callable[[], Process]) -> None:
    def drawn(kind: AssetKind, count: int) -> list[Asset]:
        return [
            AssetFactory(
                kind=kind,
                title=f"{kind.label} {number}",
                file=picture(
                    format="PNG", size=(700, 900), colour="teal", alpha=True, seed=number + 100 * len(kind)
                ),
            )
            for number in range(count)
        ]

    models, garments = drawn(AssetKind.MODEL, 4), drawn(AssetKind.GARMENT, 6)
    job = create_job(plan_outfits(models, garments), owner=None)
    items = GenerationItem.objects.filter(job=job)
    assert items.count() == 24

    first = worker()
    publish(job.pk)
    eventually(
        lambda: (
            items.filter(state=ItemState.RUNNING).exists()
            and items.filter(state=ItemState.SUCCEEDED).exists()
        ),
        "some pictures are made and others under way",
        process=first,
    )
    first.kill()
    interrupted = items.filter(state=ItemState.RUNNING).count()
    assert 0 < interrupted < 24
    let_leases_run_out(items)
    let_leases_run_out(IndexEntry.objects.all())  # it may have been indexing beside

    second = worker()
    sweep_generation.delay()
    eventually(
        lambda: GenerationJob.objects.get(pk=job.pk).state == JobState.FINISHED,
        "the job is finished",
        process=second,
    )
    assert Counter(items.values_list("state", flat=True)) == {ItemState.SUCCEEDED: 24}
    made = Asset.objects.filter(origin=AssetOrigin.GENERATED)
    assert sorted(made.values_list("pk", flat=True)) == sorted(items.values_list("output", flat=True))
    assert made.count() == 24
    pairs = {
        frozenset(Lineage.objects.filter(child=asset).values_list("parent", flat=True)) for asset in made
    }
    assert pairs == {frozenset({model.pk, garment.pk}) for model in models for garment in garments}
    sweep_search.delay()
    eventually(
        lambda: IndexEntry.objects.filter(state=IndexState.INDEXED).count() == Asset.objects.count(),
        "what was made is indexed",
        process=second,
    )

"""Near duplicates: found by index whatever was done to the copy, told apart by people, and merged."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from rest_framework.test import APIClient

from dam import duplicates, editing, versions
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.merging import merge
from dam.models import (
    Asset,
    AssetOrigin,
    AssetState,
    AssetVersion,
    AuditEntry,
    DuplicatePair,
    Lineage,
    PairState,
)
from generation.jobs import create_job
from generation.planning import plan_outfits
from tests.clients import api_of
from tests.factories import AssetFactory, CollectionFactory

PAIRS = "/admin/dam/duplicatepair/"
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.rotate(90, expand=True),
}


def photo(seed: int = 0, colour: str = "firebrick") -> Image.Image:
    """A thing with a shape of its own on a floor that is lit from one side."""
    floor = ImageOps.colorize(Image.linear_gradient("L").rotate(20 * seed), "tan", "ivory").resize((480, 600))
    draw = ImageDraw.Draw(floor)
    draw.polygon(
        [(120 + 9 * seed, 90), (330, 120 + 15 * seed), (400 - 20 * seed, 520), (70, 470)], fill=colour
    )
    draw.ellipse((300 - 30 * seed, 60 + 40 * seed, 450, 190 + 30 * seed), fill="navy")
    draw.rectangle((40, 300 + 20 * seed, 150 + 10 * seed, 360 + 20 * seed), fill="goldenrod")
    return floor


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_whatever_was_done_to_it(db: None, change: str) -> None:
    original = AssetFactory(file=jpeg(photo()))
    others = [AssetFactory(file=jpeg(photo(seed))) for seed in range(2, 6)]
    copy = AssetFactory(file=jpeg(COPIES[change](photo()), quality=60))
    assert duplicates.look() == 2 + len(others)
    pair = DuplicatePair.objects.get()
    assert (pair.first, pair.second) == (original, copy)
    assert pair.turned == (change in {"mirrored", "turned"})


def test_another_colour_is_another_picture(db: None) -> None:
    AssetFactory(file=jpeg(photo(colour="firebrick")))
    AssetFactory(file=jpeg(photo(colour="seagreen")))
    duplicates.look()
    assert not DuplicatePair.objects.exists()


def test_photos_of_clothing(db: None, clothing: Path) -> None:
    """Among real photos of one subject: every lightly changed copy is found, and hardly anything else."""
    files = sorted((clothing / "images").iterdir())[:60]
    originals = [AssetFactory(file=file.read_bytes()) for file in files]
    duplicates.look()
    among_themselves = DuplicatePair.objects.count()
    for file in files:
        with Image.open(file) as image:
            AssetFactory(file=jpeg(image.convert("RGB").resize((image.width // 2, image.height // 2)), 50))
    duplicates.look()
    found = set(DuplicatePair.objects.filter(second__pk__gt=originals[-1].pk).values_list("first", flat=True))
    assert {asset.pk for asset in originals} <= found
    assert among_themselves <= 1


def test_looking_takes_a_query_a_picture_and_no_scan(db: None) -> None:
    for seed in range(6):
        AssetFactory(file=jpeg(photo(seed)))
    with CaptureQueriesContext(connection) as captured:
        duplicates.look()
    asked = [query["sql"] for query in captured if 'hash_band_0" IN' in query["sql"]]
    assert len(asked) == 6
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # a table of six rows is read faster than any index
            cursor.execute("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{explain} {asked[0]}")
        plan = str(cursor.fetchall())
    assert "hash_band_0" in plan
    assert "SCAN dam_assetversion" not in plan
    assert "Seq Scan on dam_assetversion" not in plan


def test_the_page_shows_what_looks_like_it_before_and_after_the_worker_has_looked(
    client: Client, editor: User
) -> None:
    original, copy = (
        AssetFactory(file=jpeg(photo())),
        AssetFactory(title="Copy", file=jpeg(photo(), quality=40)),
    )
    client.force_login(editor)
    address = f"/admin/dam/asset/{original.pk}/change/"

    def shown() -> tuple[list[Asset], int]:
        with CaptureQueriesContext(connection) as captured:
            alike = client.get(address).context["alike"]
        return [other for other, _likeness in alike], sum("hash_band_0" in query["sql"] for query in captured)

    found, searches = shown()
    assert (found, searches > 0) == ([copy], True)
    duplicates.look()
    with_pairs, searches_then = shown()
    assert with_pairs == [copy]
    assert searches_then < searches  # the pairs that are kept, no new search


def test_versions_from_before_fingerprints_get_theirs(db: None) -> None:
    old, new = AssetFactory(file=jpeg(photo())), AssetFactory(file=jpeg(photo(), quality=40))
    AssetVersion.objects.filter(asset=old).update(colour_layout="", perceptual_hash="", hash_band_0=None)
    duplicates.look()
    assert DuplicatePair.objects.get().second == new


def test_the_api_shows_what_the_caller_may_see(staff_api: APIClient, stranger: User) -> None:
    mine = AssetFactory(file=jpeg(photo()), owner=stranger)
    hidden = AssetFactory(file=jpeg(photo(), quality=40), state=AssetState.DRAFT)
    found = staff_api.get(f"/api/v1/assets/{mine.public_id}/duplicates/").json()
    assert [row["asset"]["id"] for row in found] == [str(hidden.public_id)]
    api = api_of(stranger)
    assert api.get(f"/api/v1/assets/{mine.public_id}/duplicates/").json() == []


def test_merging_keeps_tags_skus_collections_and_lineage(staff_api: APIClient, editor: User) -> None:
    parent, child_of_other = AssetFactory(), AssetFactory()
    kept = AssetFactory(title="Kept", tags=["a"], skus=[("S-1", "packshot")])
    other = AssetFactory(
        title="Other", title_zh="另一个", tags=["a", "b"], skus=[("S-2", "detail")], licence="CC0"
    )
    Lineage.objects.create(parent=parent, child=other, role="garment")
    Lineage.objects.create(parent=other, child=child_of_other, role="model")
    Lineage.objects.create(parent=kept, child=child_of_other, role="model")
    collection = CollectionFactory()
    editing.add_to_collection(collection, [parent, other], actor=editor)

    response = staff_api.post(
        f"/api/v1/assets/{kept.public_id}/merge/", {"others": [str(other.public_id)]}, format="json"
    )

    assert response.status_code == 200, response.content
    kept.refresh_from_db()
    other.refresh_from_db()
    assert (kept.title, kept.title_zh, kept.licence) == ("Kept", "另一个", "CC0")
    assert {tag.slug for tag in kept.tags.all()} == {"a", "b"}
    assert set(kept.sku_links.values_list("sku__code", "role")) == {("S-1", "packshot"), ("S-2", "detail")}
    assert list(collection.items.values_list("asset", "position")) == [(parent.pk, 0), (kept.pk, 1)]
    assert list(kept.parent_links.values_list("parent", "role")) == [(parent.pk, "garment")]
    assert list(kept.children_links.values_list("child", "role")) == [(child_of_other.pk, "model")]
    assert (other.state, other.merged_into) == (AssetState.TRASHED, kept)
    assert AuditEntry.objects.get(action="asset.merged").details == {"merged": [str(other.public_id)]}

    editing.restore([other], actor=editor)
    other.refresh_from_db()
    assert other.merged_into is None


@pytest.mark.parametrize(
    ("releases", "kept_one", "ends"),
    [
        ([("not_needed", None), ("missing", None)], "missing", None),
        ([("not_needed", None), ("signed", "2031-05-01")], "signed", "2031-05-01"),
        ([("signed", "2031-05-01"), ("signed", "2030-05-01")], "signed", "2030-05-01"),
    ],
)
def test_of_rights_what_allows_less_counts_in_a_merger(
    editor: User, releases: list[tuple[str, str | None]], kept_one: str, ends: str | None
) -> None:
    kept, other = (
        AssetFactory(model_release=said, release_expires_on=day and date.fromisoformat(day))
        for said, day in releases
    )
    merge(kept, [other], actor=editor)
    kept.refresh_from_db()
    assert (kept.model_release, kept.release_expires_on) == (kept_one, ends and date.fromisoformat(ends))


def test_pairs_as_near_as_each_other_are_all_listed_once(staff_api: APIClient) -> None:
    first, *others = Asset.objects.bulk_create(Asset(title=str(number)) for number in range(1300))
    DuplicatePair.objects.bulk_create(
        DuplicatePair(first=first, second=other, distance=0) for other in others
    )
    seen, address = [], "/api/v1/duplicates/?limit=200"
    while address:
        answer = staff_api.get(address).json()
        seen += [pair["id"] for pair in answer["results"]]
        address = answer["next"]
        assert len(seen) <= len(others)
    assert sorted(seen) == sorted(DuplicatePair.objects.values_list("pk", flat=True))


def test_what_was_generated_from_a_merged_asset_follows_it(editor: User) -> None:
    model, kept, other = (AssetFactory(kind=kind) for kind in ("model", "garment", "garment"))
    job = create_job(plan_outfits([model], [other]), owner=editor)

    merge(kept, [other], actor=editor)
    assert set(job.items.get().inputs.values_list("asset", flat=True)) == {model.pk, kept.pk}


@pytest.mark.parametrize("who", ["contributor", "self", "trashed"])
def test_what_cannot_be_merged_is_refused_and_nothing_changes(
    staff_api: APIClient, stranger: User, editor: User, who: str
) -> None:
    kept, other = AssetFactory(owner=stranger), AssetFactory(owner=stranger)
    api, others = staff_api, [other]
    if who == "contributor":
        api = api_of(stranger)
    if who == "self":
        others = [kept]
    if who == "trashed":
        editing.trash([other], actor=editor)
    response = api.post(
        f"/api/v1/assets/{kept.public_id}/merge/",
        {"others": [str(asset.public_id) for asset in others]},
        format="json",
    )
    assert response.status_code == {"contributor": 403, "self": 409, "trashed": 400}[who]
    assert not AuditEntry.objects.filter(action="asset.merged").exists()
    assert not Asset.objects.exclude(merged_into=None).exists()


class TestPage:
    @pytest.fixture
    def pair(self, db: None) -> DuplicatePair:
        AssetFactory(file=jpeg(photo()), title="First")
        AssetFactory(file=jpeg(photo(), quality=40), title="Second")
        duplicates.look()
        return DuplicatePair.objects.get()

    @pytest.mark.parametrize(("action", "stays"), [("keep_older", "First"), ("keep_newer", "Second")])
    def test_a_pair_is_merged(
        self, client: Client, editor: User, pair: DuplicatePair, action: str, stays: str
    ) -> None:
        client.force_login(editor)
        body = client.get(PAIRS).content.decode()
        assert "First" in body
        assert "Second" in body
        client.post(PAIRS, {"action": action, "_selected_action": [pair.pk], "index": "0"})
        assert [asset.title for asset in Asset.objects.in_library()] == [stays]
        assert "First" not in client.get(PAIRS).content.decode()

    def test_a_pair_told_apart_does_not_come_back(
        self, client: Client, editor: User, pair: DuplicatePair
    ) -> None:
        client.force_login(editor)
        client.post(PAIRS, {"action": "tell_apart", "_selected_action": [pair.pk], "index": "0"})
        pair.refresh_from_db()
        assert pair.state == PairState.DIFFERENT
        AssetVersion.objects.update(near_looked_for=False)
        duplicates.look()
        assert not duplicates.open_pairs().exists()
        assert Asset.objects.in_library().count() == 2


def test_a_generated_copy_names_its_parents_after_the_merge(editor: User) -> None:
    parent = AssetFactory()
    made = ingest(
        jpeg(photo(3)),
        filename="made.jpg",
        owner=None,
        origin=AssetOrigin.GENERATED,
        metadata=AssetMetadata(),
        parents=[ParentLink(parent, "garment")],
    ).asset

    merge(parent, [made], actor=editor)
    assert not Lineage.objects.exists()  # an asset is not made from itself


def test_another_version_is_looked_for_anew(reviewer: User) -> None:
    first, second = AssetFactory(file=jpeg(photo())), AssetFactory(file=jpeg(photo(), quality=40))
    duplicates.look()
    versions.add_version(second, jpeg(photo(4)), filename="other.jpg", actor=reviewer)
    assert not duplicates.open_pairs().exists()
    duplicates.look()
    assert not duplicates.open_pairs().exists()
    versions.restore_version(second, 1, actor=reviewer)
    duplicates.look()
    pair = duplicates.open_pairs().get()
    assert (pair.first, pair.second) == (first, second)


def test_pairs_over_rest(staff_api: APIClient) -> None:
    counts = []
    for seed in (1, 2, 3):
        AssetFactory(file=jpeg(photo(seed)), title=f"First {seed}")
        AssetFactory(file=jpeg(photo(seed), quality=40), title=f"Second {seed}")
        duplicates.look()
        with CaptureQueriesContext(connection) as asked:
            listed = staff_api.get("/api/v1/duplicates/").data["results"]
        counts.append(len(asked))
        assert len(listed) == seed
    assert counts[1] == counts[2]
    assert [pair["distance"] for pair in listed] == sorted(pair["distance"] for pair in listed)
    told = {(pair["first"]["title"], pair["second"]["title"]) for pair in listed}
    assert told == {(f"First {seed}", f"Second {seed}") for seed in (1, 2, 3)}

    address = f"/api/v1/duplicates/{listed[0]['id']}/different/"
    assert staff_api.post(address).status_code == 204
    assert staff_api.post(address).status_code == 404
    assert len(staff_api.get("/api/v1/duplicates/").data["results"]) == 2
    assert AuditEntry.objects.filter(action="asset.told_apart").count() == 1
    assert Asset.objects.in_library().count() == 6

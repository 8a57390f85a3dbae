"""A random life of a library, with failures: after the sweep the index is the database, exactly.

The walk is drawn from a seed, so that a failure can be walked again. CONSISTENCY_STEPS and CONSISTENCY_SEED
make it longer or another one (`make test-consistency`).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from kombu.exceptions import OperationalError
from pymilvus import MilvusClient

from dam import custom_fields, editing, organising, tag_merging
from dam.merging import MergeError, merge
from dam.models import SKU, Asset, AssetKind, AssetState, AssetVersion, Collection, CustomField, Tag
from dam.versions import add_version, restore_version
from search import outbox, tasks
from search.documents import days, document_for
from search.index.connection import disconnect, milvus_uri
from search.models import OPEN_STATES, Embedding, IndexEntry, IndexState, Space
from search.pictures import open_for_encoding
from search.reconcile import reconcile
from search.spaces import active_spaces, encoder_of, index_of, live_space
from tests.factories import AssetFactory, CollectionFactory, SKUFactory, TagFactory, UserFactory
from tests.pictures import picture
from tests.services.processes import Process

STEPS = int(os.environ.get("CONSISTENCY_STEPS", "160"))
SEED = int(os.environ.get("CONSISTENCY_SEED", "20261125"))
STEPS_TO_A_KILL = 80
NOBODY = "http://127.0.0.1:9"
FOLLOWED = ("kind", "state", "origin", "colour_family", "aspect")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tiny_clip", "own_storage"),
    pytest.mark.timeout(300 + 2 * STEPS),
]


class Life:
    """The library and what happens to it. Every deed goes through the product's own verbs."""

    def __init__(self, draw: random.Random, encoders: list[str], config: Path, log: Path) -> None:
        self.draw, self.encoders, self.config, self.log = draw, encoders, config, log
        self.done: Counter[str] = Counter()
        self._seeds = iter(range(1, 1_000_000))
        self.people = [UserFactory() for _ in range(3)]
        self.words = ["velvet", "丝绸", "crown", "linen", "夏天", 'O\'Hara "x"', "a\\b"]
        self.field = CustomField(slug="season", label="Season", public=True)
        custom_fields.save(self.field, actor=None)

    # ── Who and what ─────────────────────────────────────────────────────────────────────────

    def some(self, most: int = 3, *, trashed: bool = False) -> list[Asset]:
        found = Asset.objects.filter(state=AssetState.TRASHED) if trashed else Asset.objects.in_library()
        keys = sorted(found.values_list("pk", flat=True))
        chosen = self.draw.sample(keys, min(len(keys), self.draw.randint(1, most)))
        return list(Asset.objects.filter(pk__in=chosen).order_by("pk"))

    def one_of(self, kind: type, make: Callable[[], Any]) -> Any:
        found = list(kind._default_manager.order_by("pk"))
        return self.draw.choice(found) if found and self.draw.random() < 0.8 else make()

    def word(self) -> str:
        return f"{self.draw.choice(self.words)} {self.draw.randrange(50)}"

    def file(self) -> bytes:
        colour = f"hsl({self.draw.randrange(360)}, 80%, {self.draw.randrange(20, 80)}%)"
        size = self.draw.choice([(64, 48), (48, 64), (64, 64)])
        return picture(colour=colour, size=size, seed=next(self._seeds))

    # ── Deeds ────────────────────────────────────────────────────────────────────────────────

    def upload(self) -> None:
        owner = self.draw.choice([None, *self.people])
        AssetFactory(
            title=self.word(), file=self.file(), owner=owner, kind=self.draw.choice(AssetKind.values)
        )

    def edit(self) -> None:
        changes: dict[str, Any] = self.draw.choice(
            [
                {"title": self.word(), "description_zh": self.word()},
                {"kind": self.draw.choice(AssetKind.values)},
                {"alt_text": self.word()},
                {"rights_expire_on": date(2027, 1, 1) + timedelta(self.draw.randrange(900))},
                {"rights_expire_on": None},
                {"owner": self.draw.choice([None, *self.people])},
                {"custom.season": self.word()},
            ]
        )
        editing.update_assets(self.some(), actor=None, changes=changes)

    def tag(self) -> None:
        names = [self.one_of(Tag, TagFactory).slug for _ in range(2)]
        assets = self.some()
        editing.update_assets(assets, actor=None, changes={}, add_tags=names[:1], remove_tags=names[1:])

    def change_tags(self) -> None:
        tag, other = self.one_of(Tag, TagFactory), self.one_of(Tag, TagFactory)
        match self.draw.randrange(3):
            case 0:
                tag.label, tag.synonyms = self.word(), [self.word()]
                organising.save(tag, actor=None)
            case 1 if tag != other:
                tag_merging.merge(tag, [other], actor=None)
            case _:
                organising.delete(tag, actor=None)

    def sku(self) -> None:
        sku = self.one_of(SKU, SKUFactory)
        match self.draw.randrange(4):
            case 0:
                sku.name = self.word()
                organising.save(sku, actor=None)
            case 1:
                for asset in Asset.objects.filter(skus=sku)[:1]:
                    link = asset.sku_links.get(sku=sku, role=asset.sku_links.filter(sku=sku)[0].role)
                    editing.unlink_sku(asset, sku, link.role, actor=None)
            case 2 if self.draw.random() < 0.3:
                organising.delete(sku, actor=None)
            case _:
                editing.link_assets(sku, self.some(), "packshot", actor=None)

    def collect(self) -> None:
        collection = self.one_of(Collection, CollectionFactory)
        match self.draw.randrange(4):
            case 0:
                editing.remove_from_collection(collection, self.some(), actor=None)
            case 1 if self.draw.random() < 0.3:
                organising.delete(collection, actor=None)
            case _:
                editing.add_to_collection(collection, self.some(), actor=None)

    def review(self) -> None:
        editing.set_state(self.some(), actor=None, state=self.draw.choice(["draft", "approved", "archived"]))

    def new_version(self) -> None:
        for asset in self.some(1):
            if self.draw.random() < 0.6 or asset.versions.count() < 2:
                add_version(asset, BytesIO(self.file()), filename="new.jpg", actor=None)
            else:
                restore_version(asset, asset.versions.order_by("number")[0].number, actor=None)

    def trash(self) -> None:
        editing.trash(self.some(2), actor=None)

    def restore(self) -> None:
        editing.restore(self.some(2, trashed=True), actor=None)

    def delete(self) -> None:
        editing.delete_forever(self.some(2, trashed=True), actor=None)

    def merge_assets(self) -> None:
        chosen = self.some(3)
        if len(chosen) > 1:
            merge(chosen[0], chosen[1:], actor=None)

    def leave(self) -> None:
        """Somebody's account is deleted."""
        person = self.people.pop(self.draw.randrange(len(self.people)))
        User.objects.get(pk=person.pk).delete()
        self.people.append(UserFactory())

    def publish_field(self) -> None:
        self.field.refresh_from_db()
        self.field.public = not self.field.public
        custom_fields.save(self.field, actor=None)

    # ── What workers do ──────────────────────────────────────────────────────────────────────

    def drain(self) -> None:
        outbox.drain(limit=self.draw.choice([None, 10, 40]))

    def switch_encoder(self) -> None:
        try:
            call_command("index", "--reindex", self.draw.choice(self.encoders), stdout=BytesIOText())
        except CommandError as error:  # entries that wait for their next try: the sweep has them later
            assert "Run the same command again" in str(error), error

    def be_killed(self) -> None:
        """A worker dies by SIGKILL while it drains."""
        everything = Asset.objects.in_library()
        outbox.enqueue(everything.values_list("pk", flat=True))
        worker = Process("tests.search.sweeping_child", str(self.config), log=self.log)
        deadline = time.monotonic() + 60
        while worker.runs and time.monotonic() < deadline:
            if IndexEntry.objects.filter(state=IndexState.WORKING).exists():
                time.sleep(self.draw.random() * 0.3)
                break
            time.sleep(0.01)
        worker.kill()
        let_time_pass()


class BytesIOText:
    """Where a command's output goes when nobody reads it."""

    def write(self, text: str) -> None:
        """Forget it."""


DEEDS: dict[str, int] = {
    "upload": 16, "edit": 14, "tag": 8, "change_tags": 4, "sku": 7, "collect": 7, "review": 5,
    "new_version": 6, "trash": 7, "restore": 4, "delete": 3, "merge_assets": 3, "leave": 1,
    "publish_field": 1, "drain": 12, "switch_encoder": 1,
}  # fmt: skip


def let_time_pass() -> None:
    """Leases run out and waits are over; here, at once."""
    past = timezone.now() - timedelta(seconds=1)
    IndexEntry.objects.filter(leased_until__isnull=False).update(leased_until=past)
    IndexEntry.objects.filter(state__in=OPEN_STATES).update(not_before=past)


def stored(space: Space) -> dict[int, dict[str, Any]]:
    """Every row of the space's collection, by a client of the test's own."""
    client = MilvusClient(milvus_uri())
    try:
        names = index_of(space).stored_fields()
        rows = client.query(
            space.collection,
            filter="id >= 0",
            output_fields=["id", "vector", *names],
            limit=16_000,
            consistency_level="Strong",
        )
    finally:
        client.close()
    return {int(row["id"]): dict(row) for row in rows}


def assert_index_is_database(space: Space) -> None:
    library = list(
        Asset.objects.in_library()
        .filter(current__isnull=False)
        .select_related("current")
        .prefetch_related("tags", "skus", "collection_links")
    )
    rows, fields = stored(space), custom_fields.by_slug()
    assert sorted(rows) == sorted(asset.pk for asset in library)
    pictures = [open_for_encoding(asset.current) for asset in library if asset.current]
    vectors = encoder_of(space).encode_images(pictures)
    for asset, vector in zip(library, vectors, strict=True):
        row = rows[asset.pk]
        assert float(np.dot(row["vector"], vector)) > 0.9999, f"asset {asset.pk} has another file's vector"
        for name in FOLLOWED:
            assert row[name] == getattr(asset, name), (asset.pk, name)
        assert row["owner"] == (asset.owner_id or 0), (asset.pk, "owner")
        assert row["rights_expire"] == days(asset.usable_until)
        assert set(row["tags"]) == {tag.slug for tag in asset.tags.all()}, (asset.pk, "tags")
        assert set(row["skus"]) == {sku.code for sku in asset.skus.all()}, (asset.pk, "skus")
        assert set(row["collections"]) == {link.collection_id for link in asset.collection_links.all()}
        whole = index_of(space).as_stored(document_for(asset, fields))
        assert {name: _plain(row[name]) for name in whole} == whole, asset.pk
    entries = space.entries.exclude(state=IndexState.REMOVED).values_list(
        "asset_key", "state", "content_hash"
    )
    assert {(key, state, sha) for key, state, sha in entries} == {
        (asset.pk, IndexState.INDEXED, asset.current.sha256) for asset in library if asset.current
    }
    assert not space.entries.without_asset().exists()
    known = set(AssetVersion.objects.values_list("sha256", flat=True))
    assert set(Embedding.objects.filter(space=space).values_list("sha256", flat=True)) <= known


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else list(value)


def _other_weights(folder: Path) -> str:
    import open_clip
    import torch

    torch.manual_seed(11)
    torch.save(open_clip.create_model("tiny-clip").state_dict(), folder / "other.pt")
    return f"openclip:tiny-clip/{folder / 'other.pt'}"


def test_after_any_life_and_failures_the_index_is_the_database(
    tiny_clip: str, checkpoint: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(SEED)
    config = checkpoint.with_name("tiny-clip.json")
    life = Life(draw, [tiny_clip, _other_weights(tmp_path)], config, tmp_path / "worker.log")
    for _ in range(12):
        life.upload()
    uri, broken = settings.MILVUS_URI, {"milvus": 0, "broker": 0}

    def refuse(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection refused")

    for step in range(1, STEPS + 1):
        for part in broken:
            broken[part] = broken[part] - 1 if broken[part] else draw.randint(3, 15) * (draw.random() < 0.03)
        if (settings.MILVUS_URI == NOBODY) != bool(broken["milvus"]):
            settings.MILVUS_URI = NOBODY if broken["milvus"] else uri
            disconnect()
        with monkeypatch.context() as outage:
            outage.setattr(tasks.drain_outbox, "delay", refuse if broken["broker"] else lambda: None)
            name = draw.choices(list(DEEDS), list(DEEDS.values()))[0]
            if name == "switch_encoder" and broken["milvus"]:
                continue
            try:
                getattr(life, name)()
            except (MergeError, editing.AssetsInUse):
                continue  # refused, and nothing was changed
            life.done[name] += 1
        if step % STEPS_TO_A_KILL == 0 and not broken["milvus"]:
            life.be_killed()
            life.done["be_killed"] += 1

    settings.MILVUS_URI = uri
    disconnect()
    monkeypatch.setattr(tasks.drain_outbox, "delay", lambda: None)
    for _ in range(10):
        let_time_pass()
        tasks.sweep()
        if not IndexEntry.objects.filter(space__in=active_spaces(), state__in=OPEN_STATES).exists():
            break
    story = f"seed {SEED}, {STEPS} steps, {dict(life.done)}"
    for space in active_spaces():
        assert_index_is_database(space)
    assert [(drift.clean, drift.pending, drift.failed) for drift in reconcile()] == [
        (True, 0, 0) for _ in active_spaces()
    ], story
    assert live_space() in active_spaces()
    assert min(life.done[name] for name in ("upload", "edit", "drain", "be_killed", "delete")) > 0, story

"""Rights end: what may no longer be used leaves the storefront, with everything that was made from it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dam import editing, rights
from dam.ingest import AssetMetadata, IngestResult, ParentLink, ingest
from dam.models import Asset, AssetOrigin, AssetState
from dam.signals import assets_changed
from tests.factories import AssetFactory
from tests.pictures import picture

TODAY = timezone.localdate()
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


def made_from(*parents: Asset, seed: int = 900, **known: object) -> Asset:
    result: IngestResult = ingest(
        picture(seed=seed),
        filename="made.jpg",
        owner=None,
        origin=AssetOrigin.GENERATED,
        metadata=AssetMetadata(state=AssetState.APPROVED, **known),  # type: ignore[arg-type]
        parents=[ParentLink(parent, "garment") for parent in parents],
    )
    return Asset.objects.get(pk=result.asset.pk)


def on_storefront() -> set[int]:
    return set(Asset.objects.for_storefront().values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"rights_expire_on": YESTERDAY}, False),
        ({"rights_expire_on": TODAY}, True),
        ({"model_release": "missing"}, False),
        ({"model_release": "signed", "release_expires_on": YESTERDAY}, False),
        ({"model_release": "signed", "release_expires_on": TOMORROW}, True),
        ({"model_release": "not_needed", "release_expires_on": YESTERDAY}, True),
    ],
)
def test_licence_and_release_both_count(db: None, known: dict[str, object], shown: bool) -> None:
    asset = AssetFactory(**known)
    assert (asset.pk in on_storefront()) == shown
    assert bool(rights.why_unusable(Asset.objects.get(pk=asset.pk))) != shown


def test_what_was_made_from_it_ends_with_it_through_all_generations(editor: User) -> None:
    root, other = AssetFactory(title="Root"), AssetFactory()
    child = made_from(root, other, seed=901)
    grandchild = made_from(child, seed=902)
    assert on_storefront() == {root.pk, other.pk, child.pk, grandchild.pk}

    heard: set[int] = set()
    assets_changed.connect(lambda asset_ids, **_: heard.update(asset_ids), weak=False, dispatch_uid="rights")
    editing.update_assets([root], actor=editor, changes={"rights_expire_on": YESTERDAY})
    assets_changed.disconnect(dispatch_uid="rights")

    assert on_storefront() == {other.pk}
    assert heard == {root.pk, child.pk, grandchild.pk}  # the index is told of all three
    grandchild.refresh_from_db()
    assert "made from ran out" in rights.why_unusable(grandchild)
    assert rights.blocking_ancestors(grandchild) == [root]

    editing.update_assets([root], actor=editor, changes={"rights_expire_on": None})
    assert on_storefront() == {root.pk, other.pk, child.pk, grandchild.pk}


def test_the_earliest_end_among_parents_counts(editor: User) -> None:
    soon, later = AssetFactory(rights_expire_on=TOMORROW), AssetFactory(rights_expire_on=TODAY + timedelta(9))
    child = made_from(later, soon, seed=903, rights_expire_on=TODAY + timedelta(5))
    assert (child.usable_until, child.inherited_until) == (TOMORROW, TOMORROW)
    editing.update_assets([soon], actor=editor, changes={"rights_expire_on": None})
    child.refresh_from_db()
    assert child.usable_until == TODAY + timedelta(5)


def test_a_missing_release_blocks_what_was_made_from_it(editor: User) -> None:
    parent = AssetFactory()
    child = made_from(parent, seed=904)
    editing.update_assets([parent], actor=editor, changes={"model_release": "missing"})
    child.refresh_from_db()
    assert rights.why_unusable(child) == "The model release of a picture that it was made from is missing."


def test_a_thousand_children_cost_a_handful_of_queries(editor: User) -> None:
    parent = AssetFactory()
    child = made_from(parent, seed=905)
    few = _queries_of_settling(parent, YESTERDAY)
    copies = [Asset(title=f"Copy {number}", state=AssetState.APPROVED) for number in range(1000)]
    made = Asset.objects.bulk_create(copies)
    child.parent_links.model.objects.bulk_create(
        child.parent_links.model(parent=parent, child=copy, role="garment") for copy in made
    )
    many = _queries_of_settling(parent, TOMORROW)
    assert Asset.objects.filter(usable_until=TOMORROW).count() == 1002
    assert many - few <= 8  # rows are updated some hundred at a time


def _queries_of_settling(asset: Asset, day: object) -> int:
    Asset.objects.filter(pk=asset.pk).update(rights_expire_on=day)
    with CaptureQueriesContext(connection) as captured:
        rights.settle([asset.pk])
    return len(captured)

"""What an asset was made from and what was made from it, by REST as on its page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import Asset, AssetOrigin, AssetState
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]


def made(seed: int, *parents: tuple[Asset, str], **fields: Any) -> Asset:
    return ingest(
        picture(seed=seed, colour="green"),
        filename="made.jpg",
        owner=fields.pop("owner", None),
        origin=AssetOrigin.GENERATED,
        metadata=AssetMetadata(state=AssetState.APPROVED, **fields),
        parents=[ParentLink(asset, role) for asset, role in parents],
    ).asset


def address(asset: Asset) -> str:
    return f"/api/v1/assets/{asset.public_id}/lineage/"


def titles(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["title"], row["role"]) for row in rows]


def test_both_ways_as_the_page_has_them(staff_api: APIClient, client: Client, editor: User) -> None:
    coat, model = AssetFactory(title="Coat", title_zh="大衣"), AssetFactory(title="Model")
    worn = made(1, (model, "model"), (coat, "garment"), title="Worn")
    scene = made(2, (worn, "product"), title="In the rain")
    made(3, (worn, "product"), (worn, "reference"), title="In the snow")

    told = staff_api.get(address(worn)).json()
    assert titles(told["made_from"]["results"]) == [("Model", "model"), ("Coat", "garment")]
    assert titles(told["used_in"]["results"]) == [
        ("In the snow", "reference"), ("In the snow", "product"), ("In the rain", "product"),
    ]  # fmt: skip
    assert (told["made_from"]["count"], told["used_in"]["count"]) == (2, 3)
    row = told["made_from"]["results"][1]
    assert row.pop("thumbnail").startswith("http://testserver/")
    assert row == {
        "id": str(coat.public_id), "title": "Coat", "title_zh": "大衣", "state": "approved",
        "role": "garment", "usable": True, "why_unusable": "",
    }  # fmt: skip

    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{worn.pk}/change/").context
    for name in ("made_from", "used_in"):
        shown = [str(asset.public_id) for asset, _role in page[name]]
        assert shown == [row["id"] for row in told[name]["results"]]
    nothing = staff_api.get(address(scene)).json()["used_in"]
    assert nothing == {"count": 0, "next": None, "previous": None, "results": []}


def test_it_says_what_may_not_be_used_and_why(staff_api: APIClient) -> None:
    coat = AssetFactory(title="Coat", rights_expire_on="2020-01-01")
    worn = made(1, (coat, "garment"), title="Worn")
    (parent,) = staff_api.get(address(worn)).json()["made_from"]["results"]
    (child,) = staff_api.get(address(coat)).json()["used_in"]["results"]
    assert (parent["usable"], child["usable"]) == (False, False)
    assert parent["why_unusable"].startswith("The rights ran out on")
    assert child["why_unusable"].startswith("The rights of a picture that it was made from ran out on")


def test_what_the_caller_may_not_see_is_neither_told_nor_counted(
    api: APIClient, staff_api: APIClient, stranger: User
) -> None:
    hidden, coat = AssetFactory(title="Hidden", state=AssetState.DRAFT), AssetFactory(title="Coat")
    worn = made(1, (hidden, "model"), (coat, "garment"), title="Worn", owner=stranger)
    for number in range(4):
        child = made(10 + number, (worn, "product"), title=f"Scene {number}")
        if number % 2:
            Asset.objects.filter(pk=child.pk).update(state=AssetState.IN_REVIEW)
    trashed = made(20, (worn, "product"), title="Thrown away")
    Asset.objects.filter(pk=trashed.pk).update(state=AssetState.TRASHED)

    assert api.get(address(worn)).status_code == 401
    api.force_authenticate(stranger)
    told = api.get(address(worn)).json()
    assert titles(told["made_from"]["results"]) == [("Coat", "garment")]
    assert titles(told["used_in"]["results"]) == [("Scene 2", "product"), ("Scene 0", "product")]
    assert (told["made_from"]["count"], told["used_in"]["count"]) == (1, 2)
    assert api.get(address(hidden)).status_code == 404
    assert staff_api.get(address(worn)).json()["used_in"]["count"] == 4


def test_many_come_in_pages_at_the_same_cost(staff_api: APIClient) -> None:
    coat, model = AssetFactory(), AssetFactory()

    def page(where: str) -> tuple[dict[str, Any], int]:
        with CaptureQueriesContext(connection) as captured:
            told = staff_api.get(where).json()
        return told["used_in"], len(captured)

    made(1, (coat, "garment"), (model, "model"), title="1")
    page(address(coat))  # asks for the account's role, which its object keeps
    _one, few = page(address(coat))
    for number in range(2, 6):
        made(number, (coat, "garment"), (model, "model"), title=str(number))
    _all, many = page(address(coat))
    seen, where = [], f"{address(coat)}?limit=2"
    while where:
        told, _queries = page(where)
        assert told["count"] == 5
        seen.append([row["title"] for row in told["results"]])
        where = told["next"]
    assert seen == [["5", "4"], ["3", "2"], ["1"]]
    assert few == many

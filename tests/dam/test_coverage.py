"""SKU coverage: the matrix, its filters, pages and totals."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dam import editing
from dam.models import SKU, AssetState, Collection
from dam.roles import Role
from tests.factories import AssetFactory, SKUFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
PAGE = "/admin/dam/sku/coverage/"


@pytest.fixture
def page(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def shown(page: Client, query: str = "") -> Any:
    response = page.get(f"{PAGE}?{query}")
    assert response.status_code == 200
    return response


def codes(response: Any) -> list[str]:
    return [row.sku.code for row in response.context["page"].rows]


@pytest.fixture
def shop(db: None) -> dict[str, SKU]:
    shirt = SKUFactory(code="SHIRT", name="Linen shirt")
    skus = {
        "SHIRT": shirt,
        "SHIRT-M": SKUFactory(code="SHIRT-M", parent=shirt, name="Linen shirt M"),
        "HAT": SKUFactory(code="HAT", name="Straw hat"),
        "OLD": SKUFactory(code="OLD", name="Old", status="discontinued"),
    }
    AssetFactory(title="first", skus=[("SHIRT", "packshot")])
    AssetFactory(title="newest", skus=[("SHIRT", "packshot"), ("HAT", "packshot")])
    AssetFactory(title="draft", skus=[("SHIRT", "packshot"), ("SHIRT", "scene")], state=AssetState.DRAFT)
    AssetFactory(skus=[("HAT", "detail")], state=AssetState.REJECTED)
    AssetFactory(skus=[("HAT", "scene")], state=AssetState.TRASHED)
    return skus


def test_a_row_for_each_sku_and_a_cell_for_each_role(page: Client, shop: dict[str, SKU]) -> None:
    response = shown(page)
    assert codes(response) == ["HAT", "OLD", "SHIRT", "SHIRT-M"]
    shirt = response.context["page"].rows[2]
    cells = {cell.role: cell for cell in shirt.cells}
    packshot, scene = cells["packshot"], cells["scene"]
    assert (packshot.approved, packshot.total, packshot.picture.title) == (2, 3, "newest")
    assert (scene.approved, scene.total, scene.is_missing) == (0, 1, False)
    assert shirt.missing == ["on_model", "detail"]
    assert response.context["page"].rows[0].missing == ["on_model", "detail", "scene"]
    assert [(total.role, total.covered, total.percent) for total in response.context["totals"]] == [
        ("packshot", 2, 50), ("on_model", 0, 0), ("detail", 0, 0), ("scene", 1, 25),
    ]  # fmt: skip


def test_only_approved_pictures_count_where_one_asks_so(page: Client, shop: dict[str, SKU]) -> None:
    response = shown(page, "count=approved")
    assert response.context["page"].rows[2].missing == ["on_model", "detail", "scene"]
    assert [total.covered for total in response.context["totals"]] == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("query", "expected", "packshots"),
    [
        ("missing=packshot", ["OLD", "SHIRT-M"], 0),
        ("missing=scene", ["HAT", "OLD", "SHIRT-M"], 1),
        ("missing=scene&count=approved", ["HAT", "OLD", "SHIRT", "SHIRT-M"], 2),
        ("q=linen", ["SHIRT", "SHIRT-M"], 1),
        ("parent=SHIRT", ["SHIRT", "SHIRT-M"], 1),
        ("status=discontinued", ["OLD"], 0),
        ("collection=KEY", ["HAT", "SHIRT"], 2),
        ("collection=KEY&missing=scene", ["HAT"], 1),
        ("q=nothing", [], 0),
    ],
)
def test_filters(page: Client, shop: dict[str, SKU], query: str, expected: list[str], packshots: int) -> None:
    collection = Collection.objects.create(name="Summer")
    editing.add_to_collection(
        collection, [link.asset for link in shop["HAT"].asset_links.filter(role="packshot")], actor=None
    )
    response = shown(page, query.replace("KEY", str(collection.pk)))
    assert codes(response) == expected
    total = response.context["totals"][0]
    assert (total.covered, total.total) == (packshots, len(expected))


def test_a_filter_that_cannot_be_is_told(page: Client) -> None:
    response = page.get(f"{PAGE}?missing=hat")
    assert response.status_code == 400
    assert "hat" in response.context["form"].errors["missing"][0]


def test_pages_go_forth_and_back(page: Client) -> None:
    SKU.objects.bulk_create(SKU(code=f"S-{number:03}") for number in range(120))
    first = shown(page, "q=S-")
    assert (len(codes(first)), codes(first)[0], first.context["previous_url"]) == (50, "S-000", "")
    second = page.get(PAGE + first.context["next_url"])
    last = page.get(PAGE + second.context["next_url"])
    assert (codes(last)[0], codes(last)[-1], last.context["next_url"]) == ("S-100", "S-119", "")
    assert codes(page.get(PAGE + last.context["previous_url"])) == codes(second)
    back = page.get(PAGE + second.context["previous_url"])
    assert (codes(back), back.context["previous_url"]) == (codes(first), "")


def test_as_many_queries_for_many_skus_as_for_few(page: Client) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            shown(page, "missing=detail")
        return [query["sql"] for query in captured.captured_queries]

    AssetFactory(skus=[("A-1", "packshot"), ("A-1", "scene")])
    shown(page)  # what is asked once, is asked
    few = queries()
    for number in range(2, 12):
        parent = SKUFactory(code=f"P-{number}")
        SKUFactory(code=f"A-{number}", parent=parent)
        AssetFactory(skus=[(f"A-{number}", "packshot"), (f"P-{number}", "on_model")])
    many = queries()
    assert len(many) == len(few)
    # The table is counted once: for the totals.
    assert sum('COUNT("dam_sku"' in sql for sql in many) == 1


def test_the_table_can_be_read_and_ticked_by_all(page: Client, shop: dict[str, SKU]) -> None:
    html = shown(page).content.decode()
    hat = shop["HAT"]
    assert html.count('scope="row"') == 5  # the totals and each SKU
    assert html.count('scope="col"') == 5
    assert "<caption" in html
    assert f'name="cell" value="{hat.pk}:scene"' in html
    assert f'name="cell" value="{hat.pk}:packshot"' not in html
    assert "Everything that HAT lacks" in html
    assert 'action="/admin/generation/studio/fill/"' in html


def test_those_who_do_not_see_the_library_do_not_see_its_coverage(
    client: Client, editor: User, stranger: User
) -> None:
    client.force_login(stranger)
    assert client.get(PAGE).status_code == 302
    editor.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
    client.force_login(editor)
    assert client.get(PAGE).status_code == 403

"""SKU coverage: the matrix, its filters, pages and totals."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam import editing
from dam.models import SKU, AssetState, Collection
from dam.roles import Role
from tests.factories import AssetFactory, SKUFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
PAGE, REST = "/admin/dam/sku/coverage/", "/api/v1/skus/coverage/"


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
    counting = 'SELECT COUNT(*) AS "__count" FROM "dam_sku"'
    assert sum(sql.startswith(counting) for sql in many) == 1


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


class TestByRest:
    def test_a_row_for_each_sku_with_its_cells(self, staff_api: APIClient, shop: dict[str, SKU]) -> None:
        told = staff_api.get(REST).json()
        assert [row["sku"]["code"] for row in told["results"]] == ["HAT", "OLD", "SHIRT", "SHIRT-M"]
        assert told["results"][3]["sku"]["parent"] == "SHIRT"
        packshot, on_model, _detail, scene = told["results"][2]["cells"]
        picture = packshot.pop("picture")
        assert packshot == {"role": "packshot", "total": 3, "approved": 2, "missing": False}
        assert (picture["title"], picture["state"]) == ("newest", "approved")
        assert picture["thumbnail"].startswith("http://testserver/")
        assert on_model == {"role": "on_model", "total": 0, "approved": 0, "missing": True, "picture": None}
        assert (scene["approved"], scene["missing"]) == (0, False)
        assert told["totals"][0] == {"role": "packshot", "covered": 2, "total": 4, "percent": 50}
        assert (told["next"], told["previous"]) == (None, None)

    @pytest.mark.parametrize(
        ("by_page", "by_rest"),
        [
            ("missing=scene", "missing=scene"),
            ("missing=scene&count=approved", "missing=scene&approved_only=true"),
            ("q=linen&parent=SHIRT", "q=linen&parent=SHIRT"),
            ("status=discontinued", "status=discontinued"),
            ("collection=KEY&missing=scene", "collection=KEY&missing=scene"),
            ("q=&missing=&status=&collection=", "q=&missing=&status=&collection="),
        ],
    )
    def test_the_filters_choose_what_the_page_shows(
        self, page: Client, staff_api: APIClient, shop: dict[str, SKU], by_page: str, by_rest: str
    ) -> None:
        collection = Collection.objects.create(name="Summer")
        editing.add_to_collection(collection, shop["HAT"].assets.filter(state="approved"), actor=None)
        on_page = shown(page, by_page.replace("KEY", str(collection.pk)))
        told = staff_api.get(f"{REST}?{by_rest.replace('KEY', str(collection.pk))}").json()
        rows = {row.sku.code: row.missing for row in on_page.context["page"].rows}
        assert rows
        assert {
            row["sku"]["code"]: [cell["role"] for cell in row["cells"] if cell["missing"]]
            for row in told["results"]
        } == rows
        assert [(one["role"], one["covered"], one["total"]) for one in told["totals"]] == [
            (one.role, one.covered, one.total) for one in on_page.context["totals"]
        ]

    def test_pages_go_forth_and_back_at_the_same_cost(self, staff_api: APIClient) -> None:
        SKU.objects.bulk_create(SKU(code=f"S-{number:03}") for number in range(50))
        AssetFactory(skus=[("S-003", "packshot"), ("S-004", "packshot"), ("S-004", "scene")])

        def told(where: str) -> tuple[list[str], dict[str, Any], int]:
            with CaptureQueriesContext(connection) as captured:
                body = staff_api.get(where).json()
            return [row["sku"]["code"] for row in body["results"]], body, len(captured)

        told(REST)  # asks for the account's role, which its object keeps
        first, body, queries = told(f"{REST}?q=S-&limit=20")
        second, middle, _queries = told(body["next"])
        last, end, fewer = told(middle["next"])
        assert first + second + last == [f"S-{number:03}" for number in range(50)]
        assert (len(first), len(second), body["previous"], end["next"]) == (20, 20, None, None)
        assert (told(end["previous"])[0], told(middle["previous"])[0]) == (second, first)
        assert body["totals"] == end["totals"]
        assert queries == fewer == told(f"{REST}?limit=1")[2]

    @pytest.mark.parametrize(
        ("query", "name"),
        [("missing=hat", "missing"), ("collection=999", "collection"), ("limit=0", "limit"),
         ("status=x", "status"), ("after=A&before=B", "non_field_errors")],
    )  # fmt: skip
    def test_what_cannot_be_is_told(self, staff_api: APIClient, query: str, name: str) -> None:
        answer = staff_api.get(f"{REST}?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])

    def test_it_is_for_those_who_see_the_library(
        self, api: APIClient, stranger: User, shop: dict[str, SKU]
    ) -> None:
        assert api.get(REST).status_code == 401
        api.force_authenticate(stranger)
        assert api.get(REST).status_code == 403

"""Pictures that may show a SKU: which are suggested, by what, to whom, and what accepting them does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam import editing
from dam.models import SKU, Asset, AssetState, AuditEntry
from tests.factories import AssetFactory, SKUFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip")]


def address(code: str) -> str:
    return f"/api/v1/skus/{code}/suggestions/"


def page_of(sku: SKU) -> str:
    return f"/admin/search/space/sku/{sku.pk}/suggestions/"


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["title"] for row in response.json()["results"]]


@pytest.fixture
def sku(index_now: Callable) -> SKU:
    """A red SKU with two pictures; one more red picture and others in the library."""
    linked = [("RED", "packshot")]
    AssetFactory(title="linked", skus=linked, picture={"colour": "red", "size": (200, 200), "seed": 1})
    AssetFactory(title="linked too", skus=linked, picture={"colour": "red", "size": (200, 200), "seed": 2})
    AssetFactory(title="red", picture={"colour": "red", "size": (200, 200), "seed": 3})
    AssetFactory(title="blue", picture={"colour": "blue", "size": (200, 200), "seed": 4})
    for state in (AssetState.DRAFT, AssetState.REJECTED, AssetState.ARCHIVED, AssetState.TRASHED):
        AssetFactory(title=state.value, state=state)
    index_now()
    return SKU.objects.get(code="RED")


def test_what_looks_like_its_pictures_comes_first_and_never_those(staff_api: APIClient, sku: SKU) -> None:
    found = titles(staff_api.get(address("RED")))
    assert found[0] == "red"
    assert set(found) == {"red", "blue", "draft"}


def test_the_mean_of_its_pictures_counts(staff_api: APIClient, index_now: Callable) -> None:
    size = (200, 200)
    for number, colour in enumerate(("red", "blue")):
        AssetFactory(skus=[("SET", "packshot")], picture={"colour": colour, "size": size, "seed": number})
    red, blue = (
        AssetFactory(title=colour, picture={"colour": colour, "size": size, "seed": 9 + number})
        for number, colour in enumerate(("red", "blue"))
    )
    index_now()
    rows = staff_api.get(address("SET")).json()["results"]
    alone = staff_api.get(f"/api/v1/assets/{red.public_id}/similar/").json()["results"]
    assert {row["title"] for row in rows} == {"red", "blue"}
    to_blue = next(row["legs"]["cosine"] for row in alone if row["id"] == str(blue.public_id))
    # Amid both colours, the farther of the two is nearer than the two are to each other.
    assert min(row["legs"]["cosine"] for row in rows) > to_blue


def test_an_index_that_lags_suggests_nothing_that_is_linked(staff_api: APIClient, sku: SKU) -> None:
    red = Asset.objects.get(title="red")
    editing.link_sku(red, sku, "detail", actor=None)
    assert set(titles(staff_api.get(address("RED")))) == {"blue", "draft"}


def test_words_where_it_has_no_picture(staff_api: APIClient, index_now: Callable) -> None:
    AssetFactory(title="Straw hat with a ribbon")
    AssetFactory(title="Kettle")
    parent = SKUFactory(code="HAT", name="Straw hat", name_zh="", attributes={"size": 38})
    SKUFactory(code="HAT-M", name="", name_zh="", parent=parent)
    SKUFactory(code="X", name="", name_zh="", attributes={"what": "kettle"})
    SKUFactory(code="NOTHING", name="", name_zh="")
    index_now()
    assert titles(staff_api.get(address("HAT")))[0] == "Straw hat with a ribbon"
    assert titles(staff_api.get(address("HAT-M")))[0] == "Straw hat with a ribbon"
    assert titles(staff_api.get(address("X")))[0] == "Kettle"
    answer = staff_api.get(address("NOTHING"))
    assert answer.status_code == 400
    assert "no picture, no name" in str(answer.json())


def test_everybody_sees_what_they_may_see(api: APIClient, stranger: User, sku: SKU) -> None:
    AssetFactory(title="hidden", skus=[("SECRET", "packshot")], state=AssetState.DRAFT)
    for user in (None, stranger):
        api.force_authenticate(user)
        assert set(titles(api.get(address("RED")))) == {"red", "blue"}
        assert api.get(address("SECRET")).status_code == 404


def test_accepting_over_rest(
    staff_api: APIClient, api: APIClient, stranger: User, editor: User, sku: SKU
) -> None:
    red, blue = (Asset.objects.get(title=title) for title in ("red", "blue"))
    body = {"assets": [str(red.public_id), str(blue.public_id)], "role": "on_model"}
    for user, status in ((None, 401), (stranger, 403)):
        api.force_authenticate(user)
        assert api.post(address("RED"), body, format="json").status_code == status
    assert staff_api.post(address("RED"), body, format="json").json() == {"linked": 2}
    assert staff_api.post(address("RED"), body, format="json").json() == {"linked": 0}
    assert set(red.sku_links.values_list("sku__code", "role")) == {("RED", "on_model")}
    assert AuditEntry.objects.filter(action="asset.sku_linked", actor=editor).count() == 2
    assert staff_api.post(address("RED"), {"assets": []}, format="json").status_code == 400
    assert staff_api.post(address("RED"), body | {"role": "hat"}, format="json").status_code == 400


def test_accepting_many_takes_no_more_queries(staff_api: APIClient, sku: SKU) -> None:
    assets = [AssetFactory() for _number in range(9)]

    def queries(chosen: list[Asset]) -> int:
        with CaptureQueriesContext(connection) as captured:
            editing.link_assets(sku, chosen, "scene", actor=None)
        return len(captured)

    queries(assets[:1])
    assert queries(assets[1:2]) == queries(assets[2:])


class TestThePage:
    @pytest.fixture
    def page(self, client: Client, editor: User) -> Client:
        client.force_login(editor)
        return client

    def test_it_is_part_of_the_page_of_the_sku(self, page: Client, sku: SKU) -> None:
        SKUFactory(code="RED-M", parent=sku)
        html = page.get(f"/admin/dam/sku/{sku.pk}/change/").content.decode()
        assert f'data-panel="{page_of(sku)}"' in html
        assert "panels.js" in html
        assert "RED-M" in html
        assert "2 approved of 2" in html

    def test_as_a_page_and_as_a_part(self, page: Client, sku: SKU) -> None:
        whole = page.get(page_of(sku)).content.decode()
        part = page.get(page_of(sku), headers={"X-Fragment": "panel"}).content.decode()
        assert "<html" in whole
        assert "<html" not in part
        for html in (whole, part):
            assert str(Asset.objects.get(title="red").public_id) in html
            assert "linked too" not in html

    def test_one_click_links_one_and_ticks_link_several(self, page: Client, sku: SKU) -> None:
        red, blue, draft = (Asset.objects.get(title=title) for title in ("red", "blue", "draft"))
        chosen = {"only": str(red.public_id), "assets": [str(blue.public_id)], "role": "detail"}
        response = page.post(page_of(sku), chosen, headers={"X-Fragment": "panel"})
        assert "1 picture shows RED now: Detail." in response.content.decode()
        assert str(blue.public_id) in response.content.decode()
        assert str(red.public_id) not in response.content.decode()

        response = page.post(
            page_of(sku), {"assets": [str(blue.public_id), str(draft.public_id), "x"], "role": "scene"}
        )
        assert response["Location"] == f"/admin/dam/sku/{sku.pk}/change/"
        links = sku.asset_links.exclude(role="packshot").values_list("asset__title", "role")
        assert set(links) == {("red", "detail"), ("blue", "scene"), ("draft", "scene")}

    def test_nothing_chosen_is_told(self, page: Client, sku: SKU) -> None:
        response = page.post(page_of(sku), {"role": "scene"})
        assert "Choose at least one picture" in response.content.decode()

    def test_only_for_staff(self, client: Client, stranger: User, sku: SKU) -> None:
        client.force_login(stranger)
        assert client.get(page_of(sku)).status_code == 302

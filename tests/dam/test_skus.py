"""SKUs: attributes, variants, status, barcode; who sees and changes them by page and API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dam.models import SKU
from tests.factories import AssetFactory, SKUFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
SKUS = "/api/v1/skus/"
LIST = "/admin/dam/sku/"


@pytest.fixture
def page(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def codes(response: Any) -> set[str]:
    assert response.status_code == 200, response.content
    return {row["code"] for row in response.json()["results"]}


def listed(page: Client, query: str) -> set[str]:
    response = page.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return {sku.code for sku in response.context["cl"].result_list}


class TestWriting:
    def test_an_article_and_its_variant(self, staff_api: APIClient) -> None:
        shirt = {
            "code": "SHIRT", "name": "Shirt", "name_zh": "衬衫", "barcode": "4006381333931",
            "attributes": {"material": "linen", "weight (g)": 180, "颜色": "深蓝"},
        }  # fmt: skip
        assert staff_api.post(SKUS, shirt, format="json").status_code == 201
        variant = {"code": "SHIRT-M", "parent": "SHIRT", "status": "discontinued"}
        assert staff_api.post(SKUS, variant, format="json").status_code == 201

        body = staff_api.get(f"{SKUS}SHIRT-M/").json()
        assert (body["parent"], body["status"]) == ("SHIRT", "discontinued")
        saved = SKU.objects.get(code="SHIRT")
        assert saved.attributes == shirt["attributes"]
        assert [sku.code for sku in saved.variants.all()] == ["SHIRT-M"]

    @pytest.mark.parametrize(
        ("field", "value", "sentence"),
        [
            ("attributes", {"1": "x"}, "begins with a letter"),
            ("attributes", {"a:b": "x"}, "begins with a letter"),
            ("attributes", {"a" * 65: "x"}, "begins with a letter"),
            ("attributes", {"colour": ["red"]}, "needs a text"),
            ("attributes", {"colour": ""}, "needs a text"),
            ("attributes", {"colour": True}, "needs a text"),
            ("attributes", {"colour": "x" * 501}, "needs a text"),
            ("attributes", {"colour": 10**16}, "needs a text"),
            ("attributes", {f"a{number}": 1 for number in range(61)}, "at most 60"),
            ("attributes", ["red"], "dictionary"),
            ("barcode", "4006381333932", "wrong digit"),
            ("barcode", "123", "no barcode"),
            ("status", "sold", "sold"),
            ("parent", "NONE", "NONE"),
            ("code", "Export", "address"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(
        self, staff_api: APIClient, field: str, value: Any, sentence: str
    ) -> None:
        answer = staff_api.post(SKUS, {"code": "A", field: value}, format="json")
        assert answer.status_code == 400
        assert sentence in str(answer.json()["errors"][field])
        assert not SKU.objects.exists()

    def test_one_level_of_variants(self, staff_api: APIClient) -> None:
        shirt = SKUFactory(code="SHIRT")
        SKUFactory(code="SHIRT-M", parent=shirt)
        SKUFactory(code="HAT")
        for code, parent, sentence in (
            ("SHIRT", "SHIRT", "variant of itself"),
            ("HAT", "SHIRT-M", "is a variant itself"),
            ("SHIRT", "HAT", "has variants of its own"),
        ):
            answer = staff_api.patch(f"{SKUS}{code}/", {"parent": parent}, format="json")
            assert answer.status_code == 400
            assert sentence in answer.json()["errors"]["parent"][0]
        assert SKU.objects.filter(parent=None).count() == 2

    def test_an_article_with_variants_is_not_deleted(self, staff_api: APIClient) -> None:
        SKUFactory(code="SHIRT-M", parent=SKUFactory(code="SHIRT"))
        assert staff_api.delete(f"{SKUS}SHIRT/").status_code == 409
        assert staff_api.delete(f"{SKUS}SHIRT-M/").status_code == 204

    def test_the_page_checks_the_same(self, page: Client) -> None:
        shirt = SKUFactory(code="SHIRT")
        variant = SKUFactory(code="SHIRT-M", parent=shirt)
        form = {"code": "HAT", "status": "active", "attributes": ""}
        for wrong, sentence in (
            ({"parent": variant.pk}, "is a variant itself"),
            ({"attributes": '{"1": 2}'}, "begins with a letter"),
            ({"barcode": "12"}, "no barcode"),
        ):
            assert sentence in page.post(f"{LIST}add/", form | wrong).content.decode()
        assert page.post(f"{LIST}add/", form | {"parent": shirt.pk}).status_code == 302
        assert SKU.objects.get(code="HAT").attributes == {}


class TestFinding:
    @pytest.fixture(autouse=True)
    def shop(self, db: None) -> None:
        shirt = SKUFactory(
            code="SHIRT",
            name="Linen shirt",
            name_zh="亚麻衬衫",
            attributes={"Material": "Linen", "range": "a"},
        )
        SKUFactory(
            code="SHIRT-38", name="", name_zh="", parent=shirt, attributes={"size (EU)": 38, "colour": "navy"}
        )
        SKUFactory(
            code="SHIRT-40", name="", name_zh="", parent=shirt, status="discontinued",
            attributes={"size (EU)": "40", "colour": "Navy"},
        )  # fmt: skip
        SKUFactory(
            code="HAT", name="Hat", name_zh="帽子", barcode="4006381333931", attributes={"size (EU)": 38.5}
        )

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("q=linen+shirt", {"SHIRT"}),
            ("q=衬衫", {"SHIRT"}),
            ("q=4006381333931", {"HAT"}),
            ("status=discontinued", {"SHIRT-40"}),
            ("parent=SHIRT", {"SHIRT-38", "SHIRT-40"}),
            ("attribute=colour:NAVY", {"SHIRT-38", "SHIRT-40"}),
            ("attribute=colour:navy&attribute=size (EU):38", {"SHIRT-38"}),
            ("attribute=size (EU):40", {"SHIRT-40"}),
            ("attribute=size (EU):38.5", {"HAT"}),
            ("attribute=size (EU)", {"SHIRT-38", "SHIRT-40", "HAT"}),
            ("attribute=range:a", {"SHIRT"}),
            ("attribute=Material:lin%25", set()),
            ("attribute=colour:navy&status=active", {"SHIRT-38"}),
        ],
    )
    def test_by_api(self, staff_api: APIClient, query: str, expected: set[str]) -> None:
        assert codes(staff_api.get(f"{SKUS}?{query}")) == expected

    def test_a_name_that_cannot_be_is_told(self, staff_api: APIClient) -> None:
        answer = staff_api.get(f"{SKUS}?attribute=1:x")
        assert answer.status_code == 400
        assert "no name of an attribute" in answer.json()["errors"]["attribute"][0]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("q=4006381333931", {"HAT"}),
            ("status__exact=discontinued", {"SHIRT-40"}),
            ("attribute=colour:navy", {"SHIRT-38", "SHIRT-40"}),
            ("attribute=size+(EU):38", {"SHIRT-38"}),
            ("attribute=1:x", set()),
        ],
    )
    def test_by_page(self, page: Client, query: str, expected: set[str]) -> None:
        assert listed(page, query) == expected

    def test_others_find_what_the_shop_shows(self, api: APIClient) -> None:
        AssetFactory(skus=[("SHIRT-38", "packshot")])
        AssetFactory(skus=[("SHIRT-40", "packshot")], state="draft")
        assert codes(api.get(f"{SKUS}?attribute=colour:navy")) == {"SHIRT-38"}


class TestTheDetail:
    @pytest.fixture(autouse=True)
    def shop(self, db: None) -> None:
        shirt = SKUFactory(code="SHIRT")
        for code in ("SHIRT-M", "SHIRT-L"):
            SKUFactory(code=code, parent=shirt, attributes={"size": code[-1]})
        AssetFactory(title="old", skus=[("SHIRT", "packshot"), ("SHIRT-M", "packshot")])
        AssetFactory(title="new", skus=[("SHIRT", "packshot")])
        AssetFactory(title="draft", skus=[("SHIRT", "packshot"), ("SHIRT", "scene")], state="draft")
        AssetFactory(title="rejected", skus=[("SHIRT", "detail")], state="rejected")

    def test_variants_and_pictures_by_role(self, staff_api: APIClient) -> None:
        body = staff_api.get(f"{SKUS}SHIRT/").json()
        assert [(row["code"], row["attributes"]) for row in body["variants"]] == [
            ("SHIRT-L", {"size": "L"}), ("SHIRT-M", {"size": "M"}),
        ]  # fmt: skip
        coverage = {row.pop("role"): row for row in body["coverage"]}
        assert list(coverage) == ["packshot", "on_model", "detail", "scene"]
        assert [picture["title"] for picture in coverage["packshot"]["pictures"]] == ["new", "old", "draft"]
        assert coverage["packshot"]["pictures"][0]["thumbnail"].startswith("http")
        assert (coverage["packshot"]["approved"], coverage["packshot"]["total"]) == (2, 3)
        assert (coverage["scene"]["approved"], coverage["scene"]["missing"]) == (0, False)
        assert coverage["detail"] == {"total": 0, "approved": 0, "missing": True, "pictures": []}

    def test_others_get_what_they_may_see(self, api: APIClient, stranger: User) -> None:
        for user in (None, stranger):
            api.force_authenticate(user)
            body = api.get(f"{SKUS}SHIRT/").json()
            assert [row["code"] for row in body["variants"]] == ["SHIRT-M"]
            coverage = {row["role"]: row for row in body["coverage"]}
            assert [picture["title"] for picture in coverage["packshot"]["pictures"]] == ["new", "old"]
            assert (coverage["packshot"]["total"], coverage["scene"]["missing"]) == (2, True)
            assert api.get(f"{SKUS}SHIRT-L/").status_code == 404

    def test_what_is_missing(self, staff_api: APIClient, api: APIClient) -> None:
        assert codes(staff_api.get(f"{SKUS}?missing=packshot")) == {"SHIRT-L"}
        assert codes(staff_api.get(f"{SKUS}?missing=scene")) == {"SHIRT-L", "SHIRT-M"}
        assert codes(api.get(f"{SKUS}?missing=scene")) == {"SHIRT", "SHIRT-M"}

    def test_as_many_queries_for_many_pictures_and_variants(self, staff_api: APIClient) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert staff_api.get(f"{SKUS}SHIRT/").status_code == 200
            return len(captured)

        queries()  # the role of the account is asked for once
        few = queries()
        for number in range(15):
            SKUFactory(code=f"SHIRT-{number}", parent=SKU.objects.get(code="SHIRT"))
            AssetFactory(skus=[("SHIRT", "on_model")])
        assert queries() == few
        on_model = staff_api.get(f"{SKUS}SHIRT/").json()["coverage"][1]
        assert (on_model["total"], len(on_model["pictures"])) == (15, 12)

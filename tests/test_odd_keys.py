"""Keys that are none, in addresses and forms: nothing is found by them, and nothing breaks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from search.models import EvaluationQuery
from tests.factories import AssetFactory

ODD = ["²", "٣٤²", "9" * 30, "9" * 5000]
ADDRESSES = [
    "dam/asset/?collection={}",
    "dam/asset/?after={}",
    "dam/collection/{}/change/",
    "dam/sku/{}/change/",
    "dam/tag/{}/change/",
    "generation/generationjob/{}/change/",
    "search/space/find/?collection={}",
]


@pytest.fixture
def admin(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_show_nothing_for_a_key_that_is_none(admin: Client, address: str) -> None:
    AssetFactory(title="Lamp")
    for key in ODD:
        page = admin.get(f"/admin/{address.format(key)}", follow=True)
        assert page.status_code in (200, 400, 404), key


def test_forms_take_no_key_that_is_none(admin: Client) -> None:
    EvaluationQuery.objects.create(text="lamp", language="en")
    for key in ODD:
        for page in (
            admin.get(reverse("admin:generation_fill"), {"cell": f"{key}:packshot", "row": key}),
            admin.post(reverse("admin:dam_read_news"), {"notice": key}, follow=True),
            admin.post(reverse("admin:search_evaluation"), {"k": key}, follow=True),
        ):
            assert page.status_code in (200, 400), key


@pytest.mark.parametrize(
    ("page", "given"),
    [
        ("search_searches", {"after": "inf~x"}),
        ("search_searches", {"after": "nan~x"}),
        ("search_searches", {"after": "3~\0"}),
        ("search_side_by_side", {"q": "lamp\0"}),
    ],
)
def test_pages_show_themselves_for_odd_values(admin: Client, page: str, given: dict[str, str]) -> None:
    assert admin.get(reverse(f"admin:{page}"), given).status_code == 200

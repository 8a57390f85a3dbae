"""A copy that looks alike is shown and merged into what was there; a new version, and back to the old one."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

import pytest
import requests
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Page, expect

from dam.models import Asset, AssetState, DuplicatePair
from dam.tasks import look_for_duplicates
from tests.factories import AssetFactory, CollectionFactory, EditorFactory, ReviewerFactory
from tests.journeys.visits import run_action, sign_in, sign_out
from tests.services.processes import Process, Web, eventually

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


def photo(colour: str = "firebrick") -> Image.Image:
    """A thing with a shape of its own on a floor that is lit from one side."""
    floor = ImageOps.colorize(Image.linear_gradient("L"), "tan", "ivory").resize((480, 600))
    draw = ImageDraw.Draw(floor)
    draw.polygon([(120, 90), (330, 120), (400, 520), (70, 470)], fill=colour)
    draw.ellipse((300, 60, 450, 190), fill="navy")
    return floor


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def test_a_copy_is_merged_and_a_version_restored(page: Page, web: Web, worker: Callable[[], Process]) -> None:
    process = worker()
    kept = AssetFactory(
        title="Bag", kind="product", file=jpeg(photo()), tags=("leather",), skus=[("BAG-1", "packshot")]
    )
    collection = CollectionFactory(name="Autumn")
    sign_in(page, web, EditorFactory(), "/admin/dam/asset/upload/")

    # A smaller copy comes in under another name, is tagged and put to a SKU of its own.
    page.get_by_label("Tags").fill("bestseller")
    page.get_by_label("Collection").select_option("Autumn")
    small = jpeg(photo().resize((240, 300)), quality=55)
    page.locator("input[type=file]").set_input_files(
        [{"name": "final_FINAL.jpg", "mimeType": "image/jpeg", "buffer": small}]
    )
    expect(page.locator("#upload-outcomes")).to_contain_text("Taken in: ")
    copy = Asset.objects.exclude(pk=kept.pk).get()
    answer = requests.get(f"{web.url}/api/v1/assets/{copy.public_id}/", timeout=30)
    assert answer.status_code == 404  # a draft is nobody's business
    look_for_duplicates.delay()
    eventually(lambda: DuplicatePair.objects.exists(), "the pair is found", process=process)

    # The page of the asset says so, and leads to the pairs.
    page.get_by_role("link", name="Final FINAL").first.click()
    expect(page.get_by_role("heading", name="Looks like")).to_be_visible()
    page.get_by_role("link", name="Near duplicates", exact=True).last.click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Bag", exact=True))
    expect(row).to_contain_text("%")
    row.get_by_role("checkbox").check()
    run_action(page, "Merge: keep the older")
    expect(page.get_by_text("1 pair merged.")).to_be_visible()
    expect(page.get_by_role("link", name="Bag", exact=True)).to_have_count(0)
    kept.refresh_from_db()
    copy.refresh_from_db()
    assert (kept.state, copy.state) == (AssetState.APPROVED, AssetState.TRASHED)
    assert sorted(kept.tags.values_list("slug", flat=True)) == ["bestseller", "leather"]
    assert list(kept.sku_links.values_list("sku__code", "role")) == [("BAG-1", "packshot")]
    assert list(collection.assets.all()) == [kept]

    # An editor's new file is for the shop once a reviewer has seen it; the old one comes back by a button.
    shop = f"{web.url}/api/v1/assets/{kept.public_id}/"
    before = requests.get(shop, timeout=30).json()
    red = requests.get(before["web"], timeout=30).content
    page.goto(f"{web.url}/admin/dam/asset/{kept.pk}/change/")
    page.get_by_label("New version").set_input_files(
        {"name": "bag-green.jpg", "mimeType": "image/jpeg", "buffer": jpeg(photo("seagreen"))}
    )
    page.get_by_role("button", name="Upload as the current version").click()
    expect(page.get_by_text("Version 2 is the current one.")).to_be_visible()
    assert requests.get(shop, timeout=30).status_code == 404
    sign_out(page)
    sign_in(page, web, ReviewerFactory(), f"/admin/dam/asset/{kept.pk}/change/")
    page.get_by_role("button", name=re.compile("Approve$")).click()
    expect(page.get_by_text("Approved: 1.")).to_be_visible()
    after = requests.get(shop, timeout=30).json()
    assert (before["version"], after["version"]) == (1, 2)
    assert before["sha256"] != after["sha256"]
    green = requests.get(after["web"], timeout=30).content
    assert green != red
    # Strangers who kept the old address see what the shop shows now.
    assert requests.get(before["web"], timeout=30).content == green
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_text("Version 1 is the current one.")).to_be_visible()
    again = requests.get(shop, timeout=30).json()
    assert (again["sha256"], again["tags"]) == (before["sha256"], before["tags"])
    assert sorted(kept.versions.values_list("number", flat=True)) == [1, 2]

"""The library in a browser: found by word, chosen by keyboard, previewed, talked about, shared."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from dam.models import Assignment, SavedSearch, ShareLink
from tests.factories import AssetFactory, CollectionFactory, ReviewerFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Web

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.usefixtures("real_passwords")]


def test_a_team_finds_chooses_previews_talks_and_shares(page: Page, web: Web) -> None:
    somebody = ReviewerFactory(username="rita")
    collection = CollectionFactory(name="Spring")
    for number in range(6):
        asset = AssetFactory(
            title=f"Linen shirt {number}", kind="garment", owner=somebody, picture={"seed": 40 + number}
        )
        collection.items.create(asset=asset)
    AssetFactory(title="Mug", kind="product", picture={"seed": 60})

    sign_in(page, web, somebody, "/admin/")

    # Everything on the overview can be reached: nothing lies over anything else.
    for heading in ("Kinds", "Index", "Jobs"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.get_by_role("link", name="Start one in the studio").click(trial=True)
    page.get_by_role("link", name="All assets").click()

    # Filters say how many there are before they are chosen; a search is kept under a name.
    expect(page.get_by_text("7 assets")).to_be_visible()
    page.locator("summary", has_text="Kind").click()
    page.get_by_role("link", name="Garment 6").click()
    expect(page.get_by_text("6 assets")).to_be_visible()
    page.locator("summary", has_text="Saved searches").click()
    page.get_by_label("Save these filters as").fill("Our garments")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("“Our garments” is saved")).to_be_visible()
    assert SavedSearch.objects.get().query == "kind=garment"

    # As a list with its facts, and back to the pictures; both keep the filter, and the search by its name.
    page.get_by_role("link", name="List", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Linen shirt 3", exact=True))
    expect(row.get_by_role("cell", name="Garment", exact=True)).to_be_visible()
    expect(row.get_by_role("cell", name="Approved", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Mug")).to_have_count(0)
    page.goto(f"{web.url}/admin/dam/asset/")
    expect(page.get_by_role("columnheader", name="Title")).to_be_visible()
    page.locator("summary", has_text="Saved searches").click()
    page.get_by_role("link", name="Our garments").click()
    page.get_by_role("link", name="Grid", exact=True).click()
    expect(page.get_by_role("columnheader", name="Title")).to_have_count(0)
    expect(page.get_by_text("6 assets")).to_be_visible()

    # By keyboard: move, select a range, look at one beside the list.
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "p"):
        page.keyboard.press(key)
    expect(page.locator("input.action-select:checked")).to_have_count(3)
    panel = page.get_by_role("complementary", name="Preview")
    expect(panel.get_by_role("heading", name=re.compile("Linen shirt"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    # On the asset's page: a remark and a task.
    page.locator("#searchbar").fill("shirt 3")
    page.locator("#searchbar").press("Enter")
    page.get_by_role("link", name="Linen shirt 3").last.click()
    page.get_by_label("Say something about this asset").fill("The hem is cut off.")
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_text("The hem is cut off.")).to_be_visible()
    page.get_by_label("To", exact=True).select_option(label="rita")
    page.get_by_label("Task").fill("Retouch the hem")
    page.get_by_role("button", name="Assign").click()
    page.goto(f"{web.url}/admin/dam/asset/my-work/")
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("Nobody has asked you for anything")).to_be_visible()
    assert Assignment.objects.get().done_at is not None

    # A link for somebody without an account, behind a password.
    page.goto(f"{web.url}/admin/dam/collection/{collection.pk}/change/")
    page.get_by_label("Password (optional)").fill("open sesame")
    page.get_by_role("button", name="Make a link").click()
    address = page.locator(".at-copy").input_value()
    assert requests.get(address, timeout=30).status_code == 401
    visitor = page.context.browser.new_context().new_page()  # type: ignore[union-attr]
    visitor.goto(address)
    visitor.get_by_label("Password").fill("open sesame")
    visitor.get_by_role("button", name="Show the pictures").click()
    expect(visitor.get_by_text("Linen shirt 5").first).to_be_visible()
    with visitor.expect_download() as download:
        visitor.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == "spring.zip"
    visitor.context.close()
    assert ShareLink.objects.get().downloads == 6

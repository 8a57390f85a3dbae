"""Two versions compared in a browser, the edge between them moved by keyboard, and the way to the trash."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from dam import versions
from dam.models import AssetState
from tests.factories import AssetFactory, CollectionFactory, ReviewerFactory
from tests.journeys.visits import sign_in
from tests.pictures import picture
from tests.services.processes import Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


def test_versions_are_compared_and_restored_and_the_trash_asks(page: Page, web: Web) -> None:
    reviewer = ReviewerFactory()
    asset = AssetFactory(title="Linen shirt", file=picture(size=(600, 400)), skus=[("A-1", "packshot")])
    versions.add_version(
        asset, picture(size=(600, 400), colour="blue", seed=2), filename="blue.jpg", actor=None
    )
    CollectionFactory(name="Spring").items.create(asset=asset)
    sign_in(page, web, reviewer, f"/admin/dam/asset/{asset.pk}/change/")

    expect(page.get_by_label("Version 1 as the one before")).to_be_checked()
    page.get_by_role("button", name="Compare the chosen versions").click()
    edge = page.get_by_role("slider", name=re.compile("Version 1 left of the edge"))
    over = page.locator("[data-overlay-top]")
    expect(over).to_have_attribute("style", re.compile(r"inset\(0(px)? 50% 0(px)? 0(px)?\)"))
    edge.press("Home")
    expect(over).to_have_attribute("style", re.compile("100%"))
    edge.press("ArrowRight")
    expect(over).to_have_attribute("style", re.compile("99%"))
    difference = page.get_by_alt_text(re.compile("with red where version 1 is different"))
    assert difference.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 600
    expect(page.get_by_role("row", name=re.compile("File name .* blue.jpg"))).to_be_visible()
    page.get_by_role("button", name="Restore this version").click()
    expect(page.get_by_text("Version 1 is the current one.")).to_be_visible()

    page.get_by_role("button", name="Move to trash").click()
    expect(
        page.get_by_text("is a picture of the SKU “A-1” (Packshot); is in the collection “Spring”.")
    ).to_be_visible()
    asset.refresh_from_db()
    assert not asset.is_trashed
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("Moved to the trash: 1.")).to_be_visible()
    asset.refresh_from_db()
    assert asset.state == AssetState.TRASHED

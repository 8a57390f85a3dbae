"""The asset's page in a browser: the focal point by keyboard, its crops, and a link for somebody else."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from dam import presets
from dam.models import AssetState, RenditionPreset
from tests.factories import AssetFactory, EditorFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


def test_the_focal_point_by_keyboard_and_a_link_that_expires(page: Page, web: Web) -> None:
    editor = EditorFactory()
    asset = AssetFactory(state=AssetState.DRAFT, picture={"size": (900, 300)})
    presets.save(RenditionPreset(slug="card", width=200, height=200, fit="cover"), actor=None)
    sign_in(page, web, editor, f"/admin/dam/asset/{asset.pk}/change/")

    point = page.get_by_role("button", name=re.compile("Focal point"))
    expect(point).to_have_accessible_name(re.compile("50 %, 50 %"))
    crop = page.locator("[data-crop] img")
    expect(crop).to_have_attribute("style", re.compile("translate"))
    before = crop.get_attribute("style")
    point.press("Shift+ArrowLeft")
    point.press("ArrowLeft")
    point.press("ArrowDown")
    expect(point).to_have_accessible_name(re.compile("39 %, 51 %"))
    expect(page.locator("input[name=focal_x]")).to_have_value("0.390")
    assert crop.get_attribute("style") != before

    page.get_by_label("Links expire after").select_option("3600")
    page.get_by_role("button", name="Copy link that expires: card").click()
    field = page.locator("[data-address]")
    expect(field).to_have_value(re.compile("signature="))
    opened = requests.get(field.input_value(), timeout=30)
    assert opened.status_code == 200
    assert opened.headers["Content-Type"] == "image/webp"
    assert requests.get(field.input_value().split("?")[0], timeout=30).status_code == 404

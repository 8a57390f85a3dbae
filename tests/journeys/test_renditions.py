"""The asset's page in a browser: the focal point by keyboard, its crops, and a link for somebody else."""

from __future__ import annotations

import re

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Page, expect
from pytest_django import Settings

from dam import presets
from dam.models import AssetState, RenditionPreset
from tests.factories import PASSWORD, AssetFactory, EditorFactory
from tests.services.processes import Web

pytestmark = pytest.mark.browser


def test_the_focal_point_by_keyboard_and_a_link_that_expires(
    page: Page, web: Web, settings: Settings
) -> None:
    # The site is another process; it checks passwords with Django's own hashes.
    settings.PASSWORD_HASHERS = [f"{PBKDF2PasswordHasher.__module__}.{PBKDF2PasswordHasher.__qualname__}"]
    editor = EditorFactory()
    asset = AssetFactory(state=AssetState.DRAFT, picture={"size": (900, 300)})
    presets.save(RenditionPreset(slug="card", width=200, height=200, fit="cover"), actor=None)
    page.goto(f"{web.url}/admin/login/?next=/admin/dam/asset/{asset.pk}/change/")
    page.get_by_label("Username").fill(editor.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click()

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

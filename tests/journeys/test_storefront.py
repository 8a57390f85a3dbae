"""The sample storefront in a browser: everything over the public REST API, and trying on with a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from rest_framework.authtoken.models import Token

from dam.models import AssetState
from generation.models import PersonPhoto
from tests.factories import AssetFactory, EditorFactory
from tests.pictures import picture
from tests.services.processes import Process, Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("transactional_db")]
WAIT_MS = 90_000  # a worker starts, and a picture is made


@pytest.fixture
def stock() -> None:
    """Two coats and a scene in the shop; a draft that is not."""
    AssetFactory(
        title="Long coat", title_zh="长大衣", kind="garment", picture={"seed": 1}, skus=[("C-1", "packshot")]
    )
    AssetFactory(title="Short coat", title_zh="短大衣", kind="garment", picture={"seed": 2})
    AssetFactory(title="Beach", kind="scene", picture={"seed": 3})
    AssetFactory(title="Secret coat", kind="garment", state=AssetState.DRAFT, picture={"seed": 4})


def cards(page: Page) -> Any:
    return page.locator("#results").get_by_role("button")


def test_a_visitor_asks_narrows_looks_and_goes_on_to_what_is_alike(
    page: Page, web: Web, stock: None, index_now: Callable[[], Any]
) -> None:
    index_now()
    page.goto(f"{web.url}/storefront/")
    expect(cards(page)).to_have_count(3)
    expect(page.get_by_text("Newest pictures")).to_be_visible()

    page.get_by_role("searchbox").fill("coat")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_text("Pictures found")).to_be_visible()
    expect(cards(page).first).to_contain_text("coat")
    expect(page.get_by_text("Secret coat")).to_have_count(0)
    page.get_by_role("button", name="Garment").click()
    expect(page.get_by_role("button", name="Garment")).to_have_attribute("aria-pressed", "true")
    expect(cards(page)).to_have_count(2)
    shared = page.url

    # Its card by keyboard; what is alike; and the way back.
    page.get_by_role("button", name="Long coat").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Long coat")).to_be_visible()
    expect(dialog.get_by_text("C-1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Long coat")).to_be_focused()
    page.get_by_role("button", name="Long coat").click()
    dialog.get_by_role("button", name="More like this").click()
    expect(page.get_by_text("More like “Long coat”")).to_be_visible()
    expect(page.get_by_role("button", name="Long coat")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("coat")
    expect(cards(page)).to_have_count(2)
    page.goto(shared)
    expect(cards(page)).to_have_count(2)

    # By a picture of one's own.
    page.get_by_label("By a picture").set_input_files(
        {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": picture(seed=2)}
    )
    expect(page.get_by_text("Pictures like yours")).to_be_visible()
    expect(cards(page).first).to_contain_text("Short coat")

    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_text("最新图片")).to_be_visible()
    expect(page.get_by_role("button", name="长大衣")).to_be_visible()


def test_a_garment_is_tried_on_with_a_key_and_the_picture_is_deleted(
    page: Page, web: Web, worker: Callable[[], Process], stock: None
) -> None:
    worker()
    key = Token.objects.create(user=EditorFactory.create()).key
    page.goto(f"{web.url}/storefront/")
    page.get_by_role("button", name="Beach").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("summary")).to_be_hidden()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Long coat").click()
    dialog.locator("summary").click()
    dialog.get_by_label("Key of an account").fill(key)
    dialog.get_by_role("button", name="Go on").click()
    dialog.get_by_label("I agree").check()
    dialog.get_by_label("A picture of yourself").set_input_files(
        {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": picture(size=(600, 800), seed=7)}
    )
    dialog.get_by_role("button", name="Try it on").click()
    expect(dialog.get_by_text("Only you can see it.")).to_be_visible(timeout=WAIT_MS)
    result = dialog.get_by_role("img", name="You, wearing it")
    expect(result).to_be_visible()
    assert result.evaluate("picture => picture.naturalWidth") > 0

    dialog.get_by_role("button", name="Delete my picture").click()
    expect(dialog.get_by_text("are deleted.")).to_be_visible()
    expect(result).to_be_hidden()
    assert not PersonPhoto.objects.filter(deleted=None).exists()

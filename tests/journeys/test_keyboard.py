"""The admin by keyboard alone: past the navigation, into what lies over a page and back, always in sight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.factories import AdministratorFactory, AssetFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Web

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.usefixtures("real_passwords")]

# Whether the element that has the focus, or the box around it, is drawn differently.
SHOWN = """
() => {
  const focused = document.activeElement;
  if (focused === document.body) return "nothing has the focus";
  const around = [focused, focused.parentElement].map((element) => getComputedStyle(element));
  const seen = around.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1);
  return seen ? "" : focused.outerHTML.slice(0, 160);
}
"""


def test_everything_can_be_reached_seen_and_left_by_keyboard(
    page: Page, web: Web, index_now: Callable[[], Any]
) -> None:
    for number in range(2):
        AssetFactory(title=f"Linen shirt {number}", kind="garment", picture={"seed": 70 + number})
    index_now()
    sign_in(page, web, AdministratorFactory(username="ada"), "/admin/dam/asset/")

    # The first thing that is reached leads past the navigation; what comes then lies in the content.
    page.goto(f"{web.url}/admin/dam/asset/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["height"] > 24  # type: ignore[index]
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(SHOWN) == ""
        assert page.evaluate("document.activeElement.closest('main') !== null")

    # The menu of the account, which Unfold opens by mouse only.
    account = page.get_by_role("button", name="ada")
    account.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()

    # The preview beside the list, and why something was found: Escape closes, and the focus is back.
    preview = page.get_by_role("button", name="Preview").first
    _opens_and_closes(page, preview, page.get_by_role("complementary", name="Preview"))
    page.goto(f"{web.url}/admin/search/space/find/?q=shirt")
    why = page.get_by_role("button", name="Why?").first
    _opens_and_closes(page, why, page.locator(".se-reasons").first)

    # Where it is narrow the navigation lies over the page.
    page.set_viewport_size({"width": 390, "height": 844})
    navigation = page.get_by_role("button", name="Navigation")
    _opens_and_closes(page, navigation, page.get_by_role("navigation").filter(has_text="Studio"))


def _opens_and_closes(page: Page, opener: Locator, opened: Locator) -> None:
    expect(opened).to_be_hidden()
    opener.focus()
    page.keyboard.press("Enter")
    expect(opened).to_be_visible()
    page.keyboard.press("Escape")
    expect(opened).to_be_hidden()
    expect(opener).to_be_focused()

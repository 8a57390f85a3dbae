"""The studio without a mouse: chosen, reloaded, planned, run, watched and taken on to the review."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from generation.models import GenerationItem, ItemState
from tests.factories import AssetFactory, ReviewerFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Process, Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]
MOST_TABS = 40


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    for _key in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached by {MOST_TABS} tabs")


def skip_navigation(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def chosen(page: Page) -> dict[str, list[str]]:
    """The ids of what lies in each tray."""
    return {
        name: sorted(
            str(box.get_attribute("value")) for box in page.locator(f"[data-tray] input[name={name}]").all()
        )
        for name in ("models", "garments", "accessories")
    }


def test_a_batch_is_made_by_keyboard_and_survives_reloads(
    page: Page, web: Web, worker: Callable[[], Process]
) -> None:
    for kind, titles in (("model", ("Nils", "Ola", "Pia")), ("garment", ("Coat", "Dress", "Skirt"))):
        for number, title in enumerate(titles):
            seed = 100 + 10 * len(kind) + number
            AssetFactory(title=title, kind=kind, picture={"seed": seed, "size": (240, 320)})
    sign_in(page, web, ReviewerFactory(), "/admin/generation/studio/")
    make = page.get_by_role("button", name="Make 4 pictures")

    # The newest come first: one by Space, its neighbour by Tab, another by the arrow keys.
    models, garments = (page.locator(f"[data-picker={name}]") for name in ("models", "garments"))
    skip_navigation(page)
    tab_to(page, models.get_by_role("checkbox", name="Pia"))
    page.keyboard.press("Space")
    expect(models.locator("[data-tray]").get_by_role("checkbox", name="Pia")).to_be_focused()
    tab_to(page, models.get_by_role("checkbox", name="Ola"))
    page.keyboard.press("Space")
    tab_to(page, garments.get_by_role("checkbox", name="Skirt"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(garments.get_by_role("checkbox", name="Coat")).to_be_focused()
    page.keyboard.press("Space")
    tab_to(page, garments.get_by_role("checkbox", name="Skirt"))
    page.keyboard.press("Space")
    expect(make).to_be_visible()
    expect(page.get_by_role("region", name="Matrix").get_by_role("row")).to_have_count(3)
    sums = page.locator("#plan .st-sums")
    expect(sums).to_contain_text(re.compile(r"Pictures\s*4\s*Price\s*\S.*Time, about\s*\S", re.DOTALL))
    planned, before = sums.inner_text(), chosen(page)
    assert [len(ids) for ids in before.values()] == [2, 2, 0]

    # A reload shows the same again; so it does of more than fits into an address.
    page.reload()
    expect(make).to_be_visible()
    assert (chosen(page), sums.inner_text()) == (before, planned)
    unwanted = page.get_by_label("Not to be seen")
    skip_navigation(page)
    tab_to(page, unwanted)
    page.keyboard.insert_text("雨" * 450)
    expect(page).to_have_url(re.compile("kept=1"))
    page.reload()
    expect(unwanted).to_have_value("雨" * 450)
    expect(make).to_be_visible()
    assert chosen(page) == before

    # Made: the cells fill in, also where the job is opened again in the middle, and lead on to the review.
    studio = page.url
    worker()
    skip_navigation(page)
    tab_to(page, make)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/generationjob/"))
    succeeded = page.locator("[data-cell][data-state=succeeded]")
    expect(page.locator("[data-cell]")).to_have_count(4)
    expect(succeeded.first).to_be_visible(timeout=120_000)
    again = page.context.new_page()  # no reload: at the end the page does one itself, and they would collide
    again.goto(page.url)
    expect(again.locator("[data-cell][data-state=succeeded]")).to_have_count(4, timeout=120_000)
    again.close()
    expect(succeeded).to_have_count(4, timeout=120_000)
    assert GenerationItem.objects.filter(state=ItemState.SUCCEEDED).count() == 4
    skip_navigation(page)
    tab_to(page, page.locator("#job").get_by_role("link", name=re.compile("Review$")))
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(4)

    # At the same address there is the same choice again, and nothing of it is made twice.
    page.goto(studio)
    expect(page.locator("#plan")).to_contain_text("There are 4 of these already")
    assert chosen(page) == before

"""Search quality and another encoder in a browser: judge, measure; reindex, pause, compare, switch, back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from search.models import EncoderVote, EvaluationRun, Judgement, Reindex
from search.outbox import drain
from search.spaces import live_space
from tests.encoders import DIRECTORY
from tests.factories import AdministratorFactory, AssetFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Process, Web

PICTURES = 40
OTHER = "colours:12"

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


@pytest.fixture(autouse=True)
def coloured(transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Site and worker, which start after this, know the encoder of colours and take their time."""
    settings.SEARCH_ENCODERS = {**settings.SEARCH_ENCODERS, **DIRECTORY}
    settings.SEARCH_ENCODER = "colours:8"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.services.colour_settings")
    monkeypatch.setenv("COLOURS_SECONDS", "0.15")


@pytest.fixture
def library(coloured: None) -> None:
    names = ("red", "green", "blue", "yellow")
    for number in range(PICTURES):
        AssetFactory(picture={"colour": names[number % 4], "seed": number})
    drain()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def height(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["height"]


def test_judge_measure_and_change_the_encoder(
    library: None, page: Page, web: Web, worker: Callable[[], Process]
) -> None:
    worker()
    sign_in(page, web, AdministratorFactory(username="ada"), "/admin/search/space/quality/")

    # In Chinese, words may break anywhere; a label stays in one line, as high as its list.
    page.context.add_cookies([{"name": "django_language", "value": "zh-hans", "url": web.url}])
    page.reload()
    labelled = page.locator("label", has_text="深度")
    assert height(labelled) == height(labelled.locator("select"))
    page.context.clear_cookies(name="django_language")
    page.reload()

    # A query is judged by keyboard, right where it is asked for.
    page.get_by_role("link", name="Add a query").click()
    page.get_by_label("Text").fill("red")
    page.get_by_role("button", name=re.compile("^save$", re.IGNORECASE)).click()
    page.get_by_role("link", name="Judge").click()
    expect(page.locator("[data-item]")).to_have_count(20)
    page.wait_for_load_state()  # a key pressed before the page listens is nobody's
    page.keyboard.press("j")
    expect(page.locator("[data-item]").first).to_be_focused()
    for key in "1123":
        before = int(page.locator("[data-judged]").inner_text())
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.keyboard.press(key)
        expect(page.locator("[data-judged]")).to_have_text(str(before + 1))
    expect(page.locator("[data-item]").nth(4)).to_be_focused()
    expect(page.locator("[aria-pressed=true]")).to_have_count(4)
    assert sorted(Judgement.objects.values_list("grade", flat=True)) == [0, 1, 2, 2]

    page.get_by_role("link", name="Search quality").last.click()
    press(page, "Measure now")
    expect(page.get_by_text("measured in the background")).to_be_visible()
    expect(english_figures(page)).to_be_visible()
    assert EvaluationRun.objects.get().metrics["en"]["judged"] == 4

    # Another encoder beside it.
    page.goto(f"{web.url}/admin/search/space/reindex/")
    page.get_by_label("Encoder", exact=True).fill(OTHER)
    press(page, "Begin")
    press(page, "Pause")
    expect(page.locator("[data-number=label]")).to_have_text("Paused")
    done = int(page.locator("[data-number=done]").inner_text())
    assert done < PICTURES
    assert live_space().encoder == "colours:8"
    press(page, "Resume")
    expect(page.locator("[data-number=label]")).to_have_text("Complete, not switched")
    expect(page.locator("[data-number=done]")).to_have_text(str(PICTURES))

    page.get_by_role("link", name="Side by side").click()
    page.get_by_role("link", name="red", exact=True).click()
    expect(page.get_by_role("heading", name=OTHER)).to_be_visible()
    press(page, "The right one")
    expect(page.get_by_text("Your vote is noted.")).to_be_visible()
    assert EncoderVote.objects.get().right == OTHER

    page.goto(f"{web.url}/admin/search/space/reindex/")
    press(page, "Switch")
    expect(page.get_by_text(f"Search uses {OTHER} now")).to_be_visible()
    assert live_space().encoder == OTHER
    page.get_by_role("button", name="Switch back").click()
    expect(page.get_by_text("Search uses colours:8 now")).to_be_visible()
    assert live_space().encoder == "colours:8"
    assert Reindex.objects.get().state == "switched"


def english_figures(page: Page) -> Locator:
    """The first figures, however often the page has to be loaded until they are there."""
    row = page.get_by_role("row", name=re.compile("^English"))
    for _look in range(60):
        if row.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    return row.first

"""The upload page in a browser: folders, many files, a wire that breaks, a reload in the middle."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django import Settings

from dam.models import Asset, UploadSession, UploadState
from tests.archive_files import zip_of
from tests.cut_connections import CutConnections
from tests.factories import PASSWORD, CollectionFactory, EditorFactory
from tests.pictures import picture, text_as_jpg
from tests.services.processes import Process, Web

pytestmark = [pytest.mark.browser, pytest.mark.once]
UPLOAD = "/admin/dam/asset/upload/"


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A page that may meet broken connections and refusals, as `page` may not."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def name(transactional_db: None, settings: Settings) -> str:
    """An editor whose password the site's own process understands."""
    settings.PASSWORD_HASHERS = [f"{PBKDF2PasswordHasher.__module__}.{PBKDF2PasswordHasher.__name__}"]
    return EditorFactory().username


def open_page(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}{UPLOAD}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click()
    expect(page.get_by_role("button", name="Choose a folder")).to_be_visible()  # by the script


def choose(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files(files)


def test_files_chosen_before_the_script_came_are_taken_in(
    page: Page, web: Web, name: str, tmp_path: Path
) -> None:
    (tmp_path / "early.jpg").write_bytes(picture(seed=1))
    held: list[Route] = []
    page.route(re.compile(r"/upload(\.\w+)?\.js"), lambda route: held.append(route))
    page.goto(f"{web.url}/admin/login/?next={UPLOAD}", wait_until="commit")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click(no_wait_after=True)
    choose(page, tmp_path / "early.jpg")
    expect(page.get_by_role("button", name="Choose a folder")).to_be_hidden()
    assert held
    for route in held:
        route.continue_()
    expect(page.locator("#upload-outcomes")).to_contain_text("Taken in: ")
    assert Asset.objects.count() == 1


def test_a_folder_with_its_outcomes(tab: Page, web: Web, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for number in range(5):
        (folder / "below" / f"look-{number}.jpg").write_bytes(picture(seed=number))
    (folder / "again.jpg").write_bytes(picture(seed=0))
    (folder / "list.jpg").write_bytes(text_as_jpg())
    (folder / ".DS_Store").write_bytes(b"left by another system")
    collection = CollectionFactory(name="Spring")
    open_page(tab, web.url, name)
    tab.get_by_label("Collection").select_option("Spring")
    tab.get_by_label("SKUs").fill("D-1，D-2")
    tab.get_by_label("Shown as").select_option(label="Detail")
    tab.locator("summary", has_text="Rights").click()
    tab.get_by_label("Licence").fill("Editorial")
    tab.get_by_label("Territories").fill("Atlantis")

    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)

    # Nothing is sent of what was described wrongly; mended, each file is tried again as the form is now.
    rejected = tab.get_by_text("“Atlantis” is no country")
    expect(rejected).to_have_count(7)
    assert not Asset.objects.exists()
    tab.get_by_label("Territories").fill("德国")
    for _file in range(7):
        tab.get_by_role("button", name=re.compile("^Try again")).first.click()

    expect(tab.locator("#upload-summary")).to_have_text(
        "7 of 7 done: 5 taken in, 1 there already, 1 rejected."
    )
    assert collection.assets.count() == Asset.objects.count() == 5
    for asset in Asset.objects.all():
        assert (asset.licence, asset.territories) == ("Editorial", ["DE"])
        links = asset.sku_links.order_by("sku__code").values_list("sku__code", "role")
        assert list(links) == [("D-1", "detail"), ("D-2", "detail")]
    outcomes = tab.locator("#upload-outcomes")
    expect(outcomes.get_by_text("Taken in: ")).to_have_count(5)
    expect(outcomes.get_by_text("below/look-3.jpg")).to_be_visible()
    first = Asset.objects.get(title="Look 1")
    expect(outcomes.get_by_role("link", name="Look 1")).to_have_attribute(
        "href", f"/admin/dam/asset/{first.public_id}/change/"
    )

    # All that came in can be described at once.
    tab.get_by_role("link", name="Describe what came in").click()
    expect(tab.locator("[data-asset]")).to_have_count(5)


def test_a_folder_dropped_with_the_mouse(page: Page, web: Web, name: str, tmp_path: Path) -> None:
    """As the browser itself is told of a drag: a script's own event cannot carry a folder."""
    folder = tmp_path / "autumn"
    (folder / "coats" / "long").mkdir(parents=True)
    for number in range(3):
        (folder / "coats" / "long" / f"coat-{number}.jpg").write_bytes(picture(seed=number))
    (tmp_path / "hat.jpg").write_bytes(picture(seed=9))
    open_page(page, web.url, name)
    place = page.locator(".at-drop").bounding_box()
    assert place is not None
    drag = {
        "x": place["x"] + place["width"] / 2,
        "y": place["y"] + place["height"] / 2,
        "data": {"items": [], "files": [str(folder), str(tmp_path / "hat.jpg")], "dragOperationsMask": 1},
    }
    mouse = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        mouse.send("Input.dispatchDragEvent", {"type": step, **drag})

    expect(page.locator("#upload-summary")).to_have_text(
        "4 of 4 done: 4 taken in, 0 there already, 0 rejected."
    )
    expect(page.locator("#upload-outcomes").get_by_text("coats/long/coat-2.jpg")).to_be_visible()
    assert Asset.objects.count() == 4


def test_a_broken_connection_is_made_up_for(tab: Page, web: Web, name: str, tmp_path: Path) -> None:
    file = tmp_path / "large.bmp"
    file.write_bytes(picture(size=(1200, 900), format="BMP"))
    with CutConnections(web.url, after=1_500_000) as wire:
        open_page(tab, wire.url, name)
        choose(tab, file)
        expect(tab.locator("#upload-outcomes")).to_contain_text("Taken in: ")
        assert wire.cuts == 1
    assert UploadSession.objects.get().state == UploadState.CREATED
    assert Asset.objects.count() == 1


def test_after_a_reload_it_goes_on_where_it_stopped(tab: Page, web: Web, name: str, tmp_path: Path) -> None:
    file = tmp_path / "large.bmp"
    file.write_bytes(picture(size=(1200, 900), format="BMP"))
    with CutConnections(web.url, after=1_500_000, stays_broken=True) as wire:
        open_page(tab, wire.url, name)
        choose(tab, file)
        outcomes = tab.locator("#upload-outcomes")
        expect(outcomes).to_contain_text("The connection broke; trying again")
        tab.route("**/api/v1/uploads/**", lambda route: route.abort())
        wire.mend()
        tab.on("dialog", lambda dialog: dialog.accept())
        tab.reload()
        expect(tab.get_by_text("1 upload is not complete: large.bmp")).to_be_visible()

        tab.unroute("**/api/v1/uploads/**")
        with tab.expect_request(lambda request: request.method == "PATCH") as continued:
            choose(tab, file)
        assert int(continued.value.headers["upload-offset"]) > 0
        expect(outcomes).to_contain_text("Taken in: ")
    assert (UploadSession.objects.count(), Asset.objects.count()) == (1, 1)


def test_pausing_and_giving_up_by_keyboard(tab: Page, web: Web, name: str, tmp_path: Path) -> None:
    file = tmp_path / "large.bmp"
    file.write_bytes(picture(size=(1200, 900), format="BMP"))
    open_page(tab, web.url, name)
    tab.route("**/api/v1/uploads/*/", lambda route: None)  # hangs
    choose(tab, file)
    row = tab.locator("#upload-outcomes > li")
    row.get_by_role("button", name="Pause: large.bmp").press("Enter")
    expect(row).to_contain_text("Paused")
    tab.unroute("**/api/v1/uploads/*/")
    row.get_by_role("button", name="Go on: large.bmp").press("Enter")
    expect(row).to_contain_text("Taken in: ")
    row.get_by_role("button", name="Remove: large.bmp").press("Enter")
    expect(row).to_have_count(0)
    assert Asset.objects.count() == 1


def test_an_archive_goes_up_in_pieces_and_is_imported(
    tab: Page, web: Web, worker: Callable[[], Process], name: str, tmp_path: Path
) -> None:
    """The wire breaks on its way; checked, started and followed on its page."""
    process = worker()
    archive = tmp_path / "photos.zip"
    large = picture(size=(1200, 900), format="BMP")
    archive.write_bytes(zip_of({"a.bmp": large, "b.jpg": text_as_jpg()}, zipfile.ZIP_STORED))
    with CutConnections(web.url, after=1_500_000) as wire:
        open_page(tab, wire.url, name)
        tab.goto(f"{wire.url}/admin/dam/import/add/")
        tab.get_by_role("button", name="Archive").set_input_files(archive)
        tab.get_by_role("button", name="Import").click()
        start = tab.get_by_role("button", name="Start")
        expect(start).to_be_visible()
        expect(tab.get_by_role("cell", name="b.jpg")).to_be_visible()
        start.click()
        expect(tab.get_by_text("1 taken in, 0 in the library already, 1 rejected.")).to_be_visible()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Error sheet (CSV)").click()
        assert "b.jpg" in Path(download.value.path()).read_text("utf-8-sig")
    assert process.runs
    assert Asset.objects.count() == 1

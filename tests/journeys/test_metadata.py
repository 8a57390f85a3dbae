"""Metadata: read from a file and seen, the place kept from strangers; hundreds edited at once, and undone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from rest_framework.authtoken.models import Token

from dam.models import Asset, AssetState, BulkEdit, BulkState
from tests.factories import EditorFactory, ReviewerFactory, UserFactory
from tests.journeys.visits import run_action, sign_in
from tests.metadata_files import FIELDS, full_picture, iptc_block, places_in, with_iptc
from tests.services.processes import Process, Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]
MANY = 320
BY_LABEL = {
    "Title (English)": "title",
    "Title (Chinese)": "title_zh",
    "Alternative text (English)": "alt_text",
    "Alternative text (Chinese)": "alt_text_zh",
    "Description (English)": "description",
    "Description (Chinese)": "description_zh",
    "Rights holder": "rights_holder",
    "Licence": "licence",
    "Credit line": "credit",
}


def token_of(user: User) -> dict[str, str]:
    return {"Authorization": f"Token {Token.objects.create(user=user).key}"}


def test_what_a_file_says_is_seen_and_its_place_stays_private(page: Page, web: Web) -> None:
    owner, stranger = UserFactory(), UserFactory()
    mine, others = token_of(owner), token_of(stranger)
    file = with_iptc(full_picture("JPEG"), iptc_block((55, b"20260504"), (80, b"Ada North")))
    sent = requests.post(
        f"{web.url}/api/v1/assets/", headers=mine, files={"file": ("crown.jpg", file)}, timeout=60
    )
    assert sent.status_code == 201, sent.text
    asset = sent.json()
    assert {name: asset[name] for name in FIELDS} == FIELDS
    assert sorted(tag["label"] or tag["label_zh"] for tag in asset["tags"]) == ["gold", "头饰"]

    sign_in(page, web, ReviewerFactory(), f"/admin/dam/asset/{asset['id']}/change/")
    for label, name in BY_LABEL.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(FIELDS[name])
    panel = page.locator("#metadata")
    for term, value in (
        ("Camera", "Maker 5"),
        ("Exposure", "1/250 s · f/2.8"),
        ("Taken", "2026-05-04 10:20:30"),
        ("Place", "52.52000° N, 13.40500° E"),
        ("Author", "Ada North"),
    ):
        expect(panel.locator("dt", has_text=re.compile(f"^{term}$")).first).to_be_visible()
        expect(panel.locator("dd", has_text=value).first).to_be_visible()
    page.get_by_role("button", name="Approve", exact=False).click()
    expect(page.get_by_text("Approved: 1.")).to_be_visible()

    # The owner's file says where it was taken; nobody else's, and no rendition does.
    assert Asset.objects.get().state == AssetState.APPROVED
    whole = requests.get(asset["original"], headers=mine, timeout=30)
    assert whole.content == file
    assert places_in(whole.content)
    for headers in (others, {}):
        shown = requests.get(f"{web.url}/api/v1/assets/{asset['id']}/", headers=headers, timeout=30).json()
        copy = requests.get(shown["original"], headers=headers, timeout=30)
        assert copy.status_code == 200
        assert places_in(copy.content) == []
        assert b"Crown" in copy.content
        assert sorted(shown["renditions"]) == ["thumbnail", "web"]
        for address in shown["renditions"].values():
            rendition = requests.get(address, headers=headers, timeout=60)
            assert rendition.status_code == 200
            assert places_in(rendition.content) == []
    told = requests.get(f"{web.url}/api/v1/assets/{asset['id']}/metadata/", headers=others, timeout=30)
    assert "GPS" not in told.text and "13,24" not in told.text


def test_hundreds_edited_by_a_filter_and_undone(page: Page, web: Web, worker: Callable[[], Process]) -> None:
    worker()
    Asset.objects.bulk_create(
        Asset(title=f"Scan {number}", kind="garment", state=AssetState.DRAFT, licence=f"Deal {number % 7}")
        for number in range(MANY)
    )
    other = Asset.objects.create(title="Mug", kind="product", state=AssetState.DRAFT, licence="Deal 0")
    sign_in(page, web, EditorFactory(), "/admin/dam/asset/?kind=garment")

    # Not the page of sixty: everything under the filter.
    page.get_by_label("Select all on this page").check()
    page.get_by_role("link", name=re.compile("Select all .*assets", re.IGNORECASE)).click()
    run_action(page, "Edit …")
    expect(page.get_by_text("All assets under the filters of the list are chosen")).to_be_visible()
    page.get_by_label("Change Licence").check()
    page.get_by_label("Licence", exact=True).fill("Worldwide, 2027")
    page.get_by_label("Add tags").fill("relaunch, archive scan")
    page.get_by_role("button", name="Change them").click()

    numbers = page.locator("#bulk-edit")
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("max", str(MANY))
    expect(numbers.locator("[data-number=label]")).to_have_text("Done")
    expect(numbers.locator("[data-number=changed]")).to_have_text(str(MANY))
    changed = Asset.objects.filter(licence="Worldwide, 2027", tags__slug="archive-scan")
    assert changed.filter(tags__slug="relaunch", kind="garment").distinct().count() == MANY
    other.refresh_from_db()
    assert other.licence == "Deal 0"

    # Somebody changes one of them meanwhile: the undoing leaves that one alone.
    theirs = changed.order_by("pk").first()
    assert theirs is not None
    tab = page.context.new_page()
    tab.goto(f"{web.url}/admin/dam/asset/{theirs.pk}/change/")
    tab.get_by_label("Licence", exact=True).fill("By hand")
    tab.get_by_role("button", name="Save", exact=True).click()
    expect(tab.get_by_text("was changed successfully")).to_be_visible()
    tab.close()
    page.get_by_role("button", name=re.compile("Undo$")).click()
    expect(numbers.locator("[data-number=label]")).to_have_text("Undone")
    expect(numbers.locator("[data-number=undone]")).to_have_text(str(MANY - 1))
    expect(numbers.locator("[data-number=kept]")).to_have_text("1")
    assert BulkEdit.objects.get().state == BulkState.UNDONE
    assert changed.count() == 0
    licences = Asset.objects.filter(kind="garment").exclude(pk=theirs.pk).order_by("pk")
    assert list(licences.values_list("licence", flat=True)) == [f"Deal {n % 7}" for n in range(1, MANY)]
    theirs.refresh_from_db()
    assert theirs.licence == "By hand"

"""Rights and workflow: from a contributor's draft over review to the shop, until the licence runs out."""

from __future__ import annotations

import csv
import re
from datetime import timedelta

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.utils import timezone
from playwright.sync_api import Page, expect

from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import Asset, AssetOrigin, AssetState
from dam.roles import Role
from tests.factories import (
    AdministratorFactory,
    AssetFactory,
    CollectionFactory,
    EditorFactory,
    ReviewerFactory,
)
from tests.journeys.visits import downloaded, sign_in, sign_out
from tests.pictures import picture
from tests.services.processes import Web

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


def contributor() -> User:
    """Somebody with a desk in the admin, in the group of contributors."""
    user = EditorFactory(username="cleo")
    user.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
    return user


def made_from(source: Asset) -> Asset:
    """An approved picture that was generated from this one."""
    return ingest(
        picture(seed=77, colour="teal"),
        filename="made.jpg",
        owner=None,
        origin=AssetOrigin.GENERATED,
        metadata=AssetMetadata(title="Campaign", kind="model", state=AssetState.APPROVED),
        parents=[ParentLink(source, "garment")],
    ).asset


def test_from_draft_to_the_shop_until_the_rights_end(page: Page, web: Web) -> None:
    cleo, rita, ada = contributor(), ReviewerFactory(username="rita"), AdministratorFactory(username="ada")
    AssetFactory(title="Not mine", state=AssetState.DRAFT, owner=rita)
    AssetFactory(title="Model", kind="model", picture={"seed": 5, "size": (300, 500)})

    # The contributor brings it in and hands it over; approving is for others.
    sign_in(page, web, cleo, "/admin/dam/asset/upload/")
    page.get_by_label("Kind").select_option("garment")
    expect(page.get_by_label("State").get_by_role("option", name="Approved")).to_have_count(0)
    page.locator("input[type=file]").set_input_files(
        [{"name": "silk-dress.jpg", "mimeType": "image/jpeg", "buffer": picture(seed=8, size=(300, 400))}]
    )
    page.locator("#upload-outcomes").get_by_role("link", name="Silk dress").click()
    expect(page.get_by_role("button", name=re.compile("Approve$"))).to_have_count(0)
    page.get_by_role("button", name=re.compile("Send to review$")).click()
    expect(page.get_by_text("Sent to review: 1.")).to_be_visible()
    page.goto(f"{web.url}/admin/dam/asset/")
    expect(page.get_by_text("Silk dress").first).to_be_visible()
    expect(page.get_by_text("Not mine")).to_have_count(0)
    dress = Asset.objects.get(title="Silk dress")
    shop = f"{web.url}/api/v1/assets/{dress.public_id}/"
    assert requests.get(shop, timeout=30).status_code == 404

    # The reviewer says something and approves.
    sign_out(page)
    sign_in(page, web, rita, f"/admin/dam/asset/{dress.pk}/change/")
    page.get_by_label("Say something about this asset").fill("The light is right.")
    page.get_by_role("button", name="Comment").click()
    page.get_by_role("button", name=re.compile("Approve$")).click()
    expect(page.get_by_text("Approved: 1.")).to_be_visible()
    expect(page.get_by_text("The light is right.")).to_be_visible()
    sold = requests.get(shop, timeout=30).json()
    assert sold["title"] == "Silk dress"
    assert requests.get(sold["web"], timeout=30).status_code == 200

    # It is shared and something is made from it; then its licence turns out to have ended yesterday.
    collection = CollectionFactory(name="Evening")
    collection.items.create(asset=dress)
    made = made_from(dress)
    made_shop = f"{web.url}/api/v1/assets/{made.public_id}/"
    assert requests.get(made_shop, timeout=30).status_code == 200
    page.goto(f"{web.url}/admin/dam/collection/{collection.pk}/change/")
    page.get_by_role("button", name=re.compile("Make a link$")).click()
    link = page.locator(".at-copy").input_value()
    shared = requests.get(link, timeout=30).text
    assert "Silk dress" in shared
    small = re.findall(r'<img src="([^"]+)"', shared)[0]
    assert requests.get(web.url + small, timeout=30).status_code == 200

    yesterday = timezone.localdate() - timedelta(days=1)
    page.goto(f"{web.url}/admin/dam/asset/{dress.pk}/change/")
    page.get_by_label("Rights expire on").fill(yesterday.isoformat())
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text(re.compile("The rights ran out on"))).to_be_visible()
    assert requests.get(shop, timeout=30).status_code == 404
    assert requests.get(sold["web"], timeout=30).status_code == 404
    assert requests.get(web.url + small, timeout=30).status_code == 404
    assert "Silk dress" not in requests.get(link, timeout=30).text
    found = requests.get(f"{web.url}/api/v1/assets/", timeout=30).json()["results"]
    assert [row["title"] for row in found] == ["Model"]

    # What was made from it says so and is gone too; nothing new is made from it.
    assert requests.get(made_shop, timeout=30).status_code == 404
    page.goto(f"{web.url}/admin/dam/asset/{made.pk}/change/")
    expect(page.get_by_text("The rights of a picture that it was made from ran out on")).to_be_visible()
    page.goto(f"{web.url}/admin/generation/studio/?kind=outfits&garments={dress.public_id}")
    page.locator(".st-tile", has_text="Model").first.click()
    plan = page.get_by_role("region", name="Plan")
    expect(plan).to_contain_text("The rights ran out on")
    expect(page.get_by_role("button", name=re.compile("^Make "))).to_have_count(0)

    # The log knows who did what, and goes out as a table.
    sign_out(page)
    sign_in(page, web, ada, f"/admin/dam/auditentry/?q={dress.public_id}")
    for who, what in (("cleo", "asset.ingested"), ("rita", "after: approved"), ("rita", "rights_expire_on")):
        expect(page.get_by_role("row").filter(has_text=who).filter(has_text=what).first).to_be_visible()
    lines = downloaded(page, "link", re.compile("Export")).read_text("utf-8-sig").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["target"] == str(dress.public_id)]
    told = [(row["actor"], row["action"]) for row in rows]
    assert told == [
        ("cleo", "asset.ingested"),
        ("cleo", "asset.state"),
        ("rita", "asset.commented"),
        ("rita", "asset.state"),
        ("rita", "asset.updated"),
    ]

"""Taking things out: into the trash and back, then for good, with nothing left anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import requests
from django.core.files.storage import default_storage
from playwright.sync_api import Page, expect

from dam.models import Asset, AssetState, Rendition
from search.models import IndexEntry, IndexState
from search.tasks import sweep
from tests.factories import AdministratorFactory, AssetFactory, CollectionFactory
from tests.journeys.visits import run_action, sign_in
from tests.services.processes import Process, Web, eventually, manage

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


def test_into_the_trash_and_back_and_then_for_good(
    page: Page, web: Web, worker: Callable[[], Process]
) -> None:
    process = worker()
    scarf = AssetFactory(title="Scarf", kind="accessory", skus=[("SC-1", "packshot")], picture={"seed": 3})
    CollectionFactory(name="Winter").items.create(asset=scarf)
    mug = AssetFactory(title="Mug", kind="product", picture={"seed": 4, "colour": "blue"})
    indexed = IndexEntry.objects.filter(state=IndexState.INDEXED)
    sweep.delay()
    eventually(lambda: indexed.count() == 2, "both are indexed", process=process)
    shop = f"{web.url}/api/v1/assets/{scarf.public_id}/"
    sold = requests.get(shop, timeout=30).json()
    assert requests.get(sold["web"], timeout=30).status_code == 200
    assert scarf.current is not None
    names = [
        scarf.current.file.name,
        *Rendition.objects.filter(version__asset=scarf).values_list("file", flat=True),
    ]
    assert len(names) >= 2 and all(default_storage.exists(name) for name in names)

    # Into the trash: out of the shop, and back by a button with all that it had.
    sign_in(page, web, AdministratorFactory(), f"/admin/dam/asset/{scarf.pk}/change/")
    page.get_by_role("button", name=re.compile("Move to trash$")).click()
    used = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Scarf"))
    expect(used).to_contain_text("is a picture of the SKU “SC-1” (Packshot); is in the collection “Winter”")
    assert Asset.objects.get(pk=scarf.pk).state == AssetState.APPROVED  # nothing has happened yet
    page.get_by_role("button", name=re.compile("Move to trash$")).click()
    expect(page.get_by_text("Moved to the trash: 1.")).to_be_visible()
    expect(page.get_by_role("link", name="Scarf")).to_have_count(0)
    assert requests.get(shop, timeout=30).status_code == 404
    assert requests.get(sold["web"], timeout=30).status_code == 404
    page.locator("summary", has_text="State").click()
    page.get_by_role("link", name=re.compile("^Trashed")).click()
    page.get_by_role("link", name="Scarf").last.click()
    page.get_by_role("button", name=re.compile("Restore$")).click()
    expect(page.get_by_text("Restored: 1.")).to_be_visible()
    scarf.refresh_from_db()
    assert scarf.state == AssetState.APPROVED
    assert list(scarf.sku_links.values_list("sku__code", flat=True)) == ["SC-1"]
    assert requests.get(sold["web"], timeout=30).status_code == 200

    # For good, from the list of the trash.
    page.get_by_role("button", name=re.compile("Move to trash$")).click()
    expect(used).to_be_visible()
    page.get_by_role("button", name=re.compile("Move to trash$")).click()
    expect(page.get_by_text("Moved to the trash: 1.")).to_be_visible()
    page.goto(f"{web.url}/admin/dam/asset/?state=trashed")
    page.get_by_label("Select Scarf").check()
    run_action(page, "Delete for good")
    page.get_by_role("button", name=re.compile("Yes, I|Delete for good")).click()
    expect(page.get_by_text(re.compile("Successfully deleted 1|deleted for good"))).to_be_visible()
    assert list(Asset.objects.all()) == [mug]
    assert [name for name in names if default_storage.exists(name)] == []
    assert requests.get(shop, timeout=30).status_code == 404
    waiting = IndexEntry.objects.exclude(state__in=(IndexState.INDEXED, IndexState.REMOVED))
    eventually(lambda: not waiting.exists(), "its vector is gone", process=process)
    assert indexed.count() == 1
    report = manage("reconcile", "--json")
    assert report.returncode == 0, report.stderr
    found = json.loads(report.stdout)
    assert found["clean"] is True
    assert [(space["assets"], space["orphaned"]) for space in found["spaces"]] == [(1, 0)]
    page.goto(f"{web.url}/admin/dam/auditentry/?q={scarf.public_id}")
    expect(page.get_by_role("cell", name="asset.deleted").first).to_be_visible()

"""Territories of licences: written as codes or names wherever rights come in, kept as codes, and obeyed."""

from __future__ import annotations

import csv
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from dam import bulk_edits, tasks
from dam.models import Asset
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
NO_COUNTRY = "“Atlantis” is no country."


def of(asset: Asset) -> list[str]:
    asset.refresh_from_db()
    return asset.territories


def where(asset: Asset) -> str | None:
    asset.refresh_from_db()
    return asset.usable_in


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        (["de", "CN"], ["CN", "DE"]),
        (["Germany", "中国", "deu"], ["CN", "DE"]),
        (["UK", "United Kingdom", "GB"], ["GB"]),
        ([], []),
    ],
)
def test_written_by_rest_as_people_write_them(
    staff_api: APIClient, written: list[str], codes: list[str]
) -> None:
    asset = AssetFactory()
    address = f"/api/v1/assets/{asset.public_id}/"
    answer = staff_api.patch(address, {"territories": written}, format="json")
    assert (answer.status_code, answer.json()["territories"]) == (200, codes)
    assert where(asset) == (f",{','.join(codes)}," if codes else None)


def test_what_is_no_country_is_refused_and_changes_nothing(staff_api: APIClient) -> None:
    asset = AssetFactory(territories=["DE"])
    address = f"/api/v1/assets/{asset.public_id}/"
    answer = staff_api.patch(address, {"territories": ["FR", "Atlantis"], "title": "New"}, format="json")
    assert answer.status_code == 400
    assert NO_COUNTRY in str(answer.json())
    assert (of(asset), asset.title != "New") == (["DE"], True)


def test_an_upload_brings_them(staff_api: APIClient) -> None:
    file = SimpleUploadedFile("a.jpg", picture(seed=1), "image/jpeg")
    made = staff_api.post("/api/v1/assets/", {"file": file, "territories": "法国, DE"}, format="multipart")
    assert made.json()["territories"] == ["DE", "FR"]
    asset = Asset.objects.get(public_id=made.json()["id"])
    assert where(asset) == ",DE,FR,"


def test_on_the_page_of_an_asset(client: Client, editor: User, staff_api: APIClient) -> None:
    asset = AssetFactory(territories=["DE"])
    client.force_login(editor)
    page = f"/admin/dam/asset/{asset.pk}/change/"
    form = client.get(page).context["adminform"].form
    given: dict[str, Any] = {
        name: "" if (value := form.get_initial_for_field(field, name)) is None else value
        for name, field in form.fields.items()
    }
    given |= {"tags": [], "sku_links-TOTAL_FORMS": 0, "sku_links-INITIAL_FORMS": 0}
    refused = client.post(page, {**given, "territories": "Atlantis"})
    assert NO_COUNTRY in refused.content.decode()
    assert of(asset) == ["DE"]
    assert client.post(page, {**given, "territories": "日本, de"}).status_code == 302
    assert of(asset) == ["DE", "JP"]


def test_for_many_at_once_and_back(editor: User, staff_api: APIClient) -> None:
    first, second = AssetFactory(territories=["DE"]), AssetFactory()
    ids = [str(asset.public_id) for asset in (first, second)]
    refused = staff_api.post(
        "/api/v1/bulk-edits/", {"ids": ids, "changes": {"territories": ["Atlantis"]}}, format="json"
    )
    assert refused.status_code == 400
    assert NO_COUNTRY in str(refused.json())
    begun = staff_api.post(
        "/api/v1/bulk-edits/", {"ids": ids, "changes": {"territories": ["china"]}}, format="json"
    )
    assert begun.status_code == 202
    tasks.run_bulk_edit(begun.json()["id"])
    assert (of(first), of(second)) == (["CN"], ["CN"])
    bulk_edits.undo(bulk_edits.edits_of(editor).get(), actor=editor)
    tasks.run_bulk_edit(begun.json()["id"])
    assert (of(first), of(second)) == (["DE"], [])


def test_a_manifest_brings_them_and_a_dry_run_names_the_bad_row(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(picture(seed=number))
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,territories\n1.jpg,DE; 中国\n2.jpg,Atlantis\n", encoding="utf-8")
    told = StringIO()
    with pytest.raises(CommandError):
        call_command(
            "import_assets", str(tmp_path), manifest=manifest, dry_run=True, stderr=told, stdout=told
        )
    assert f"Row 3: {NO_COUNTRY}" in told.getvalue()
    assert Asset.objects.count() == 0
    with pytest.raises(CommandError):
        call_command("import_assets", str(tmp_path), manifest=manifest, stderr=told, stdout=told)
    assert Asset.objects.get().territories == ["CN", "DE"]


def test_out_by_a_table_and_back_in(staff_api: APIClient) -> None:
    asset = AssetFactory(territories=["DE", "FR"])
    answer = staff_api.get("/api/v1/assets/export/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(StringIO(text, newline=""))
    assert row["territories"] == "DE; FR"

    def send(cell: str) -> Any:
        file = SimpleUploadedFile("t.csv", f"id,territories\n{asset.public_id},{cell}\n".encode())
        return staff_api.post(
            "/api/v1/assets/update-metadata/", {"file": file, "dry_run": False}, format="multipart"
        ).json()

    assert send("DE; FR")["changes"] == []
    assert NO_COUNTRY in str(send("Atlantis"))
    assert of(asset) == ["DE", "FR"]
    assert len(send("英国")["changes"]) == 1
    assert of(asset) == ["GB"]
    assert len(send("")["changes"]) == 1
    assert (of(asset), where(asset)) == ([], None)


def test_a_merged_asset_keeps_where_both_licences_hold(staff_api: APIClient) -> None:
    kept = AssetFactory(territories=["CN", "DE"])
    others = [AssetFactory(territories=["DE", "FR"]), AssetFactory()]
    merged = staff_api.post(
        f"/api/v1/assets/{kept.public_id}/merge/",
        {"others": [str(other.public_id) for other in others]},
        format="json",
    )
    assert merged.status_code == 200
    assert (of(kept), where(kept)) == (["DE"], ",DE,")


def test_licences_without_a_common_territory_are_not_merged(staff_api: APIClient) -> None:
    kept, other = AssetFactory(territories=["DE"]), AssetFactory(territories=["FR"])
    refused = staff_api.post(
        f"/api/v1/assets/{kept.public_id}/merge/", {"others": [str(other.public_id)]}, format="json"
    )
    assert refused.status_code == 409
    assert "no territory in common" in refused.json()["detail"]
    other.refresh_from_db()
    assert (of(kept), other.state) == (["DE"], "approved")


def test_what_was_written_before_countries_were_asked_for(editor: User, staff_api: APIClient) -> None:
    named = AssetFactory()
    odd = AssetFactory()
    Asset.objects.filter(pk=named.pk).update(territories=["Germany", "fr"], usable_in=",GERMANY,FR,")
    Asset.objects.filter(pk=odd.pk).update(territories=["Europe"], usable_in=",EUROPE,")
    to_codes = import_module("dam.migrations.0014_territories_are_countries")._to_codes
    to_codes(apps, None)
    assert (of(named), named.usable_in) == (["DE", "FR"], ",DE,FR,")
    assert (of(odd), odd.usable_in) == (["Europe"], ",EUROPE,")

    # What nobody would take any more comes back all the same when an edit is undone.
    begun = staff_api.post(
        "/api/v1/bulk-edits/",
        {"ids": [str(odd.public_id)], "changes": {"territories": ["DE"]}},
        format="json",
    )
    tasks.run_bulk_edit(begun.json()["id"])
    assert of(odd) == ["DE"]
    bulk_edits.undo(bulk_edits.edits_of(editor).get(), actor=editor)
    tasks.run_bulk_edit(begun.json()["id"])
    assert of(odd) == ["Europe"]
    assert bulk_edits.edits_of(editor).get().state == "undone"

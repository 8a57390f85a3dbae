"""Hostile files through the real entrances: nothing breaks, nothing hangs, nothing active comes out again."""

from __future__ import annotations

import csv
import resource
import time
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook
from PIL import Image
from rest_framework.test import APIClient

from dam import decoders, tasks
from dam.addresses import original_url, rendition_url
from dam.models import Asset, Import, ImportState
from dam.tables import FORMULA_STARTS
from tests import hostile_files
from tests.clients import api_of
from tests.hostile_files import TAG, Hostile

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("space", "own_storage"),
]
ASSETS, UPLOADS, IMPORTS = "/api/v1/assets/", "/api/v1/uploads/", "/api/v1/imports/"
SECONDS = 25.0  # a drawing has 20; everything else takes far less
MEGABYTES = 1600  # of this process, at its highest, beyond what it had before
DECODER_MEGABYTES = 2048 + 100  # of each that decodes: its bound, and the file itself
RASTER = {"image/webp", "image/jpeg", "image/png", "image/avif"}
ORIGINAL = RASTER | {"image/gif", "image/tiff", "image/bmp", "image/heic"}
INERT = "default-src 'none'; sandbox"


def peak_megabytes(whose: int = resource.RUSAGE_SELF) -> float:
    return resource.getrusage(whose).ru_maxrss / 1024


@pytest.fixture
def bounded() -> Iterator[None]:
    decoders.end()
    before, decoders_before = peak_megabytes(), peak_megabytes(resource.RUSAGE_CHILDREN)
    yield
    decoders.end()  # from here on they count
    assert peak_megabytes() - before < MEGABYTES
    assert peak_megabytes(resource.RUSAGE_CHILDREN) <= max(decoders_before, DECODER_MEGABYTES)


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def sent(api: APIClient, file: Hostile) -> Any:
    """The answer to the upload; the name as it is, whatever the client would make of it."""
    upload = SimpleUploadedFile("x", file.content)
    upload._name = file.name  # Django's own class cuts folders off already
    return api.post(ASSETS, {"file": upload}, format="multipart")


def wrong_with_files(asset: Asset, client: Client) -> Iterator[str]:
    """What of an asset's files a browser could take for more than a picture."""
    version = asset.current
    assert version is not None
    for address, kinds in (
        (rendition_url(asset, "thumbnail"), RASTER),
        (rendition_url(asset, "web"), RASTER),
        (original_url(asset), ORIGINAL),
    ):
        answer = client.get(address)
        if answer.status_code != 200:
            yield f"{address} answers {answer.status_code}"
            continue
        content = body_of(answer)
        if answer["Content-Type"] not in kinds or "svg" in answer["Content-Type"]:
            yield f"{address} is {answer['Content-Type']}"
        if (answer["X-Content-Type-Options"], answer["Content-Security-Policy"]) != ("nosniff", INERT):
            yield f"{address} is not inert"
        if kinds is ORIGINAL:
            if not answer["Content-Disposition"].startswith("attachment"):
                yield f"{address} is shown, not saved"
        elif b"<script" in content or b"<?php" in content or Image.open(BytesIO(content)).info.get("comment"):
            yield f"{address} still holds what came with it"


def test_hostile_pictures_are_taken_as_pictures_or_refused_in_a_sentence(
    administrator: User, bounded: None
) -> None:
    api, client = api_of(administrator), Client()
    client.force_login(administrator)
    every = hostile_files.files()
    assert len(every) >= 400
    problems: list[str] = []
    statuses: Counter[int] = Counter()
    codes: Counter[str] = Counter()
    for file in every:
        began = time.monotonic()
        answer = sent(api, file)
        took = time.monotonic() - began
        statuses[answer.status_code] += 1
        if took > SECONDS:
            problems.append(f"{file.what}: took {took:.1f} s")
        if answer.status_code in (200, 201):
            asset = Asset.objects.select_related("current").get(public_id=answer.json()["id"])
            problems += [f"{file.what}: {wrong}" for wrong in wrong_with_files(asset, client)]
        elif answer.status_code in (400, 413, 415, 422):
            codes[answer.json().get("code")] += 1
            if not answer.json().get("detail") and not answer.json().get("errors"):
                problems.append(f"{file.what}: refused without a sentence: {answer.content[:200]!r}")
        else:
            problems.append(f"{file.what}: answered {answer.status_code}: {answer.content[:200]!r}")
    assert not problems, f"{len(problems)} of {len(every)}:\n" + "\n".join(problems)
    assert not codes["crash"]  # refused they would be too; but a decoder that breaks down is one to replace
    # Sound pictures with bad names and words are taken; what is no picture is not.
    assert statuses[201] > 60
    assert sum(statuses.values()) - statuses[201] - statuses[200] > 150


def test_what_files_say_of_themselves_is_text_wherever_it_is_shown(administrator: User) -> None:
    api, client = api_of(administrator), Client()
    client.force_login(administrator)
    taken = []
    for file in [*hostile_files.poisoned(), *hostile_files.badly_named()]:
        answer = sent(api, file)
        if answer.status_code == 201:
            taken.append(Asset.objects.get(public_id=answer.json()["id"]))
    assert len(taken) > 50
    titles = " ".join(asset.title for asset in taken)
    assert TAG in titles and "{{ settings.SECRET_KEY }}" in titles  # as they came, for they are words
    addresses = [
        reverse("admin:dam_asset_changelist"), reverse("admin:index"),
        reverse("admin:dam_auditentry_changelist"), reverse("admin:dam_my_work"),
        *(reverse("admin:dam_asset_change", args=(asset.pk,)) for asset in taken[:24]),
        *(reverse("admin:dam_asset_panel", args=(asset.pk,)) for asset in taken[:8]),
    ]  # fmt: skip
    for address in addresses:
        answer = client.get(address)
        page = body_of(answer).decode(errors="replace")
        assert answer.status_code == 200, address
        assert "<zqx" not in page and "<script>alert" not in page and "<img src=x" not in page, address
        assert "onmouseover='" not in page and "\x1b" not in page, address
    for asset in taken:
        assert not any(ord(character) < 32 for character in asset.title), asset.title[:40]
        header = client.get(original_url(asset))["Content-Disposition"]
        assert "\r" not in header and "\n" not in header and ".." not in header.replace("...", ""), header


def test_no_table_runs_what_a_file_called_itself(administrator: User) -> None:
    api, client = api_of(administrator), Client()
    client.force_login(administrator)
    for file in hostile_files.poisoned():
        if "formula" in file.what:
            assert sent(api, file).status_code == 201
    exported = reverse("admin:dam_asset_export")
    sheet = body_of(client.get(exported, {"as": "csv"})).decode("utf-8-sig")
    assert "HYPERLINK" in sheet
    for row in csv.reader(sheet.splitlines()):
        assert not any(cell.startswith(FORMULA_STARTS) for cell in row), row
    workbook = load_workbook(BytesIO(body_of(client.get(exported, {"as": "xlsx"}))))
    cells = [cell for row in workbook.active.iter_rows() for cell in row]
    assert any("HYPERLINK" in str(cell.value) for cell in cells)
    assert not any(cell.data_type == "f" for cell in cells)


def test_hostile_archives_end_with_their_good_files_taken(administrator: User, bounded: None) -> None:
    api = api_of(administrator)
    problems = []
    every = hostile_files.archives()
    assert len(every) >= 20
    for what, content in every.items():
        began = time.monotonic()
        upload = api.generic(
            "POST", UPLOADS, content, content_type="application/offset+octet-stream",
            headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(content)),
                     "Upload-Metadata": "filename YS56aXA=,purpose aW1wb3J0"},
        )  # fmt: skip
        assert upload.status_code == 201, (what, upload.content)
        made = api.post(IMPORTS, {"upload": upload["Location"].split("/")[-2]}, format="json")
        if made.status_code >= 500:
            problems.append(f"{what}: answered {made.status_code}")
        if made.status_code == 201:
            run = Import.objects.get(public_id=made.json()["id"])
            tasks.run_import(run.pk)
            run.refresh_from_db()
            if run.state == ImportState.READY:  # checked; now for real
                assert api.post(f"{IMPORTS}{run.public_id}/start/").status_code < 300
                tasks.run_import(run.pk)
                run.refresh_from_db()
            if run.state not in (ImportState.DONE, ImportState.FAILED):
                problems.append(f"{what}: is {run.state}")
            sheet = api.get(f"{IMPORTS}{run.public_id}/errors.csv")
            if b"\x1b" in body_of(sheet):
                problems.append(f"{what}: control characters in its sheet of errors")
        if (took := time.monotonic() - began) > SECONDS:
            problems.append(f"{what}: took {took:.1f} s")
    assert not problems, "\n".join(problems)
    names = set(Asset.objects.values_list("current__original_name", flat=True))
    assert {"good-0.jpg", "good.jpg"} <= names
    assert not any("/" in name or "\\" in name or ".." in name for name in names)

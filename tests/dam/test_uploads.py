"""Resumable uploads: the tus protocol word for word, a public client of it, breaks and second tries."""

from __future__ import annotations

import base64
import hashlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from dam import custom_fields, editing, tasks, upload_spool, uploads
from dam.models import Asset, AssetKind, AssetState, CustomField, UploadSession, UploadState
from tests.clients import api_of
from tests.cut_connections import CutConnections
from tests.dam.storages import full_disk
from tests.factories import AssetFactory, CollectionFactory
from tests.pictures import picture, text_as_jpg

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
UPLOADS = "/api/v1/uploads/"
PIECE = "application/offset+octet-stream"


@pytest.fixture(autouse=True)
def _spool(settings: Settings, tmp_path: Path) -> None:
    settings.DAM_UPLOAD_SPOOL = tmp_path / "spool"


@pytest.fixture
def contributor_api(stranger: User) -> APIClient:
    return api_of(stranger)


def tus(api: APIClient, method: str, address: str, body: bytes = b"", **headers: Any) -> Any:
    """One request of a tus client; headers are written with _ for -."""
    sent = {"Tus-Resumable": "1.0.0", **{name.replace("_", "-"): str(text) for name, text in headers.items()}}
    kind = sent.pop("Content-Type", PIECE if body else "")
    return api.generic(method, address, body, content_type=kind, headers=sent)


def said(**metadata: str) -> str:
    return ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items())


def begin(api: APIClient, length: int, **metadata: str) -> str:
    answer = tus(
        api, "POST", UPLOADS, Upload_Length=length, Upload_Metadata=said(filename="dress.jpg", **metadata)
    )
    assert answer.status_code == 201, answer.content
    return str(urlsplit(answer["Location"]).path)


def piece(api: APIClient, address: str, offset: int, content: bytes, **headers: Any) -> Any:
    if not content:
        headers["Content_Type"] = PIECE
    return tus(api, "PATCH", address, content, Upload_Offset=offset, **headers)


def digest(content: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def _own_fields() -> None:
    """Fields of the library's own: several choices, for garments alone, and one with yes or no."""
    choices = [{"value": value, "label": value.upper(), "label_zh": ""} for value in ("ss26", "fw26")]
    for row in (
        CustomField(slug="seasons", type="choices", label="Seasons", choices=choices, kinds=["garment"]),
        CustomField(slug="exclusive", type="yes_no", label="Exclusive"),
    ):
        custom_fields.save(row, actor=None)


class TestProtocol:
    def test_the_server_says_what_it_speaks(self, api: APIClient, settings: Settings) -> None:
        answer = api.options(UPLOADS)
        assert answer.status_code == 204
        assert answer["Tus-Resumable"] == answer["Tus-Version"] == "1.0.0"
        assert set(answer["Tus-Extension"].split(",")) == {
            "creation", "creation-with-upload", "expiration", "termination", "checksum",
        }  # fmt: skip
        assert int(answer["Tus-Max-Size"]) == settings.DAM_MAX_ARCHIVE_BYTES
        assert "sha1" in answer["Tus-Checksum-Algorithm"].split(",")

    def test_a_file_arrives_in_pieces(self, staff_api: APIClient, editor: User) -> None:
        content = picture(seed=1)
        address = begin(staff_api, len(content), title="Red dress", kind="garment", tags="summer, linen")

        first = piece(staff_api, address, 0, content[:100])
        assert (first.status_code, first["Upload-Offset"]) == (204, "100")
        assert first["Atelier-State"] == "receiving"
        assert first["Upload-Expires"]
        head = tus(staff_api, "HEAD", address)
        assert (head["Upload-Offset"], head["Upload-Length"]) == ("100", str(len(content)))
        assert head["Cache-Control"] == "no-store"
        assert head["Upload-Metadata"].startswith("filename ")
        last = piece(staff_api, address, 100, content[100:])

        asset = Asset.objects.get()
        assert last["Atelier-Asset"] == str(asset.public_id)
        assert (asset.title, asset.kind, asset.owner) == ("Red dress", AssetKind.GARMENT, editor)
        assert {tag.label for tag in asset.tags.all()} == {"summer", "linen"}
        told = staff_api.get(address).json()
        assert (told["state"], told["asset"], told["title"]) == ("created", str(asset.public_id), "Red dress")
        assert told["thumbnail"].startswith("http")
        assert asset.current is not None
        assert asset.current.original_name == "dress.jpg"
        with default_storage.open(asset.current.file.name) as stored:
            assert stored.read() == content
        assert list(upload_spool.files()) == []

    def test_the_first_piece_comes_with_the_creation(self, staff_api: APIClient) -> None:
        content = picture(seed=2)
        answer = tus(staff_api, "POST", UPLOADS, content, Upload_Length=len(content))
        assert (answer.status_code, answer["Upload-Offset"]) == (201, str(len(content)))
        assert answer["Atelier-State"] == "created"
        assert "Upload-Expires" not in answer

    @pytest.mark.parametrize("offset", [0, 50, 150])
    def test_a_piece_begins_where_the_upload_ends(self, staff_api: APIClient, offset: int) -> None:
        address = begin(staff_api, 1000)
        piece(staff_api, address, 0, b"x" * 100)
        answer = piece(staff_api, address, offset, b"y" * 10)
        assert answer.status_code == 409
        assert answer.json()["detail"] == "The upload has 100 bytes; continue there."
        assert tus(staff_api, "HEAD", address)["Upload-Offset"] == "100"

    def test_what_does_not_keep_to_the_protocol_is_told_so(self, staff_api: APIClient) -> None:
        address = begin(staff_api, 10)
        wrong = [
            (staff_api.generic("POST", UPLOADS, headers={"Upload-Length": "5"}), 412),
            (tus(staff_api, "POST", UPLOADS), 400),
            (tus(staff_api, "POST", UPLOADS, Upload_Length="-4"), 400),
            (tus(staff_api, "POST", UPLOADS, Upload_Defer_Length=1), 400),
            (tus(staff_api, "POST", UPLOADS, Upload_Length=5, Upload_Metadata="filename ***"), 400),
            (tus(staff_api, "POST", UPLOADS, Upload_Length=5, Upload_Metadata=said(kind="car")), 400),
            (tus(staff_api, "PATCH", address, b"x", Upload_Offset=0, Content_Type="text/plain"), 415),
            (tus(staff_api, "PATCH", address, b"x"), 400),
            (piece(staff_api, address, 0, b"x" * 11), 413),
            (piece(staff_api, address, 0, b"x", Upload_Checksum="crc7 AAAA"), 400),
            (piece(staff_api, f"{UPLOADS}{UploadSession().public_id}/", 0, b"x"), 404),
        ]
        assert [answer.status_code for answer, _status in wrong] == [status for _answer, status in wrong]
        assert wrong[0][0]["Tus-Version"] == "1.0.0"
        for answer, _status in wrong:
            assert answer["Tus-Resumable"] == "1.0.0"
            assert answer.json()["detail"]
        assert tus(staff_api, "HEAD", address)["Upload-Offset"] == "0"

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
    def test_a_piece_with_a_wrong_checksum_is_not_kept(self, staff_api: APIClient, algorithm: str) -> None:
        address = begin(staff_api, 1000)
        content = bytes(range(250)) * 2
        broken = piece(staff_api, address, 0, content, Upload_Checksum=digest(content[::-1], algorithm))
        assert broken.status_code == 460
        assert tus(staff_api, "HEAD", address)["Upload-Offset"] == "0"
        whole = piece(staff_api, address, 0, content, Upload_Checksum=digest(content, algorithm))
        assert (whole.status_code, whole["Upload-Offset"]) == (204, "500")

    def test_an_upload_is_given_up(self, staff_api: APIClient) -> None:
        address = begin(staff_api, 10)
        piece(staff_api, address, 0, b"x")
        assert tus(staff_api, "DELETE", address).status_code == 204
        assert tus(staff_api, "HEAD", address).status_code == 404
        assert list(upload_spool.files()) == []

    def test_clients_that_can_only_post_say_what_they_mean(self, staff_api: APIClient) -> None:
        address = begin(staff_api, 10)
        answer = tus(staff_api, "POST", address, b"x", Upload_Offset=0, X_HTTP_Method_Override="PATCH")
        assert (answer.status_code, answer["Upload-Offset"]) == (204, "1")

    def test_what_is_being_taken_in_is_not_given_up(self, staff_api: APIClient) -> None:
        address = begin(staff_api, 10)
        with upload_spool.held(UploadSession.objects.get().public_id):
            assert tus(staff_api, "DELETE", address).status_code == 423
        assert tus(staff_api, "DELETE", address).status_code == 204

    def test_a_spooled_file_that_is_gone_is_told(self, staff_api: APIClient) -> None:
        address = begin(staff_api, 10)
        upload_spool.remove(UploadSession.objects.get().public_id)
        assert tus(staff_api, "HEAD", address).status_code == 410
        assert piece(staff_api, address, 0, b"x").status_code == 410


class TestWho:
    def test_only_contributors_and_only_their_own(
        self, api: APIClient, contributor_api: APIClient, staff_api: APIClient
    ) -> None:
        assert tus(api, "POST", UPLOADS, Upload_Length=5).status_code == 401
        address = begin(contributor_api, 10)
        for answer in (
            staff_api.get(address),
            tus(staff_api, "HEAD", address),
            piece(staff_api, address, 0, b"x"),
            tus(staff_api, "DELETE", address),
        ):
            assert answer.status_code == 404
        assert len(contributor_api.get(UPLOADS).json()) == 1
        assert staff_api.get(UPLOADS).json() == []

    def test_a_session_needs_its_csrf_token(self, editor: User) -> None:
        browser = APIClient(enforce_csrf_checks=True)
        browser.force_login(editor)
        content = picture(seed=3)
        assert tus(browser, "POST", UPLOADS, content, Upload_Length=len(content)).status_code == 403
        browser.cookies["csrftoken"] = "a" * 32
        answer = tus(browser, "POST", UPLOADS, content, Upload_Length=len(content), X_CSRFToken="a" * 32)
        assert (answer.status_code, answer["Atelier-State"]) == (201, "created")

    def test_states_and_collections_are_those_that_the_account_may_use(
        self, contributor_api: APIClient, stranger: User
    ) -> None:
        own, other = CollectionFactory(owner=stranger), CollectionFactory()
        for metadata in ({"state": "approved"}, {"collection": str(other.pk)}):
            answer = tus(contributor_api, "POST", UPLOADS, Upload_Length=5, Upload_Metadata=said(**metadata))
            assert answer.status_code == 400
        content = picture(seed=4)
        address = begin(contributor_api, len(content), collection=str(own.pk), state="in_review")
        piece(contributor_api, address, 0, content)
        asset = own.assets.get()
        assert (asset.state, asset.owner) == (AssetState.IN_REVIEW, stranger)

    def test_all_that_is_said_of_a_batch_is_kept(self, staff_api: APIClient) -> None:
        _own_fields()
        content = picture(seed=6)
        address = begin(
            staff_api,
            len(content),
            kind="garment",
            skus="D-1:on_model,D-2",
            licence="Editorial",
            rights_expire_on="2031-05-01",
            territories="DE, 中国",
            **{"custom.seasons": "ss26;fw26", "custom.exclusive": "true"},
        )
        piece(staff_api, address, 0, content)
        asset = Asset.objects.get()
        assert [(link.sku.code, link.role) for link in asset.sku_links.order_by("sku__code")] == [
            ("D-1", "on_model"),
            ("D-2", "packshot"),
        ]
        assert (asset.licence, str(asset.rights_expire_on)) == ("Editorial", "2031-05-01")
        assert asset.territories == ["CN", "DE"]
        assert asset.custom == {"seasons": ["ss26", "fw26"], "exclusive": True}

        # What is wrong is said before a byte is sent, and nothing begins.
        for wrong, sentence in (
            ({"territories": "Atlantis"}, "“Atlantis” is no country"),
            ({"rights_expire_on": "soon"}, "YYYY-MM-DD"),
            ({"kind": "scene", "custom.seasons": "ss26"}, "is no field of the kind"),
        ):
            answer = tus(staff_api, "POST", UPLOADS, Upload_Length=5, Upload_Metadata=said(**wrong))
            assert answer.status_code == 400
            assert sentence in str(answer.json()["errors"])
        assert UploadSession.objects.count() == 1

    def test_a_role_that_was_taken_away_meanwhile_counts(self, reviewer: User, settings: Settings) -> None:
        client = api_of(reviewer)
        content = picture(seed=5)
        address = begin(client, len(content), state="approved")
        reviewer.groups.clear()
        piece(client, address, 0, content)
        assert Asset.objects.get().state == AssetState.DRAFT


class TestBounds:
    def test_too_large(self, staff_api: APIClient, settings: Settings) -> None:
        settings.DAM_MAX_FILE_BYTES = 1024 * 1024
        answer = tus(staff_api, "POST", UPLOADS, Upload_Length=1024 * 1024 + 1)
        assert answer.status_code == 413
        assert answer.json()["detail"] == (
            "The file is larger than 1 MB. Make it smaller and upload it again."
        )
        archive = said(purpose="import")
        assert tus(
            staff_api, "POST", UPLOADS, Upload_Length=1024 * 1024 + 1, Upload_Metadata=archive
        ).status_code == 201  # fmt: skip

    def test_too_many_at_once(
        self, staff_api: APIClient, contributor_api: APIClient, settings: Settings
    ) -> None:
        settings.DAM_OPEN_UPLOADS = 2
        addresses = [begin(staff_api, 10) for _number in range(2)]
        answer = tus(staff_api, "POST", UPLOADS, Upload_Length=10)
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many")
        begin(contributor_api, 10)
        tus(staff_api, "DELETE", addresses[0])
        begin(staff_api, 10)

    def test_what_nobody_continues_is_removed(self, staff_api: APIClient) -> None:
        kept, left = begin(staff_api, 10), begin(staff_api, 10)
        piece(staff_api, kept, 0, b"x")
        UploadSession.objects.filter(public_id=left.split("/")[-2]).update(
            expires=timezone.now() - timedelta(seconds=1)
        )
        tasks.sweep_uploads()
        assert tus(staff_api, "HEAD", left).status_code == 404
        assert tus(staff_api, "HEAD", kept)["Upload-Offset"] == "1"
        assert len(list(upload_spool.files())) == 1


class TestOutcomes:
    def test_what_is_no_picture_is_refused_with_its_reason(self, staff_api: APIClient) -> None:
        content = text_as_jpg()
        address = begin(staff_api, len(content))
        answer = piece(staff_api, address, 0, content)
        assert (answer.status_code, answer["Atelier-State"]) == (204, "refused")
        assert answer["Atelier-Problem"] == "not_a_picture"
        told = staff_api.get(address).json()
        assert told["asset"] is None
        assert told["problem"].endswith(".")
        assert list(upload_spool.files()) == []

    def test_an_empty_file_is_refused(self, staff_api: APIClient) -> None:
        answer = tus(staff_api, "POST", UPLOADS, Upload_Length=0)
        assert (answer["Atelier-State"], answer["Atelier-Problem"]) == ("refused", "empty")

    def test_a_file_that_is_known_is_not_taken_in_twice(self, staff_api: APIClient) -> None:
        content = picture(seed=6)
        known = AssetFactory(file=content)
        address = begin(staff_api, len(content))
        answer = piece(staff_api, address, 0, content)
        assert (answer["Atelier-State"], answer["Atelier-Asset"]) == ("known", str(known.public_id))

    def test_a_known_file_of_somebody_else_is_not_shown(self, contributor_api: APIClient) -> None:
        content = picture(seed=7)
        AssetFactory(file=content, state=AssetState.DRAFT)
        address = begin(contributor_api, len(content))
        piece(contributor_api, address, 0, content)
        told = contributor_api.get(address).json()
        assert (told["state"], told["asset"], told["code"]) == ("known", None, "duplicate")

    def test_asking_again_for_the_end_changes_nothing(self, staff_api: APIClient) -> None:
        content = picture(seed=8)
        address = begin(staff_api, len(content))
        answers = [
            piece(staff_api, address, 0, content),
            *(piece(staff_api, address, len(content), b"") for _number in range(2)),
        ]
        assert [(one.status_code, one["Atelier-State"]) for one in answers] == [(204, "created")] * 3
        assert piece(staff_api, address, 0, content).status_code == 409
        assert Asset.objects.count() == 1

    def test_a_finish_that_was_cut_off_is_made_up_for(self, staff_api: APIClient) -> None:
        """All bytes are there, but the process died before, or just after, the file was taken in."""
        first, second = picture(seed=9), picture(seed=10)
        addresses = [begin(staff_api, len(content)) for content in (first, second)]
        for address, content in zip(addresses, (first, second), strict=True):
            upload = UploadSession.objects.get(public_id=address.split("/")[-2])
            upload_spool.path_of(upload.public_id).write_bytes(content)
        AssetFactory(file=second, owner=upload.owner)  # what the process did before it died

        answer = piece(staff_api, addresses[0], len(first), b"")
        assert (answer.status_code, answer["Atelier-State"]) == (204, "created")
        tasks.sweep_uploads()
        assert staff_api.get(addresses[1]).json()["state"] == "created"
        assert Asset.objects.count() == 2

    @pytest.mark.parametrize("size", [(64, 48), (800, 600)], ids=["in memory", "on disk"])
    def test_a_file_that_our_full_disk_does_not_take_waits(
        self, staff_api: APIClient, size: tuple[int, int]
    ) -> None:
        content = picture(size=size, format="BMP", seed=15)
        address = begin(staff_api, len(content))
        with full_disk():
            answer = piece(staff_api, address, 0, content)
        assert (answer["Atelier-State"], answer["Atelier-Problem"]) == ("receiving", "storage")
        assert not Asset.objects.exists()
        tasks.sweep_uploads()
        assert staff_api.get(address).json()["state"] == "created"

    def test_one_that_fails_keeps_the_sweep_from_no_other(
        self, staff_api: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = [picture(seed=16), picture(seed=17)]
        addresses = [begin(staff_api, len(content)) for content in contents]
        for address, content in zip(addresses, contents, strict=True):
            upload_spool.path_of(UUID(address.split("/")[-2])).write_bytes(content)
        ingest, failed = uploads.ingest, []

        def fail_once(*given: Any, **named: Any) -> Any:
            if not failed:
                failed.append(given)
                raise RuntimeError("what nobody has thought of")
            return ingest(*given, **named)

        monkeypatch.setattr(uploads, "ingest", fail_once)
        tasks.sweep_uploads()
        states = [staff_api.get(address).json()["state"] for address in addresses]
        assert sorted(states) == ["created", "receiving"]
        tasks.sweep_uploads()
        assert Asset.objects.count() == 2


def test_of_a_form_nothing_is_read(client: Client, editor: User) -> None:
    client.force_login(editor)
    for method, address in (("POST", UPLOADS), ("PATCH", f"{UPLOADS}01a20b47-fd90-7b0b-a478-f16370a5c6b3/")):
        body = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("a.jpg", picture())})
        answer = client.generic(method, address, body, MULTIPART_CONTENT, headers={"Tus-Resumable": "1.0.0"})
        assert answer.status_code == 415
        assert "_files" not in vars(answer.wsgi_request), "the form was not taken apart"


def client_of(url: str, user: User) -> TusClient:
    token, _created = Token.objects.get_or_create(user=user)
    return TusClient(f"{url}{UPLOADS}", headers={"Authorization": f"Token {token.key}"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_beginning_waits_for_nobody_who_fills_the_collection(editor: User) -> None:
    """Each locks what the other one's foreign keys look at: the account, and the collection."""
    collection, asset = CollectionFactory(), AssetFactory(owner=editor)

    def begin_beside() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            uploads.open_upload(editor, name="dress.jpg", length=1000, collection=collection)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        editing.add_to_collection(collection, [asset], actor=editor)
        pool.submit(begin_beside).result()
    assert UploadSession.objects.get().collection == collection


class TestPublicClient:
    def test_it_uploads_in_pieces(self, live_server: LiveServer, editor: User) -> None:
        content = picture(size=(900, 700), seed=11)
        uploader = client_of(live_server.url, editor).uploader(
            file_stream=BytesIO(content), chunk_size=4000, upload_checksum=True,
            metadata={"filename": "外套.jpg", "title_zh": "亚麻外套", "tags": "夏天"},
        )  # fmt: skip
        uploader.upload()

        asset = Asset.objects.get()
        assert asset.current is not None
        assert (asset.title_zh, asset.current.original_name) == ("亚麻外套", "外套.jpg")
        assert asset.current.sha256 == hashlib.sha256(content).hexdigest()

    def test_it_goes_on_after_a_broken_connection(self, live_server: LiveServer, editor: User) -> None:
        content = picture(size=(1200, 900), seed=12, format="BMP")
        assert len(content) > 3_000_000
        with CutConnections(live_server.url, after=1_500_000) as wire:
            uploader = client_of(wire.url, editor).uploader(
                file_stream=BytesIO(content), chunk_size=len(content), retries=20, retry_delay=1,
            )  # fmt: skip
            uploader.upload()
            assert wire.cuts == 1
        asset = Asset.objects.get()
        assert asset.current is not None
        assert asset.current.sha256 == hashlib.sha256(content).hexdigest()

    def test_another_client_goes_on_where_the_first_one_ended(
        self, live_server: LiveServer, editor: User
    ) -> None:
        content = picture(size=(1200, 900), seed=13, format="BMP")
        with CutConnections(live_server.url, after=1_000_000) as wire:
            first = client_of(wire.url, editor).uploader(
                file_stream=BytesIO(content), chunk_size=len(content)
            )
            with pytest.raises(TusCommunicationError):
                first.upload()
        upload = UploadSession.objects.get()
        address = f"{live_server.url}{UPLOADS}{upload.public_id}/"
        second = client_of(live_server.url, editor).uploader(
            file_stream=BytesIO(content), url=address, chunk_size=500_000
        )
        assert 0 < second.offset < 1_000_000
        assert second.offset == uploads.offset_of(upload)
        second.upload()
        asset = Asset.objects.get()
        assert asset.current is not None
        assert asset.current.sha256 == hashlib.sha256(content).hexdigest()
        upload.refresh_from_db()
        assert (upload.state, upload.asset) == (UploadState.CREATED, asset)

    def test_a_connection_that_hangs_blocks_nobody(self, live_server: LiveServer, editor: User) -> None:
        """Another one brings the upload to its end; what the first one sends then is not wanted."""
        client = api_of(editor)
        content = picture(seed=14)
        address = begin(client, len(content))
        parts = urlsplit(live_server.url)
        hanging = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        hanging.putrequest("PATCH", address)
        for name, text in {
            "Authorization": f"Token {Token.objects.create(user=editor).key}", "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0", "Content-Type": PIECE, "Content-Length": str(len(content)),
        }.items():  # fmt: skip
            hanging.putheader(name, text)
        hanging.endheaders()
        hanging.send(content[:50])

        offset = int(tus(client, "HEAD", address)["Upload-Offset"])
        answer = piece(client, address, offset, content[offset:])
        assert (answer.status_code, answer["Atelier-State"]) == (204, "created")
        hanging.send(content[50:])
        assert hanging.getresponse().status == 409
        hanging.close()
        assert Asset.objects.count() == 1

"""Share links: what they show to people without an account, until when, and how often."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import Settings
from rest_framework.test import APIClient

from dam import sharing
from dam.models import Asset, AuditEntry, Collection, ShareLink
from tests.factories import AssetFactory, CollectionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
PASSWORD = "open sesame"


@pytest.fixture(autouse=True)
def _no_tries_yet() -> None:
    cache.clear()


@pytest.fixture
def collection() -> Collection:
    """Three pictures, two of which may be shown."""
    collection = CollectionFactory(name="Spring")
    shown = [AssetFactory(title=f"shown {number}", filename="same.jpg") for number in (1, 2)]
    for place, asset in enumerate([*shown, AssetFactory(title="Secret one", state="draft")]):
        collection.items.create(asset=asset, position=place)
    return collection


def link_to(collection: Collection, actor: User, **given: Any) -> ShareLink:
    days = {"expires_at": timezone.now() + timedelta(days=3)}
    return sharing.create(collection, actor=actor, **(days | given))


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_a_link_shows_approved_pictures_to_anybody(
    client: Client, collection: Collection, editor: User
) -> None:
    link = link_to(collection, editor)
    answer = client.get(f"/share/{link.token}/")
    page = answer.content.decode()
    assert "shown 1" in page
    assert "Secret one" not in page
    assert answer["X-Robots-Tag"].startswith("noindex")
    shown, hidden = Asset.objects.get(title="shown 1"), Asset.objects.get(title="Secret one")
    picture = client.get(f"/share/{link.token}/{shown.public_id}/thumbnail/")
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/webp")
    for preset in ("thumbnail", "original"):
        assert client.get(f"/share/{link.token}/{hidden.public_id}/{preset}/").status_code == 404
    assert client.get(f"/share/{'x' * 32}/").status_code == 404


def test_a_picture_whose_rights_end_leaves_the_link_at_once(
    client: Client, collection: Collection, editor: User
) -> None:
    from dam import editing

    link = link_to(collection, editor)
    yesterday = timezone.localdate() - timedelta(days=1)
    shown = Asset.objects.filter(title="shown 1")
    editing.update_assets(shown, actor=editor, changes={"rights_expire_on": yesterday})
    assert "shown 1" not in client.get(f"/share/{link.token}/").content.decode()


def test_downloads_are_counted_and_end_at_the_limit(
    client: Client, collection: Collection, editor: User
) -> None:
    link = link_to(collection, editor, max_downloads=3)
    shown = Asset.objects.get(title="shown 1")
    address = f"/share/{link.token}/{shown.public_id}/original/"
    client.head(address)
    first = client.get(address)
    sent = body_of(first)
    with Image.open(io.BytesIO(sent)) as copy, Image.open(shown.current.file) as kept:  # type: ignore[union-attr]
        assert list(copy.getdata()) == list(kept.getdata())
    assert b"shown 1" in sent  # the fields of today are in its metadata
    assert "attachment" in first["Content-Disposition"]
    packed = client.post(f"/share/{link.token}/all/")
    with zipfile.ZipFile(io.BytesIO(body_of(packed))) as archive:
        assert archive.namelist() == ["same.jpg", "same (2).jpg"]
        assert archive.testzip() is None
    refused = client.get(address)
    assert refused.status_code == 403
    assert "used up" in refused.content.decode()
    link.refresh_from_db()
    assert link.downloads == 3
    assert AuditEntry.objects.filter(action="asset.downloaded_by_link").count() == 3


def test_a_file_that_the_storage_has_lost_is_named_in_the_zip(
    client: Client, collection: Collection, editor: User
) -> None:
    link = link_to(collection, editor)
    lost = Asset.objects.get(title="shown 1").current
    assert lost is not None
    lost.file.storage.delete(str(lost.file.name))
    packed = client.post(f"/share/{link.token}/all/")
    with zipfile.ZipFile(io.BytesIO(body_of(packed))) as archive:
        assert archive.namelist() == ["same.jpg", "MISSING.txt"]
        assert "shown 1" in archive.read("MISSING.txt").decode()


def test_a_zip_that_would_pass_the_limit_is_refused_whole(
    client: Client, collection: Collection, editor: User
) -> None:
    link = link_to(collection, editor, max_downloads=1)
    refused = client.post(f"/share/{link.token}/all/")
    assert (refused.status_code, "1 more downloads" in refused.content.decode()) == (403, True)
    link.refresh_from_db()
    assert link.downloads == 0


def test_more_files_than_one_archive_takes_are_refused_with_a_sentence(
    client: Client, collection: Collection, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dam.share_views.MOST_AT_ONCE", 1)
    link = link_to(collection, editor)
    refused = client.post(f"/share/{link.token}/all/")
    assert (refused.status_code, "More than 1 files are too many" in refused.content.decode()) == (413, True)
    link.refresh_from_db()
    assert link.downloads == 0


def test_a_password_is_asked_for_and_tries_are_bounded(
    client: Client, collection: Collection, editor: User
) -> None:
    link = link_to(collection, editor, password=PASSWORD)
    shown = Asset.objects.get(title="shown 1")
    picture = f"/share/{link.token}/{shown.public_id}/thumbnail/"
    asked = client.get(f"/share/{link.token}/")
    assert (asked.status_code, "shown 1" in asked.content.decode()) == (401, False)
    assert client.get(picture).status_code == 302
    assert client.post(f"/share/{link.token}/all/").status_code == 302
    assert client.post(f"/share/{link.token}/password/", {"password": "wrong"}).status_code == 401
    opened = client.post(f"/share/{link.token}/password/", {"password": PASSWORD}, follow=True)
    assert "shown 1" in opened.content.decode()
    assert client.get(picture).status_code == 200

    other = Client()
    for _ in range(sharing.TRIES):
        other.post(f"/share/{link.token}/password/", {"password": "wrong"})
    assert other.post(f"/share/{link.token}/password/", {"password": PASSWORD}).status_code == 429
    link.set_password("another one")
    link.save()
    assert client.get(f"/share/{link.token}/").status_code == 401


def test_behind_a_proxy_tries_count_for_the_address_that_the_proxy_saw(
    collection: Collection, editor: User, settings: Settings
) -> None:
    settings.BEHIND_PROXY = True
    address = f"/share/{link_to(collection, editor, password=PASSWORD).token}/password/"

    def enter(password: str, seen: str) -> int:
        said = f"203.0.113.1, {seen}"
        return Client().post(address, {"password": password}, HTTP_X_FORWARDED_FOR=said).status_code

    for _ in range(sharing.TRIES):
        enter("wrong", "198.51.100.1")
    assert enter(PASSWORD, "198.51.100.1") == 429
    assert enter(PASSWORD, "198.51.100.2") == 302


@pytest.mark.django_db(transaction=True)
def test_of_many_tries_at_once_no_more_are_compared(
    collection: Collection, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/share/{link_to(collection, editor, password=PASSWORD).token}/password/"
    at_once = 2 * sharing.TRIES
    compared: list[str] = []
    answered: list[int] = []
    all_came = threading.Event()

    def compare(link: ShareLink, given: str) -> bool:
        compared.append(given)
        all_came.wait(30)
        return False

    def enter(number: int) -> None:
        try:
            answered.append(Client().post(address, {"password": f"guess {number}"}).status_code)
        finally:
            connection.close()

    monkeypatch.setattr(ShareLink, "is_password", compare)
    with ThreadPoolExecutor(at_once) as pool:
        tries = [pool.submit(enter, number) for number in range(at_once)]
        try:
            while len(compared) + sum(one.done() for one in tries) < at_once:
                time.sleep(0.01)
        finally:
            all_came.set()
        for one in tries:
            one.result()

    assert len(compared) == sharing.TRIES
    assert sorted(answered) == [401] * sharing.TRIES + [429] * sharing.TRIES


def test_while_tries_cannot_be_counted_not_even_the_right_password_opens(
    collection: Collection, editor: User, settings: Settings
) -> None:
    link = link_to(collection, editor, password=PASSWORD)
    client = Client()
    nobody = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {"IGNORE_EXCEPTIONS": True},
    }
    with_cache, settings.CACHES = settings.CACHES, {"default": nobody}
    refused = client.post(f"/share/{link.token}/password/", {"password": PASSWORD})
    assert refused.status_code == 503
    assert "No password can be checked at this moment" in refused.content.decode()
    assert client.get(f"/share/{link.token}/").status_code == 401
    settings.CACHES = with_cache
    assert client.post(f"/share/{link.token}/password/", {"password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_an_ended_link_opens_nothing(client: Client, collection: Collection, editor: User, end: str) -> None:
    link = link_to(collection, editor)
    if end == "expired":
        ShareLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        sharing.revoke(link, actor=editor)
    shown = Asset.objects.get(title="shown 1")
    for part in ("", f"{shown.public_id}/thumbnail/", f"{shown.public_id}/original/"):
        assert client.get(f"/share/{link.token}/{part}").status_code == 410
    assert client.post(f"/share/{link.token}/all/").status_code == 410


class TestMaking:
    def make(self, caller: APIClient, collection: Collection, **given: Any) -> Any:
        until = (timezone.now() + timedelta(days=2)).isoformat()
        body = {"expires_at": until} | given
        return caller.post(f"/api/v1/collections/{collection.pk}/links/", body, format="json")

    def test_by_rest(self, staff_api: APIClient, client: Client, collection: Collection) -> None:
        made = self.make(staff_api, collection, password=PASSWORD, max_downloads=5, label="Printer")
        assert made.status_code == 201
        assert (made.data["has_password"], made.data["open"], "password" in made.data) == (True, True, False)
        assert client.get(made.data["url"]).status_code == 401
        listed = staff_api.get(f"/api/v1/collections/{collection.pk}/links/").data
        assert [link["label"] for link in listed] == ["Printer"]
        address = f"/api/v1/collections/{collection.pk}/links/{made.data['id']}/"
        assert staff_api.delete(address).status_code == 204
        assert client.get(made.data["url"]).status_code == 410
        assert PASSWORD not in str(list(AuditEntry.objects.values_list("details", flat=True)))

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"password": "short"}, "at least 6"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "within a year"),
            ({"expires_at": "2200-01-01T00:00:00Z"}, "within a year"),
            ({"max_downloads": -1}, "greater than or equal to 0"),
        ],
    )
    def test_what_cannot_be_says_why(
        self, staff_api: APIClient, collection: Collection, given: dict[str, Any], told: str
    ) -> None:
        answer = self.make(staff_api, collection, **given)
        assert (answer.status_code, told in str(answer.data)) == (400, True)
        assert not ShareLink.objects.exists()

    def test_contributors_share_their_own_only(
        self, api: APIClient, stranger: User, collection: Collection
    ) -> None:
        api.force_authenticate(stranger)
        assert self.make(api, collection).status_code == 404
        assert self.make(api, CollectionFactory(owner=stranger)).status_code == 201

    def test_on_the_collections_page(self, client: Client, editor: User, collection: Collection) -> None:
        client.force_login(editor)
        page = f"/admin/dam/collection/{collection.pk}/"
        until = timezone.localdate() + timedelta(days=1)
        client.post(f"{page}links/", {"until": until.isoformat(), "label": "The agency"})
        link = ShareLink.objects.get()
        assert f"/share/{link.token}/" in client.get(f"{page}change/").content.decode()
        assert Client().get(f"/share/{link.token}/").status_code == 200
        client.post(f"{page}links/{link.pk}/revoke/")
        assert Client().get(f"/share/{link.token}/").status_code == 410
        wrong = client.post(f"{page}links/", {"until": "2001-01-01"}, follow=True)
        assert "within a year" in wrong.content.decode()

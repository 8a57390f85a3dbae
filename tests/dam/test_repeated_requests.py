"""Idempotency-Key: a request that is sent again is done once, and answered as it was the first time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.signals import post_save
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from dam import api_keys, idempotency
from dam.models import Asset, AuditEntry, Collection, KeptAnswer, Tag, UploadSession
from dam.tasks import forget_answers
from tests.clients import api_of
from tests.pictures import picture

COLLECTIONS, ASSETS = "/api/v1/collections/", "/api/v1/assets/"
KEY = {"HTTP_IDEMPOTENCY_KEY": "order-7"}
SPRING = {"name": "Spring"}


@pytest.fixture
def api(editor: User) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(editor)
    return client


def post(client: APIClient, body: Any = SPRING, **more: Any) -> Any:
    return client.post(COLLECTIONS, body, format="json", **{**KEY, **more})


@contextmanager
def when_audited(deed: Any) -> Iterator[None]:
    """Does something in the middle of the first deed that follows."""

    def once(**_given: Any) -> None:
        post_save.disconnect(once, sender=Collection)
        deed()

    post_save.connect(once, sender=Collection, weak=False)
    yield
    post_save.disconnect(once, sender=Collection)


@pytest.mark.django_db
def test_the_same_request_is_done_once_and_answered_alike(api: APIClient) -> None:
    first, again = post(api), post(api, HTTP_IDEMPOTENCY_KEY='"order-7"')
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() and again["Content-Type"] == first["Content-Type"]
    assert "Idempotent-Replayed" not in first and again["Idempotent-Replayed"] == "true"
    assert (
        Collection.objects.count() == AuditEntry.objects.filter(action__startswith="collection").count() == 1
    )
    assert post(api, HTTP_IDEMPOTENCY_KEY="order-8").json()["id"] != first.json()["id"]


@pytest.mark.django_db
def test_the_key_of_another_request_is_refused(api: APIClient) -> None:
    post(api)
    other = post(api, {"name": "Summer"})
    elsewhere = api.post("/api/v1/tags/", SPRING, format="json", **KEY)
    for refused in (other, elsewhere):
        assert (refused.status_code, refused.json()["code"]) == (422, "key_reused")
        assert refused["Content-Type"] == "application/problem+json"
    assert list(Collection.objects.values_list("name", flat=True)) == ["Spring"]
    assert not Tag.objects.exists()
    for bad in ("", "x" * 256):
        assert post(api, HTTP_IDEMPOTENCY_KEY=bad).json()["code"] == "invalid_header"
    assert Collection.objects.count() == 1


@pytest.mark.django_db
def test_keys_of_others_are_others(api: APIClient, editor: User, administrator: User) -> None:
    post(api)
    _key, secret = api_keys.create("Shop", editor, ["contribute"], actor=None)
    by_key = APIClient(headers={"Authorization": f"Bearer {secret}"})
    other = api_of(administrator)
    assert [post(client).status_code for client in (by_key, other)] == [201, 201]
    assert Collection.objects.count() == 3
    # Who may not do it is refused whatever was answered before, and nobody is no caller.
    api_keys.revoke([_key], actor=None)
    assert post(by_key).status_code == 401
    assert post(APIClient()).status_code == 401
    assert Collection.objects.count() == KeptAnswer.objects.count() == 3


@pytest.mark.django_db
def test_what_is_refused_may_be_put_right_under_its_key(api: APIClient) -> None:
    assert post(api, {"name": ""}).status_code == 400
    assert not KeptAnswer.objects.exists()
    assert post(api).status_code == 201


@pytest.mark.django_db
def test_a_request_under_way_is_not_begun_again_until_its_process_must_be_dead(api: APIClient) -> None:
    post(api)
    Collection.objects.all().delete()
    # As while the first one runs: claimed, and nothing of what it does is there yet.
    KeptAnswer.objects.update(status=None, claimed_until=timezone.now() + timedelta(minutes=1))
    waiting = post(api)
    assert (waiting.status_code, waiting.json()["code"], waiting["Retry-After"]) == (409, "under_way", "1")
    assert not Collection.objects.exists()
    KeptAnswer.objects.update(claimed_until=timezone.now())
    assert post(api).status_code == 201
    assert "Idempotent-Replayed" in post(api) and Collection.objects.count() == 1


@pytest.mark.django_db
def test_a_deed_that_breaks_leaves_neither_itself_nor_its_claim(api: APIClient) -> None:
    def breaks() -> None:
        raise RuntimeError("The process dies.")

    with when_audited(breaks):
        assert post(api).status_code == 500
    assert not Collection.objects.exists() and not KeptAnswer.objects.exists()
    assert post(api).status_code == 201 and Collection.objects.count() == 1


@pytest.mark.django_db
def test_of_two_that_hold_the_same_request_only_one_commits(api: APIClient) -> None:
    def another_takes_over() -> None:
        KeptAnswer.objects.update(claim=uuid4(), claimed_until=timezone.now() + timedelta(minutes=9))

    with when_audited(another_takes_over):
        lost = post(api)
    assert (lost.status_code, lost.json()["code"]) == (409, "under_way")
    assert not Collection.objects.exists() and not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_an_answer_too_large_to_keep_is_not_given_by_doing_it_again(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_BODY", 20)
    assert post(api).status_code == 201
    again = post(api)
    assert (again.status_code, again.json()["code"]) == (409, "answer_not_kept")
    assert "201" in again.json()["detail"] and Collection.objects.count() == 1
    assert KeptAnswer.objects.get().body is None


@pytest.mark.django_db
def test_answers_are_kept_for_a_day(api: APIClient) -> None:
    post(api)
    KeptAnswer.objects.update(created=timezone.now() - timedelta(hours=23))
    forget_answers()
    assert "Idempotent-Replayed" in post(api)
    KeptAnswer.objects.update(created=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in post(api)  # whether it was swept or not
    KeptAnswer.objects.update(created=timezone.now() - timedelta(hours=25))
    forget_answers()
    assert not KeptAnswer.objects.exists() and Collection.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("own_storage")
def test_uploads_that_are_begun_again_are_one(api: APIClient) -> None:
    begin = {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_LENGTH": "3", **KEY}
    first, again = api.post("/api/v1/uploads/", **begin), api.post("/api/v1/uploads/", **begin)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first["Location"] == again["Location"] and again["Upload-Offset"] == "0"
    assert again["Tus-Resumable"] == "1.0.0"
    assert api.post("/api/v1/uploads/", **{**begin, "HTTP_UPLOAD_LENGTH": "4"}).status_code == 422
    assert UploadSession.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("own_storage", "space")
def test_a_file_that_is_sent_again_is_the_same_request_and_another_file_is_none(api: APIClient) -> None:
    def send(seed: int) -> Any:
        file = SimpleUploadedFile("coat.jpg", picture(seed=seed), "image/jpeg")
        return api.post(ASSETS, {"file": file, "title": "Coat"}, **KEY)

    first, again, other = send(1), send(1), send(2)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first["Location"] == again["Location"] and Asset.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("space")
def test_requests_at_the_same_moment_are_one_deed(live_server: LiveServer, editor: User) -> None:
    headers = {
        "Authorization": f"Token {Token.objects.create(user=editor).key}", "Idempotency-Key": "at once",
    }  # fmt: skip

    def send(_number: int) -> requests.Response:
        return requests.post(f"{live_server}{COLLECTIONS}", json=SPRING, headers=headers, timeout=30)

    with ThreadPoolExecutor(6) as many:
        codes = [answer.status_code for answer in many.map(send, range(6))]
    assert set(codes) <= {201, 409} and 201 in codes
    assert Collection.objects.count() == 1
    last = send(0)
    assert (last.status_code, last.headers["Idempotent-Replayed"]) == (201, "true")
    # A client writes another boundary into each form that it sends.
    for _again in range(2):
        headers["Idempotency-Key"] = "a form"
        form = {"file": ("coat.jpg", picture(seed=3), "image/jpeg")}
        answer = requests.post(f"{live_server}{ASSETS}", files=form, headers=headers, timeout=30)
        assert answer.status_code == 201
    assert answer.headers["Idempotent-Replayed"] == "true" and Asset.objects.count() == 1

"""Trying on: consent first, one's own picture seen by nobody else, in no index, and gone after its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from dam.models import Asset, AuditEntry
from dam.tasks import remove_files
from generation import tryon
from generation.models import (
    GenerationItem,
    GenerationJob,
    HeldAnswer,
    ItemState,
    JobState,
    PersonPhoto,
    TryOn,
)
from generation.planning import plan_outfits
from generation.providers.base import Refused
from generation.providers.registry import get_provider
from generation.quality.scoring import score_due
from generation.running import create_job, run_item, run_job
from generation.tasks import sweep_people
from search.models import IndexEntry
from tests.dam.storages import AwayStorage
from tests.factories import AdministratorFactory
from tests.generation.painter import Painter
from tests.pictures import picture

Make = Callable[..., list[Asset]]
Configure = Callable[..., Painter]
pytestmark = pytest.mark.usefixtures("own_storage")
PAGE, API = "/admin/generation/studio/try-on/", "/api/v1/generation/try-ons/"
VERBS = ("approve", "reject", "regenerate", "make-again")


def ids(assets: list[Asset]) -> list[str]:
    return [str(asset.public_id) for asset in assets]


def me() -> SimpleUploadedFile:
    return SimpleUploadedFile("me.jpg", picture(colour="peru", size=(300, 400)), content_type="image/jpeg")


def stored() -> set[str]:
    """The files of people in the storage."""
    names: set[str] = set()
    for folder in ("people", "try-ons", "answers"):
        with suppress(FileNotFoundError):  # a bucket knows no folders, and lists nothing
            names |= {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    return names


@pytest.fixture
def photo(painter: Configure, staff_api: APIClient) -> PersonPhoto:
    painter(price="0.1")
    answer = staff_api.post(API, {"photo": me(), "consent": "true"}, format="multipart")
    assert answer.status_code == 201, answer.json()
    return PersonPhoto.objects.get(public_id=answer.json()["id"])


@pytest.fixture
def worn(photo: PersonPhoto, assets_of: Make, staff_api: APIClient) -> GenerationJob:
    """Two garments tried on."""
    sent = {"garments": ids(assets_of("garment", 2))}
    answer = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json")
    assert answer.status_code == 201, answer.json()
    job = GenerationJob.objects.get(public_id=answer.json()["id"])
    run_job(job)
    return job


def test_no_picture_is_taken_without_consent(
    painter: Configure, staff_api: APIClient, client: Client, editor: User
) -> None:
    painter()
    text = staff_api.get(f"{API}consent/").json()["text"]
    refused = staff_api.post(API, {"photo": me(), "consent": "false"}, format="multipart")
    client.force_login(editor)
    page = client.post(PAGE, {"do": "take", "photo": me()}, follow=True)
    no_picture = staff_api.post(
        API, {"photo": SimpleUploadedFile("a.txt", b"words"), "consent": "true"}, format="multipart"
    )
    assert "deleted with everything made of it after 7 days" in text
    assert (refused.status_code, no_picture.status_code) == (422, 422)
    assert "Accept the text first" in refused.json()["detail"]
    assert "Accept the text first" in page.content.decode()
    assert (PersonPhoto.objects.count(), stored()) == (0, set())


def test_the_accepted_text_is_kept_in_the_persons_language(
    photo: PersonPhoto, staff_api: APIClient, editor: User
) -> None:
    assert (photo.owner, photo.deleted) == (editor, None)
    assert "nobody else is shown it" in photo.consent
    assert timedelta(days=6, hours=23) < photo.expires - timezone.now() <= timedelta(days=7)
    assert AuditEntry.objects.filter(action="person_photo.taken").count() == 1


def test_the_person_goes_in_first_and_what_comes_out_stays_theirs(
    photo: PersonPhoto, worn: GenerationJob, staff_api: APIClient, index_now: Callable[[], Any]
) -> None:
    calls = get_provider(worn.provider).ledger  # type: ignore[attr-defined]
    assets = Asset.objects.count()
    assert [[given.role for given in call.inputs] for call in calls] == [["model", "garment"]] * 2
    assert "the person in Picture 1" in calls[0].prompt
    assert set(worn.items.values_list("state", "output")) == {(ItemState.SUCCEEDED, None)}
    assert assets == 2  # the garments: neither the person nor a result is one
    assert not GenerationItem.objects.awaiting_review().exists()
    assert score_due() == 0
    results = staff_api.get(f"{API}{photo.public_id}/results/").json()
    assert [(row["state"], row["ready"]) for row in results] == [("succeeded", True)] * 2
    picture = staff_api.get(f"{API}{photo.public_id}/results/{results[0]['item']}/")
    assert (picture.status_code, picture["Cache-Control"]) == (200, "private, no-store")
    assert b"".join(picture.streaming_content).startswith(b"\x89PNG")
    remove_files()  # at the commit, which this test has none of, or by the sweep
    assert len(stored()) == 3  # the person and two results; no answer is left
    assert worn.items.get(position=0).cost > 0


def test_nobody_else_is_shown_a_persons_pictures(
    photo: PersonPhoto, worn: GenerationJob, api: APIClient, client: Client
) -> None:
    other = AdministratorFactory()
    api.force_authenticate(other)
    client.force_login(other)
    item = worn.items.first()
    assert item is not None
    mine = f"{API}{photo.public_id}/"
    gone = [
        api.get(f"{mine}picture/"),
        api.get(f"{mine}results/"),
        api.get(f"{mine}results/{item.public_id}/"),
        api.delete(mine),
        api.post(f"{mine}run/", {"garments": "sku:A"}, format="json"),
        client.get(f"{PAGE}{photo.public_id}/"),
        client.get(f"{PAGE}{photo.public_id}/{item.public_id}/"),
        client.get(f"/admin/generation/studio/made/{item.public_id}/"),
    ]
    assert [answer.status_code for answer in gone] == [404] * len(gone)
    assert api.get(API).json() == []
    assert str(photo.public_id) not in client.get(PAGE).content.decode()
    photo.refresh_from_db()
    assert photo.deleted is None


def test_a_picture_is_deleted_at_once_with_everything_made_of_it(
    photo: PersonPhoto,
    worn: GenerationJob,
    assets_of: Make,
    staff_api: APIClient,
    editor: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    sent = {"garments": ids(assets_of("garment", 1))}
    waiting = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json").json()["id"]
    with django_capture_on_commit_callbacks(execute=True):
        answer = staff_api.delete(f"{API}{photo.public_id}/")
    photo.refresh_from_db()
    job = GenerationJob.objects.get(public_id=waiting)
    assert (answer.status_code, stored()) == (204, set())
    assert photo.deleted is not None
    assert (photo.file.name, set(TryOn.objects.values_list("result", flat=True))) == ("", {""})
    assert (job.items.get().state, job.state) == (ItemState.CANCELLED, JobState.FINISHED)
    assert staff_api.get(f"{API}{photo.public_id}/picture/").status_code == 404
    again = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json")
    assert (again.status_code, photo.consent != "") == (404, True)


def test_what_had_its_time_is_deleted_and_what_belongs_to_nobody(
    photo: PersonPhoto, worn: GenerationJob, django_capture_on_commit_callbacks: Any
) -> None:
    sweep_people()
    photo.refresh_from_db()
    assert photo.deleted is None
    PersonPhoto.objects.update(expires=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        sweep_people()
    photo.refresh_from_db()
    assert photo.deleted is not None
    assert stored() == set()
    PersonPhoto.objects.update(deleted=None, expires=timezone.now() + timedelta(days=1), owner=None)
    sweep_people()
    assert PersonPhoto.objects.exclude(deleted=None).count() == 1


def test_a_call_that_ends_after_the_deletion_leaves_nothing(
    photo: PersonPhoto, assets_of: Make, staff_api: APIClient, django_capture_on_commit_callbacks: Any
) -> None:
    engine: Any = get_provider(GenerationJob(provider=_provider()).provider)
    engine.incidents.append(lambda request: staff_api.delete(f"{API}{photo.public_id}/"))
    sent = {"garments": ids(assets_of("garment", 1))}
    with django_capture_on_commit_callbacks(execute=True):
        answer = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json")
        run_job(GenerationJob.objects.get(public_id=answer.json()["id"]))
    item = GenerationItem.objects.get()
    assert (item.state, item.reason) == (ItemState.CANCELLED, "The person's picture was deleted.")
    assert (stored(), Asset.objects.count()) == (set(), 1)


@pytest.mark.parametrize("deleted", ["while it waits", "during the call"])
def test_what_the_storage_did_not_take_is_deleted_with_the_picture(
    away_storage: None,
    painter: Configure,
    assets_of: Make,
    staff_api: APIClient,
    deleted: str,
) -> None:
    engine = painter(price="0.1")
    kept = staff_api.post(API, {"photo": me(), "consent": "true"}, format="multipart").json()
    address = f"{API}{kept['id']}/"
    sent = {"garments": ids(assets_of("garment", 1))}
    job = staff_api.post(f"{address}run/", sent, format="json").json()
    item = GenerationItem.objects.get(job__public_id=job["id"])

    def goes_away(_request: Any) -> None:
        AwayStorage.away = True
        if deleted == "during the call":
            assert staff_api.delete(address).status_code == 204

    engine.incidents.append(goes_away)
    assert run_item(item.pk)
    if deleted == "while it waits":
        assert HeldAnswer.objects.count() == 1
        assert staff_api.delete(address).status_code == 204

    item.refresh_from_db()
    assert (item.state, item.answer.name, HeldAnswer.objects.count()) == (ItemState.CANCELLED, "", 0)


def test_a_try_on_and_a_picture_made_again_are_paid_by_the_team(
    photo: PersonPhoto, assets_of: Make, staff_api: APIClient
) -> None:
    team = Group.objects.create(name="Knitwear")
    photo.owner.groups.add(team)
    sent = {"garments": ids(assets_of("garment", 1))}
    job = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json").json()
    assert GenerationJob.objects.get(public_id=job["id"]).team == team
    made = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=None)
    again = staff_api.post(f"/api/v1/generation/items/{made.items.get().public_id}/make-again/").json()
    assert GenerationJob.objects.get(public_id=again["id"]).team == team


def test_a_failed_try_on_is_run_again_by_its_person_alone(
    photo: PersonPhoto, assets_of: Make, staff_api: APIClient, api: APIClient, client: Client
) -> None:
    engine: Any = get_provider(_provider())
    engine.incidents.extend([Refused("No."), Refused("No.")])
    sent = {"garments": ids(assets_of("garment", 1))}
    made = staff_api.post(f"{API}{photo.public_id}/run/", sent, format="json").json()
    worn = GenerationJob.objects.get(public_id=made["id"])
    of_all = create_job(plan_outfits(assets_of("model", 1), assets_of("garment", 1)), owner=None)
    for job in (worn, of_all):
        run_job(job)
        assert job.items.get().state == ItemState.FAILED
    calls = len(engine.ledger)

    other = AdministratorFactory()
    api.force_authenticate(other)
    client.force_login(other)
    retry = f"/api/v1/generation/jobs/{worn.public_id}/retry/"
    bulk = "/api/v1/generation/dead-letters/run-again/"
    refused = [
        api.post(retry, {}, format="json"),
        api.post(bulk, {"job": str(worn.public_id)}, format="json"),
    ]
    for page, action, key in (
        ("generationjob", "retry_chosen", worn.pk),
        ("deadletter", "run_again", worn.items.get().pk),
    ):
        client.post(f"/admin/generation/{page}/", {"action": action, "_selected_action": [key]})
    some = api.post(bulk, {"provider": _provider()}, format="json")

    said = "A try-on is made again from the person's picture, on its own page."
    assert [(answer.status_code, answer.json()["detail"]) for answer in refused] == [(409, said)] * 2
    assert some.json() == {"queued": 1}, "what is nobody's in particular"
    run_job(worn)
    assert (worn.items.get().state, len(engine.ledger)) == (ItemState.FAILED, calls)

    assert staff_api.post(retry, {}, format="json").status_code == 200
    run_job(worn)
    assert worn.items.get().state == ItemState.SUCCEEDED


def test_the_page_asks_as_much_for_many_pictures_as_for_one(
    client: Client, editor: User, painter: Configure, assets_of: Make
) -> None:
    painter(price="0.1")
    client.force_login(editor)
    garments, taken = assets_of("garment", 1), []
    for _photo in range(3):
        tryon.try_on(tryon.take_photo(me(), owner=editor, consent=True), garments)
        client.get(PAGE)
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        taken.append(len(queries))
    assert taken[0] == taken[2]


def _provider() -> str:
    from django.conf import settings

    return str(settings.GENERATION_PROVIDER)


def test_the_page_takes_tries_on_and_deletes(
    painter: Configure, assets_of: Make, client: Client, editor: User
) -> None:
    engine = painter(price="0.1")
    client.force_login(editor)
    garments, [hat] = assets_of("garment", 2), assets_of("accessory", 1)
    client.post(PAGE, {"do": "take", "photo": me(), "consent": "yes"})
    photo = PersonPhoto.objects.get()
    shown = client.get(PAGE).content.decode()
    sent = {"photo": str(photo.public_id), "provider": _provider(), "pick_garments": ids(garments)}
    none = client.post(PAGE, {**sent, "do": "run", "pick_garments": []}, follow=True)
    ran = client.post(PAGE, {**sent, "do": "run", "pick_accessories": ids([hat])}, follow=True)
    run_job(GenerationJob.objects.get())
    made = client.get(PAGE).content.decode()
    deleted = client.post(PAGE, {"do": "delete", "photo": str(photo.public_id)}, follow=True)
    assert f"{PAGE}{photo.public_id}/" in shown
    assert "Choose the garments first." in none.content.decode()
    assert "2 pictures are being made, for 0.2 USD" in ran.content.decode()
    assert [len(call.inputs) for call in engine.ledger] == [3, 3]
    assert made.count(f'src="{PAGE}{photo.public_id}/') == 3
    assert "everything made of it is deleted" in deleted.content.decode()
    assert str(photo.public_id) not in client.get(PAGE).content.decode()


def test_the_command_asks_for_consent_and_tries_on(
    painter: Configure, assets_of: Make, tmp_path: Path, editor: User
) -> None:
    painter()
    file = tmp_path / "me.jpg"
    file.write_bytes(picture(colour="peru"))
    words = [str(file), "--user", editor.username, "--garments", ",".join(ids(assets_of("garment", 2)))]
    with pytest.raises(CommandError, match="Accept this with --accept-consent"):
        call_command("try_on", *words)
    with pytest.raises(CommandError, match="there is no such account"):
        call_command("try_on", str(file))
    out = StringIO()
    call_command("try_on", *words, "--accept-consent", "--json", stdout=out, verbosity=0)
    report = json.loads(out.getvalue())
    assert report["succeeded"] == 2
    call_command("try_on", "--user", editor.username, "--delete", report["photo"], stdout=StringIO())
    assert PersonPhoto.objects.get().deleted is not None


def test_no_review_and_no_list_brings_a_persons_picture_into_the_library(
    photo: PersonPhoto,
    worn: GenerationJob,
    api: APIClient,
    client: Client,
    index_now: Callable[[], Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    other = AdministratorFactory()
    api.force_authenticate(other)
    client.force_login(other)
    items = [str(item.public_id) for item in worn.items.all()]
    garments = set(Asset.objects.values_list("pk", flat=True))
    before = list(GenerationItem.objects.order_by("pk").values())
    path = f"/api/v1/generation/items/{items[0]}/"
    answers = {verb: api.post(f"{path}{verb}/", {"note": "smile"}, format="json") for verb in VERBS}
    page = client.post("/admin/generation/review/verdict/", {"verdict": "regenerate", "items": items})
    index_now()
    assert [answer.status_code for answer in answers.values()] == [409, 409, 409, 422]
    said = "A try-on is made again from the person's picture, on its own page."
    assert answers["regenerate"].json()["detail"] == answers["make-again"].json()["detail"] == said
    assert said.replace("'", "&#x27;") in client.get(page["Location"]).content.decode()
    assert list(GenerationItem.objects.order_by("pk").values()) == before
    assert set(IndexEntry.objects.values_list("asset_key", flat=True)) == garments
    assert {hit["kind"] for hit in api.get("/api/v1/search/").json()["results"]} == {"garment"}
    names = {name.rpartition("/")[2] for name in stored()}
    seen = [api.get(path), api.get(f"/api/v1/generation/jobs/{worn.public_id}/items/")]
    seen.append(client.get(f"/admin/generation/generationjob/{worn.pk}/change/"))
    for answer in seen:
        text = answer.content.decode()
        assert answer.status_code == 200
        assert not [name for name in (*names, str(photo.public_id)) if name in text]

    PersonPhoto.objects.update(expires=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        sweep_people()
    assert stored() == set()
    assert set(IndexEntry.objects.values_list("asset_key", flat=True)) == garments

"""Who may take which step with which asset: the whole matrix, through the API, the admin and the verbs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from dam import editing, workflow
from dam.models import Asset, AssetState, AuditEntry
from dam.roles import Role, role_of
from tests.clients import api_of
from tests.factories import AssetFactory, UserFactory
from tests.pictures import picture

LIVE = [state for state in AssetState if state != AssetState.TRASHED]
# What each role may do, spelt out apart from the code: "to" for each "from"; contributors with their own.
OWN = {
    "draft": "in_review",
    "in_review": "draft",
    "rejected": "draft in_review",
    "approved": "",
    "archived": "",
}
EDITOR = {
    "draft": "in_review archived",
    "in_review": "draft archived",
    "rejected": "draft in_review archived",
    "approved": "draft in_review archived",
    "archived": "draft in_review",
}
REVIEWER = {
    "draft": "in_review approved rejected archived",
    "in_review": "draft approved rejected archived",
    "rejected": "draft in_review approved archived",
    "approved": "draft in_review rejected archived",
    "archived": "draft in_review approved",
}
NOTHING = dict.fromkeys(EDITOR, "")
MATRIX = [
    (Role.STOREFRONT, True, NOTHING),
    (Role.CONTRIBUTOR, True, OWN),
    (Role.CONTRIBUTOR, False, NOTHING),
    (Role.EDITOR, False, EDITOR),
    (Role.REVIEWER, False, REVIEWER),
    (Role.ADMINISTRATOR, False, REVIEWER),
]


def account(role: Role) -> User:
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def client_of(user: User) -> APIClient:
    return api_of(user)


@pytest.mark.parametrize(("role", "own", "allowed"), MATRIX)
def test_every_step_of_every_role(db: None, role: Role, own: bool, allowed: dict[str, str]) -> None:
    user = account(role)
    api = client_of(user)
    asset = AssetFactory(owner=user if own else UserFactory())
    for before in LIVE:
        for after in LIVE:
            if before == after:
                continue
            Asset.objects.filter(pk=asset.pk).update(state=before)
            response = api.patch(f"/api/v1/assets/{asset.public_id}/", {"state": after}, format="json")
            asset.refresh_from_db()
            permitted = after in allowed[before].split()
            assert (response.status_code == 200) == permitted, (before, after, response.content)
            assert asset.state == (after if permitted else before)


@pytest.mark.parametrize(
    ("role", "own", "allowed"),
    [
        (Role.STOREFRONT, True, set()),
        (Role.CONTRIBUTOR, True, {"draft", "in_review", "rejected"}),
        (Role.CONTRIBUTOR, False, set()),
        (Role.EDITOR, False, set(LIVE)),
    ],
)
def test_who_throws_away_what(db: None, role: Role, own: bool, allowed: set[str]) -> None:
    user = account(role)
    api = client_of(user)
    for before in LIVE:
        asset = AssetFactory(owner=user if own else UserFactory(), state=before)
        response = api.delete(f"/api/v1/assets/{asset.public_id}/")
        asset.refresh_from_db()
        assert (response.status_code == 204, asset.is_trashed) == (before in allowed, before in allowed)


def test_the_verb_refuses_with_a_sentence_and_changes_nothing(stranger: User) -> None:
    mine = AssetFactory(owner=stranger, state=AssetState.DRAFT)
    other = AssetFactory(title="Red dress", state=AssetState.DRAFT)
    with pytest.raises(workflow.NotPermitted, match=r"“Red dress” from “Draft”.*“Contributor”"):
        editing.set_state([mine, other], actor=stranger, state=AssetState.IN_REVIEW)
    mine.refresh_from_db()
    assert mine.state == AssetState.DRAFT
    assert not AuditEntry.objects.filter(action="asset.state").exists()
    with pytest.raises(workflow.NotPermitted, match="belongs to somebody else"):
        editing.update_assets([other], actor=stranger, changes={"title": "Mine"})


def test_only_administrators_delete_for_good(editor: User, administrator: User) -> None:
    asset = AssetFactory()
    editing.trash([asset], actor=editor)
    with pytest.raises(workflow.NotPermitted, match="“Administrator”"):
        editing.delete_forever([asset], actor=editor)
    assert Asset.objects.filter(pk=asset.pk).exists()
    assert editing.delete_forever([asset], actor=administrator) == 1


def test_accounts_without_a_group_have_a_role_too(editor: User, stranger: User, administrator: User) -> None:
    assert [role_of(user) for user in (editor, stranger, administrator)] == [
        Role.EDITOR,
        Role.CONTRIBUTOR,
        Role.ADMINISTRATOR,
    ]
    stranger.is_active = False
    assert role_of(User.objects.get(pk=stranger.pk)) == Role.CONTRIBUTOR
    assert role_of(stranger) == Role.STOREFRONT


def test_a_contributor_in_the_admin_sees_and_moves_their_own(db: None, client: Client) -> None:
    user = account(Role.CONTRIBUTOR)
    client.force_login(user)
    mine = AssetFactory(owner=user, title="Mine", state=AssetState.DRAFT)
    shown = AssetFactory(title="On the storefront")
    hidden = AssetFactory(title="Somebody's draft", state=AssetState.DRAFT)

    listed = client.get("/admin/dam/asset/").content.decode()
    assert ("Mine" in listed, shown.title in listed, "Somebody's" in listed) == (True, True, False)
    assert client.get(f"/admin/dam/asset/{hidden.pk}/change/").status_code == 302  # nothing of that key
    page = client.get(f"/admin/dam/asset/{mine.pk}/change/").content.decode()
    assert f"/admin/dam/asset/{mine.pk}/do/review/" in page
    assert f"/admin/dam/asset/{mine.pk}/do/approve/" not in page

    assert client.post(f"/admin/dam/asset/{hidden.pk}/do/review/").status_code == 404
    client.post(f"/admin/dam/asset/{mine.pk}/do/approve/")
    client.post(
        "/admin/dam/asset/", {"action": "review", "_selected_action": [mine.pk, shown.pk], "index": "0"}
    )
    mine.refresh_from_db()
    shown.refresh_from_db()
    assert (mine.state, shown.state) == (AssetState.IN_REVIEW, AssetState.APPROVED)


def test_an_editor_is_not_offered_what_only_reviewers_do(editor: User, client: Client) -> None:
    client.force_login(editor)
    asset = AssetFactory(state=AssetState.IN_REVIEW)
    page = client.get(f"/admin/dam/asset/{asset.pk}/change/").content.decode()
    assert f"{asset.pk}/do/archive/" in page
    assert f"{asset.pk}/do/approve/" not in page
    assert '<option value="approved"' not in page
    assert 'value="approve"' not in client.get("/admin/dam/asset/").content.decode()


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.CONTRIBUTOR, {"draft", "in_review"}),
        (Role.EDITOR, {"draft", "in_review", "archived"}),
        (Role.REVIEWER, {"draft", "in_review", "archived", "approved", "rejected"}),
    ],
)
def test_uploads_begin_in_states_that_the_role_may_give(
    client: Client, db: None, role: Role, offered: set[str]
) -> None:
    user = account(role)
    client.force_login(user)
    page = client.get("/admin/dam/asset/upload/").content.decode()
    assert {state for state in AssetState if f'<option value="{state}"' in page} == offered
    for state in AssetState:
        file = SimpleUploadedFile(f"{state}.jpg", picture(seed=list(AssetState).index(state)))
        client.post("/admin/dam/asset/upload/", {"pictures": [file], "kind": "other", "state": state})
    assert set(Asset.objects.values_list("state", flat=True)) == offered


PLACES = ("/admin/generation/studio/", "/admin/generation/review/", "/admin/generation/generationjob/")
ENDPOINTS = ("/api/v1/generation/jobs/",)


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.STOREFRONT, 403), (Role.CONTRIBUTOR, 403), (Role.EDITOR, 200), (Role.REVIEWER, 200)],
)
def test_generating_takes_an_editor(client: Client, db: None, role: Role, status: int) -> None:
    user = account(role)
    client.force_login(user)
    AssetFactory()  # an empty library has another overview
    assert {place: client.get(place).status_code for place in PLACES} == dict.fromkeys(PLACES, status)
    api = client_of(user)
    assert {place: api.get(place).status_code for place in ENDPOINTS} == dict.fromkeys(ENDPOINTS, status)
    overview = client.get("/admin/").content.decode()
    assert ("No job is running" in overview) == (status == 200)

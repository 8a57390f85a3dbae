"""Comments, assignments and what people are told: of both, and of rights that end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing, notices
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import Asset, AssetOrigin, Assignment, AuditEntry, Comment, Notice, NoticeKind
from dam.tasks import send_letters, tell_people
from tests.factories import AssetFactory, EditorFactory
from tests.pictures import picture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
ASSETS, ASSIGNMENTS = "/api/v1/assets/", "/api/v1/assignments/"


@pytest.fixture
def owner() -> User:
    return EditorFactory(username="owner", email="owner@example.com")


@pytest.fixture
def asset(owner: User) -> Asset:
    return AssetFactory(title="Red dress", owner=owner, state="draft")


def told(user: User) -> list[str]:
    """What the user's list says, the oldest first."""
    rows = Notice.objects.filter(user=user).select_related("asset").order_by("pk")
    return [notices.sentence(notice) for notice in rows]


class TestComments:
    def say(self, caller: APIClient, asset: Asset, text: str) -> Any:
        return caller.post(f"{ASSETS}{asset.public_id}/comments/", {"text": text}, format="json")

    def test_said_listed_told_and_taken_back(
        self, staff_api: APIClient, editor: User, owner: User, asset: Asset
    ) -> None:
        said = self.say(staff_api, asset, "  The hem is cut off.  ")
        assert (said.status_code, said.data["text"]) == (201, "The hem is cut off.")
        listed = staff_api.get(f"{ASSETS}{asset.public_id}/comments/").data
        assert [(one["author"], one["text"]) for one in listed] == [(editor.username, "The hem is cut off.")]
        assert told(owner) == [f"{editor.username} on “Red dress”: The hem is cut off."]
        assert told(editor) == []
        address = f"{ASSETS}{asset.public_id}/comments/{said.data['id']}/"
        assert staff_api.delete(address).status_code == 204
        assert not Comment.objects.exists()
        removed = AuditEntry.objects.get(action="asset.comment_removed")
        assert removed.details["text"] == "The hem is cut off."

    @pytest.mark.parametrize("text", ["", "   ", "x" * 5001])
    def test_bounds(self, staff_api: APIClient, asset: Asset, text: str) -> None:
        assert self.say(staff_api, asset, text).status_code == 400
        assert not Comment.objects.exists()

    def test_nobody_removes_anothers_but_administrators(
        self, api: APIClient, staff_api: APIClient, asset: Asset, owner: User, administrator: User
    ) -> None:
        address = f"{ASSETS}{asset.public_id}/comments/{self.say(staff_api, asset, 'No.').data['id']}/"
        api.force_authenticate(owner)
        assert api.delete(address).status_code == 403
        api.force_authenticate(administrator)
        assert api.delete(address).status_code == 204

    def test_who_cannot_open_the_asset_neither_reads_nor_writes(
        self, api: APIClient, stranger: User, asset: Asset
    ) -> None:
        api.force_authenticate(stranger)
        assert self.say(api, asset, "Hello").status_code == 404
        assert api.get(f"{ASSETS}{asset.public_id}/comments/").status_code == 404

    def test_the_storefront_does_not_read_what_the_team_says(self, api: APIClient, editor: User) -> None:
        public = AssetFactory(title="public")
        assert api.get(f"{ASSETS}{public.public_id}/").status_code == 200
        assert api.get(f"{ASSETS}{public.public_id}/comments/").status_code in (401, 403)

    def test_on_the_page(self, client: Client, editor: User, asset: Asset) -> None:
        client.force_login(editor)
        page = f"/admin/dam/asset/{asset.pk}/"
        client.post(f"{page}comment/", {"text": "<b>Bold</b> words"})
        shown = client.get(f"{page}change/").content.decode()
        assert "&lt;b&gt;Bold&lt;/b&gt; words" in shown
        client.post(f"{page}comment/{Comment.objects.get().pk}/remove/")
        assert not Comment.objects.exists()


class TestAssignments:
    def ask(self, caller: APIClient, asset: Asset, to: User, **more: Any) -> Any:
        body = {"assets": [str(asset.public_id)], "assignee": to.username, "task": "Retouch the hem"} | more
        return caller.post(ASSIGNMENTS, body, format="json")

    def test_asked_seen_done_and_told(
        self, staff_api: APIClient, editor: User, owner: User, asset: Asset, client: Client
    ) -> None:
        day = timezone.localdate() + timedelta(days=2)
        made = self.ask(staff_api, asset, owner, due_on=day.isoformat())
        assert made.status_code == 201
        assert "Retouch the hem" in told(owner)[0]
        client.force_login(owner)
        assert "Retouch the hem" in client.get("/admin/dam/asset/my-work/").content.decode()
        number = made.data[0]["id"]
        client.post(f"/admin/dam/asset/my-work/{number}/done/", {"from": "work"})
        client.post(f"/admin/dam/asset/my-work/{number}/done/", {"from": "work"})
        assert Assignment.objects.get().done_by == owner
        assert told(editor) == ["owner has done with “Red dress”: Retouch the hem"]
        assert staff_api.get(f"{ASSIGNMENTS}?open=true").data["results"] == []
        assert len(staff_api.get(ASSIGNMENTS).data["results"]) == 1

    def test_what_cannot_be_asked(
        self, staff_api: APIClient, asset: Asset, owner: User, stranger: User
    ) -> None:
        yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
        assert "today or later" in str(self.ask(staff_api, asset, owner, due_on=yesterday).data)
        assert "cannot open" in str(self.ask(staff_api, asset, stranger).data)
        assert self.ask(staff_api, asset, owner, task=" ").status_code == 400
        assert not Assignment.objects.exists()

    def test_only_those_concerned_say_that_it_is_done(
        self, api: APIClient, staff_api: APIClient, stranger: User
    ) -> None:
        mine = AssetFactory(owner=stranger, state="draft")
        number = self.ask(staff_api, mine, stranger).data[0]["id"]
        other = User.objects.create_user("other")
        api.force_authenticate(other)
        assert api.post(f"{ASSIGNMENTS}{number}/done/").status_code == 404
        assert api.get(ASSIGNMENTS).data["results"] == []
        api.force_authenticate(stranger)
        assert api.post(f"{ASSIGNMENTS}{number}/done/").data["done_at"] is not None

    def test_due_ones_are_told_once(self, staff_api: APIClient, owner: User, asset: Asset) -> None:
        self.ask(staff_api, asset, owner, due_on=timezone.localdate().isoformat())
        for _ in range(3):
            tell_people()
        assert Notice.objects.filter(user=owner, kind=NoticeKind.DUE).count() == 1


class TestRightsThatEnd:
    def ending(self, days: int, owner: User, editor: User, **given: Any) -> Asset:
        asset = AssetFactory(owner=owner, **given)
        until = timezone.localdate() + timedelta(days=days)
        editing.update_assets([asset], actor=editor, changes={"rights_expire_on": until})
        return asset

    def test_the_owner_is_told_before_and_when_they_have_ended(self, owner: User, editor: User) -> None:
        asset = self.ending(20, owner, editor, title="Photo")
        today = timezone.localdate()
        heard = []
        for day in range(25):
            heard.append(notices.tell_of_rights(today + timedelta(days=day)))
            heard.append(notices.tell_of_rights(today + timedelta(days=day)))
        assert [place // 2 for place, number in enumerate(heard) if number] == [0, 13, 19, 21]
        assert "may be used until" in told(owner)[0]
        assert "may not be used since" in told(owner)[-1]
        assert Notice.objects.filter(asset=asset).count() == 4

    def test_another_end_is_told_anew_and_far_ones_are_not(self, owner: User, editor: User) -> None:
        asset = self.ending(5, owner, editor)
        self.ending(200, owner, editor, picture={"seed": 9})
        tell_people()
        later = timezone.localdate() + timedelta(days=6)
        editing.update_assets([asset], actor=editor, changes={"rights_expire_on": later})
        tell_people()
        assert Notice.objects.filter(user=owner).count() == 2

    def test_of_what_was_made_from_it_too(self, owner: User, editor: User) -> None:
        source = self.ending(3, editor, editor, title="Source")
        ingest(
            picture(seed=77),
            filename="made.jpg",
            owner=owner,
            origin=AssetOrigin.GENERATED,
            metadata=AssetMetadata(title="Made"),
            parents=[ParentLink(source, "garment")],
        )
        tell_people()
        assert "“Made” may be used until" in told(owner)[0]


class TestLetters:
    def test_one_letter_with_all_news_and_none_twice(
        self, owner: User, asset: Asset, editor: User, settings: Any
    ) -> None:
        settings.EMAIL_HOST = "mail.example.com"
        from dam import collaboration

        for text in ("First.", "Second."):
            collaboration.comment(asset, text, author=editor)
        send_letters()
        send_letters()
        assert [(letter.to, "First." in letter.body, "Second." in letter.body) for letter in mail.outbox] == [
            (["owner@example.com"], True, True)
        ]

    def test_a_mail_server_that_is_away_loses_nothing(
        self, owner: User, asset: Asset, editor: User, settings: Any
    ) -> None:
        from dam import collaboration

        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = 9  # nobody listens
        collaboration.comment(asset, "Hello", author=editor)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        send_letters()
        assert Notice.objects.filter(mailed_at=None).count() == 1
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        send_letters()
        assert len(mail.outbox) == 1

    def test_read_news_are_neither_shown_nor_sent(
        self, client: Client, owner: User, asset: Asset, editor: User, settings: Any
    ) -> None:
        from dam import collaboration

        settings.EMAIL_HOST = "mail.example.com"
        collaboration.comment(asset, "Hello", author=editor)
        client.force_login(owner)
        assert "Hello" in client.get("/admin/dam/asset/my-work/").content.decode()
        client.post("/admin/dam/asset/my-work/read/")
        assert "Hello" not in client.get("/admin/dam/asset/my-work/").content.decode()
        send_letters()
        assert mail.outbox == []

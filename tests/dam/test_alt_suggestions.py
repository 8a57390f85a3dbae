"""Suggested alternative texts: offered beside the asset, taken over by people, never written over theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from dam import alt_suggestions, editing, versions
from dam.alt_suggestions import AlreadyDecided, Words
from dam.models import AltTextSuggestion, Asset, AuditEntry
from dam.workflow import NotPermitted
from tests.factories import AssetFactory
from tests.pictures import picture

pytestmark = pytest.mark.django_db
WORDS = Words("A red scarf", "一条红围巾", "A red scarf of wool.", "一条红色的羊毛围巾。")


def suggested(asset: Asset, words: Words = WORDS, source: str = "model 1") -> AltTextSuggestion:
    alt_suggestions.suggest([(asset, words)], source=source)
    return asset.alt_suggestions.latest("pk")


def states(asset: Asset) -> list[str]:
    return list(asset.alt_suggestions.order_by("pk").values_list("state", flat=True))


def test_a_suggestion_changes_nothing_until_somebody_accepts_it(editor: User, client: Client) -> None:
    asset = AssetFactory(alt_text="", description_zh="人写的")
    suggestion = suggested(asset)
    asset.refresh_from_db()
    assert (asset.alt_text, asset.alt_text_zh, asset.description) == ("", "", "")
    client.force_login(editor)
    page = client.get(f"/admin/dam/asset/{asset.pk}/change/").text
    assert '<dd lang="en">A red scarf</dd>' in page
    assert '<dd lang="zh-Hans">一条红围巾</dd>' in page
    assert "一条红色的羊毛围巾。" not in page, "that field is somebody's"
    answer = client.post(f"/admin/dam/asset/{asset.pk}/alt-suggestions/{suggestion.pk}/accept/", follow=True)
    assert "Taken over: Alternative text (English), Alternative text (Chinese)" in answer.text
    asset.refresh_from_db()
    assert (asset.alt_text, asset.alt_text_zh) == ("A red scarf", "一条红围巾")
    assert (asset.description, asset.description_zh) == ("A red scarf of wool.", "人写的")
    assert "Suggested texts" not in client.get(f"/admin/dam/asset/{asset.pk}/change/").text
    deeds = AuditEntry.objects.filter(target_id=str(asset.public_id)).order_by("pk")
    assert list(deeds.values_list("action", "actor_name"))[-2:] == [
        ("asset.alt_suggested", ""),
        ("asset.alt_accepted", editor.username),
    ]
    # A second click says so, and changes nothing.
    editing.update_assets([asset], actor=None, changes={"alt_text": ""})
    answer = client.post(f"/admin/dam/asset/{asset.pk}/alt-suggestions/{suggestion.pk}/accept/", follow=True)
    assert "Somebody has decided on this suggestion already" in answer.text
    asset.refresh_from_db()
    assert asset.alt_text == ""


def test_words_join_the_text_that_is_searched_only_once_they_are_accepted(editor: User) -> None:
    from dam.custom_fields import by_slug
    from search.documents import document_for

    asset = AssetFactory()
    suggestion = suggested(asset)
    assert "scarf" not in document_for(Asset.objects.get(pk=asset.pk), by_slug()).text
    alt_suggestions.accept(suggestion, actor=editor)
    text = document_for(Asset.objects.get(pk=asset.pk), by_slug()).text
    assert all(part in text for part in ("A red scarf of wool.", "一条红围巾"))


def test_what_was_dismissed_is_not_offered_again(editor: User, client: Client) -> None:
    asset = AssetFactory()
    suggestion = suggested(asset)
    client.force_login(editor)
    client.post(f"/admin/dam/asset/{asset.pk}/alt-suggestions/{suggestion.pk}/dismiss/")
    assert states(asset) == ["dismissed"]
    assert alt_suggestions.suggest([(asset, WORDS)], source="model 1") == 0
    assert states(asset) == ["dismissed"]
    asset.refresh_from_db()
    assert asset.alt_text == ""
    with pytest.raises(AlreadyDecided):
        alt_suggestions.accept(suggestion, actor=editor)
    wrong = f"/admin/dam/asset/{asset.pk}/alt-suggestions/{suggestion.pk}/burn/"
    assert client.post(wrong).status_code == 404
    # Another model may speak; a newer one takes the place of an open one.
    suggested(asset, source="model 2")
    suggested(asset, source="model 3")
    assert states(asset) == ["dismissed", "superseded", "open"]


def test_a_suggestion_is_about_one_file(editor: User) -> None:
    asset = AssetFactory()
    suggested(asset)
    versions.add_version(asset, picture(seed=991), filename="new.jpg", actor=editor)
    asset.refresh_from_db()
    assert alt_suggestions.open_for(asset) is None, "it describes the file before"
    suggested(asset)
    assert states(asset) == ["superseded", "open"]
    found = alt_suggestions.open_for(asset)
    assert found is not None
    assert found.sha256 == asset.current.sha256
    full = dict.fromkeys(alt_suggestions.FIELDS, "Written by a person")
    editing.update_assets([asset], actor=editor, changes=full)
    asset.refresh_from_db()
    assert alt_suggestions.open_for(asset) is None, "there is nothing that it could fill"


def test_only_those_who_may_edit_the_asset_decide(
    staff_api: APIClient, stranger: User, api: APIClient
) -> None:
    from tests.factories import UserFactory

    asset = AssetFactory(alt_text="Mine")
    suggestion = suggested(asset)
    for somebody in (stranger, UserFactory()):
        with pytest.raises(NotPermitted):
            alt_suggestions.accept(suggestion, actor=somebody)
        with pytest.raises(NotPermitted):
            alt_suggestions.dismiss(suggestion, actor=somebody)
    assert states(asset) == ["open"]
    place = f"/api/v1/assets/{asset.public_id}/alt-texts/"
    assert api.get(place).status_code == 401
    (listed,) = staff_api.get(place).json()
    assert (listed["source"], listed["alt_text_zh"], listed["state"]) == ("model 1", "一条红围巾", "open")
    answer = staff_api.post(f"{place}{listed['id']}/accept/")
    assert answer.json() == {"filled": ["alt_text_zh", "description", "description_zh"]}
    asset.refresh_from_db()
    assert asset.alt_text == "Mine"
    again = staff_api.post(f"{place}{listed['id']}/dismiss/")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert staff_api.post(f"{place}999999/dismiss/").status_code == 404


def test_many_suggestions_take_as_many_queries_as_one(django_assert_num_queries: Any) -> None:
    assets = [AssetFactory() for _ in range(6)]
    with django_assert_num_queries(6):
        alt_suggestions.suggest([(asset, WORDS) for asset in assets[:1]], source="model 1")
    with django_assert_num_queries(6):
        alt_suggestions.suggest([(asset, WORDS) for asset in assets[1:]], source="model 1")
    assert AltTextSuggestion.objects.count() == 6

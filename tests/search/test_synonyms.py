"""Groups of words that mean the same: kept in the admin, told to the audit log, exchanged as tables."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from dam.models import AuditEntry
from search.models import Synonym
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "words_at_once")]
LIST = "/admin/search/synonym/"


@pytest.fixture
def team(editor: User, client: Client) -> Client:
    client.force_login(editor)
    return client


def deeds() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(action__startswith="synonym").order_by("pk")
    return [(entry.action, entry.actor_name) for entry in entries]


def test_editors_keep_groups_and_the_log_knows(team: Client, editor: User, api: APIClient) -> None:
    assert (
        team.post(f"{LIST}add/", {"words": "Pants, trousers, pants", "words_zh": "裤子，长裤"}).status_code
        == 302
    )
    group = Synonym.objects.get()
    assert (group.words, group.words_zh) == (["Pants", "trousers"], ["裤子", "长裤"])
    also = api.get("/api/v1/search/", {"q": "blue trousers"}).json()["understood"]["also"]
    assert also == ["蓝色", "Pants", "裤子", "长裤"]
    team.post(f"{LIST}{group.pk}/change/", {"words": "pants", "words_zh": "裤子"})
    for wrong, sentence in (("pants", "at least two words"), ("x" * 81 + ", pants", "longer than 80")):
        answer = team.post(f"{LIST}add/", {"words": wrong, "words_zh": ""})
        assert answer.status_code == 200
        assert sentence in answer.content.decode()
    assert [row.pk for row in team.get(LIST, {"q": "裤"}).context["cl"].result_list] == [group.pk]
    assert not team.get(LIST, {"q": "shoe"}).context["cl"].result_list
    team.post(f"{LIST}{group.pk}/delete/", {"post": "yes"})
    assert not Synonym.objects.exists()
    name = editor.username
    assert deeds() == [("synonym.created", name), ("synonym.updated", name), ("synonym.deleted", name)]
    assert AuditEntry.objects.get(action="synonym.updated").details["words"] == ["pants"]


def _send(client: Client, table: str) -> str:
    file = BytesIO(table.encode())
    file.name = "synonyms.csv"
    answer = client.post(f"{LIST}import/", {"table": file})
    return f"{answer.status_code} {answer.content.decode()}"


def test_a_table_goes_out_and_comes_in(team: Client) -> None:
    Synonym.objects.create(words=["=pants", "trousers"], words_zh=["裤子"])
    exported = b"".join(team.get(f"{LIST}export/").streaming_content).decode("utf-8-sig")
    assert exported.splitlines() == ["en,zh", "'=pants|trousers,裤子"]
    said = _send(team, exported + "Trousers|slacks,长裤｜裤子\nbag|purse,\n,鞋|鞋子\n")
    assert "New groups: 2. Groups with more words: 1. As they were: 1." in said
    groups = [(group.words, group.words_zh) for group in Synonym.objects.order_by("pk")]
    assert groups == [
        (["=pants", "trousers", "slacks"], ["裤子", "长裤"]),
        (["bag", "purse"], []),
        ([], ["鞋", "鞋子"]),
    ]
    assert [action for action, _name in deeds()] == ["synonym.updated", "synonym.created", "synonym.created"]
    said = _send(team, "en,zh\nhat|cap,\nalone,\n")
    assert said.startswith("422")
    assert "Row 3: A group has at least two words." in said
    for table, sentence in (
        (" ", "is empty"),
        ("a,b\nc,d\n", "neither a column"),
        ("en\n" + "a|b\n" * 5001, "5000"),
    ):
        said = _send(team, table)
        assert said.startswith("422"), table[:20]
        assert sentence in said
    assert Synonym.objects.count() == 3


def test_a_synonym_finds_what_has_the_other_word(
    team: Client, api: APIClient, index_now: Callable[[], Any]
) -> None:
    AssetFactory(title="Nautical jumper")
    AssetFactory(title="Something else")
    index_now()
    team.post(f"{LIST}add/", {"words": "jumper", "words_zh": "毛线衫"})
    answer = api.get("/api/v1/search/", {"q": "毛线衫"}).json()
    assert answer["results"][0]["title"] == "Nautical jumper"
    assert {"bm25", "words"} & answer["results"][0]["legs"].keys()  # as the server ranks words or not
    assert answer["understood"]["wanted"] == "毛线衫"

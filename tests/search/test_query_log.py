"""The log of searches: what is kept of a question and of a person, for how long, and the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished
from django.db import DatabaseError, close_old_connections, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone
from rest_framework.test import APIClient

from dam import editing
from dam.models import Asset, AssetState
from search.afterwards import answer_first
from search.models import SearchClick, SearchDay, SearchLog
from search.query import SearchRequest, search
from search.tasks import sum_up_searches, sweep_log
from tests.factories import AssetFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_clip", "words_at_once")]
SEARCH, CLICKS = "/api/v1/search/", "/api/v1/search/clicks/"
PAGE, REPORT = "/admin/search/space/find/", "/admin/search/searchlog/report/"


@pytest.fixture
def crown(index_now: Callable[[], Any]) -> Asset:
    asset = AssetFactory(title="Golden crown", title_zh="金色王冠")
    index_now()
    return asset


def test_each_entrance_logs_the_question_once(
    crown: Asset, api: APIClient, editor: User, client: Client
) -> None:
    answer = api.get(SEARCH, {"q": "  Golden   CROWN ", "kind": "other", "limit": 1}, REMOTE_ADDR="192.0.2.7")
    assert answer.json()["query_id"]
    client.force_login(editor)
    page = client.get(PAGE, {"q": "金色王冠 crown"})
    assert f'data-query="{page.context["results"].query_id}"' in page.content.decode()
    call_command("search", "2026", stdout=io.StringIO())
    by_rest, by_page, by_command = SearchLog.objects.order_by("pk")
    assert (by_rest.text, by_rest.normalised, by_rest.language) == ("Golden CROWN", "golden crown", "en")
    assert (by_rest.entrance, by_rest.filters, by_rest.total) == ("rest", {"kind": ["other"]}, 1)
    assert (by_rest.of_library, by_rest.account, len(by_rest.visitor)) == (False, None, 16)
    assert by_rest.encoder.startswith("openclip:")
    assert by_rest.took_ms > 0
    assert (by_page.entrance, by_page.language, by_page.account, by_page.visitor) == (
        "page",
        "mixed",
        editor,
        "",
    )
    assert by_page.of_library is True
    assert (by_command.entrance, by_command.language, by_command.visitor) == ("command", "none", "")
    assert "192.0.2.7" not in str(SearchLog.objects.values())


def test_only_questions_in_words_are_logged_and_later_pages_are_not(
    crown: Asset, api: APIClient, index_now: Callable[[], Any], editor: User, client: Client
) -> None:
    AssetFactory(title="Another crown")
    index_now()
    api.get(SEARCH)
    api.get(f"/api/v1/assets/{crown.public_id}/similar/")
    assert not SearchLog.objects.exists()
    first = api.get(SEARCH, {"q": "crown", "limit": 1}).json()
    second = api.get(SEARCH, {"q": "crown", "limit": 1, "cursor": first["next"]}).json()
    assert (bool(first["query_id"]), second["query_id"]) == (True, "")
    group = {"q": "crown", "group": str(crown.public_id)}
    assert api.get(SEARCH, group).json()["query_id"] == ""
    client.force_login(editor)
    after = search(SearchRequest(text="crown", collapse=True, limit=1), user=editor).next
    page = client.get(PAGE, {"q": "crown", "after": after})
    assert [hit.asset.title for hit in page.context["results"].hits] in (["Golden crown"], ["Another crown"])
    assert SearchLog.objects.count() == 1


def test_strangers_are_told_apart_for_one_question_only(crown: Asset, api: APIClient, settings: Any) -> None:
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
        api.get(SEARCH, {"q": "crown"}, REMOTE_ADDR=address)
    assert SearchLog.objects.values("visitor").distinct().count() == 2
    api.get(SEARCH, {"q": "golden crown"}, REMOTE_ADDR="192.0.2.7")
    another = SearchLog.objects.latest("pk")
    assert not SearchLog.objects.filter(visitor=another.visitor).exclude(pk=another.pk).exists()
    another.delete()
    before = SearchLog.objects.first()
    settings.SECRET_KEY = "another one"
    api.get(SEARCH, {"q": "crown"}, REMOTE_ADDR="192.0.2.7")
    assert SearchLog.objects.latest("pk").visitor != before.visitor
    settings.SEARCH_LOG_PERSON_DAYS = 0
    api.get(SEARCH, {"q": "crown"})
    assert SearchLog.objects.latest("pk").visitor == ""
    settings.SEARCH_LOG_DAYS = 0
    assert api.get(SEARCH, {"q": "crown"}).json()["query_id"] == ""
    assert SearchLog.objects.count() == 5


def test_one_address_is_one_person_whatever_it_asks_with(crown: Asset, api: APIClient) -> None:
    def ask(address: str, **said: str) -> list[str]:
        assert api.get(SEARCH, {"q": "crown jewels"}, REMOTE_ADDR=address, **said).json()["query_id"]
        sweep_log()
        told = api.get("/api/v1/search/suggestions/", {"q": "crown j"}).json()["suggestions"]
        return [f"{one['text']}, {one['count']}" for one in told if one["kind"] == "query"]

    for number in range(3):
        assert ask("192.0.2.7", HTTP_USER_AGENT=f"Browser {number}") == []
        assert ask("192.0.2.7", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}") == []
    assert ask("192.0.2.8") == []
    assert ask("192.0.2.9") == ["crown jewels, 3"]


def test_a_search_is_answered_though_the_log_takes_nothing(crown: Asset, api: APIClient) -> None:
    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith('INSERT INTO "search_searchlog"'):
            raise DatabaseError("The disk is full.")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        answer = api.get(SEARCH, {"q": "crown"})
    assert [hit["title"] for hit in answer.json()["results"]] == ["Golden crown"]
    told = {"query_id": answer.json()["query_id"], "asset": str(crown.public_id), "position": 1}
    assert api.post(CLICKS, told).status_code == 400
    assert not SearchLog.objects.exists()


def test_no_answer_waits_for_the_log_or_for_what_is_kept_for_later_pages(
    crown: Asset, rf: RequestFactory
) -> None:
    request = rf.get(SEARCH, {"q": "crown"})
    answer = answer_first(resolve(SEARCH).func)(request).render()
    assert (answer.status_code, SearchLog.objects.count()) == (200, 0)
    request_finished.disconnect(close_old_connections)  # as Django's own test client does
    try:
        answer.close()
    finally:
        request_finished.connect(close_old_connections)
    assert SearchLog.objects.get().text == "crown"


def test_opened_results_are_noted_once_with_their_place(crown: Asset, api: APIClient) -> None:
    hidden = AssetFactory(state=AssetState.DRAFT)
    query_id = api.get(SEARCH, {"q": "crown"}).json()["query_id"]
    told = {"query_id": query_id, "asset": str(crown.public_id), "position": 1}
    assert [api.post(CLICKS, told).status_code for _time in range(2)] == [204, 204]
    click = SearchClick.objects.get()
    assert (click.search, click.asset_key, click.position) == (SearchLog.objects.get(), crown.pk, 1)
    for wrong in ({"query_id": query_id + "x"}, {"position": 0}, {"asset": str(hidden.public_id)}):
        assert api.post(CLICKS, told | wrong).status_code == 400, wrong
    SearchLog.objects.all().delete()
    assert api.post(CLICKS, told).status_code == 400
    assert not SearchClick.objects.exists()


def test_a_deleted_asset_takes_along_that_it_was_opened(crown: Asset, api: APIClient) -> None:
    others = [AssetFactory(title=f"Crown {number}") for number in range(2)]
    for _search in range(3):
        query_id = api.get(SEARCH, {"q": "crown"}).json()["query_id"]
        for place, asset in enumerate([crown, *others], start=1):
            told = {"query_id": query_id, "asset": str(asset.public_id), "position": place}
            assert api.post(CLICKS, told).status_code == 204
    editing.trash([crown, others[0]], actor=None)
    assert SearchClick.objects.count() == 9, "what lies in the trash may come back"
    with CaptureQueriesContext(connection) as queries:
        editing.delete_forever([crown, others[0]], actor=None)
    assert set(SearchClick.objects.values_list("asset_key", flat=True)) == {others[1].pk}
    assert (SearchClick.objects.count(), SearchLog.objects.count()) == (3, 3)
    assert len([query for query in queries if '"search_searchclick"' in query["sql"]]) == 1


def _asked(text: str, *, days_ago: int = 0, times: int = 1, opened: int = 0, **given: Any) -> None:
    rows = SearchLog.objects.bulk_create(
        SearchLog(
            at=timezone.now() - timedelta(days=days_ago), text=text, normalised=text, entrance="page",
            of_library=True, **{"total": 3, "took_ms": 10, "language": "en", **given},
        )
        for _time in range(times)
    )  # fmt: skip
    SearchClick.objects.bulk_create(SearchClick(search=row, asset_key=1, position=1) for row in rows[:opened])


def listed(client: Client, **asked: Any) -> list[str]:
    return [row.text for row in client.get(REPORT, asked).context["page"].rows]


@pytest.fixture
def log() -> None:
    _asked("red dress", times=4, opened=3, took_ms=20)
    _asked("red dress", times=2, days_ago=3)
    _asked("unicorn", times=3, total=0)
    _asked("独角兽", times=2, total=0, language="zh", took_ms=900)
    _asked("shoes", times=5, days_ago=20)
    _asked("last year", times=9, days_ago=200)
    sum_up_searches()


def test_the_report_shows_what_is_frequent_in_vain_unopened_and_slow(
    log: None, editor: User, client: Client
) -> None:
    client.force_login(editor)
    assert listed(client) == ["red dress", "shoes", "unicorn", "独角兽"]
    assert listed(client, days=7) == ["red dress", "unicorn", "独角兽"]
    assert listed(client, days=365)[0] == "last year"
    assert listed(client, list="empty") == ["unicorn", "独角兽"]
    assert listed(client, list="empty", language="zh") == ["独角兽"]
    assert listed(client, list="unopened") == ["shoes"]
    assert listed(client, list="slow")[0] == "独角兽"
    page = client.get(REPORT, {"days": 7})
    row = page.context["page"].rows[0]
    assert (row.asked, row.empty, row.clicked, round(row.average_ms, 1), row.slowest_ms) == (
        6,
        0,
        3,
        16.7,
        20,
    )
    assert (page.context["asked"], page.context["empty"]) == (11, 5)
    assert [bar["day"].asked for bar in page.context["bars"]] == [0, 0, 0, 2, 0, 0, 9]
    assert [(line["label"], line["asked"], line["empty_percent"]) for line in page.context["languages"]] == [
        ("English", 9, 33),
        ("Chinese", 2, 100),
    ]
    empty = client.get(REPORT, {"list": "empty"}).content.decode()
    assert "/admin/search/synonym/add/?word=unicorn" in empty
    assert "/admin/search/space/find/?q=%E7%8B%AC%E8%A7%92%E5%85%BD" in empty
    form = client.get("/admin/search/synonym/add/?word=unicorn").content.decode()
    assert 'value="unicorn"' in form
    exported = b"".join(client.get(REPORT, {"list": "empty", "export": "csv"}).streaming_content).decode(
        "utf-8-sig"
    )
    assert [line[:5] for line in csv.reader(io.StringIO(exported))][1:] == [
        ["unicorn", "en", "3", "3", "0"],
        ["独角兽", "zh", "2", "2", "0"],
    ]
    assert client.get(REPORT, {"days": "x"}).status_code == 400


def test_the_report_is_paged_by_key_and_counted_anew(
    editor: User, client: Client, django_assert_num_queries: Any
) -> None:
    client.force_login(editor)
    for number in range(60):
        _asked(f"word {number:02}", times=1 + number // 20)
    assert listed(client) == []
    assert client.post(REPORT).status_code == 302
    seen: list[str] = []
    address = REPORT
    while address:
        page = client.get(address)
        seen += [row.text for row in page.context["page"].rows]
        address = REPORT + page.context["next_url"] if page.context["next_url"] else ""
    assert seen == [f"word {number:02}" for low in (40, 20, 0) for number in range(low, low + 20)]
    _asked("word 00", times=80)
    client.post(REPORT)
    assert listed(client)[0] == "word 00"
    with django_assert_num_queries(9):  # session, account, its rights and role (4), rows, days, languages
        client.get(REPORT)


def test_people_are_forgotten_first_and_questions_later(editor: User, settings: Any) -> None:
    settings.SEARCH_LOG_DAYS, settings.SEARCH_LOG_PERSON_DAYS = 100, 10
    _asked("new", account=editor)
    _asked("older", days_ago=11, account=editor)
    _asked("stranger", days_ago=11, visitor="0123456789abcdef")
    _asked("old", days_ago=101, account=editor, opened=1)
    sum_up_searches()
    sweep_log()
    kept = {row.text: (row.account, row.visitor) for row in SearchLog.objects.select_related("account")}
    assert kept == {"new": (editor, ""), "older": (None, ""), "stranger": (None, "")}
    assert not SearchClick.objects.exists()
    assert set(SearchDay.objects.values_list("normalised", flat=True)) == {"new", "older", "stranger"}
    editor.delete()
    assert SearchLog.objects.get(text="new").account is None


def test_single_searches_are_for_administrators(
    log: None, editor: User, administrator: User, client: Client
) -> None:
    client.force_login(editor)
    assert client.get("/admin/search/searchlog/").status_code == 403
    client.force_login(administrator)
    page = client.get("/admin/search/searchlog/", {"q": "uni"})
    assert [entry.text for entry in page.context["cl"].result_list] == ["unicorn"] * 3

"""The first page: how the library grows, what ends soon, what was spent; what failed, and what helps."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dam.models import (
    Asset,
    AssetState,
    DeliveryState,
    Import,
    ImportSource,
    ImportState,
    WebhookDelivery,
    WebhookEndpoint,
)
from dam.roles import Role
from generation.models import GenerationItem, GenerationJob, ItemState, SpendEntry, SpendState, to_micros
from generation.providers.base import Cause
from search.models import IndexEntry, IndexState
from tests.factories import AssetFactory, EditorFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def overview(client: Client, administrator: User) -> Callable[[], Any]:
    """The page, as an administrator sees it."""
    client.force_login(administrator)
    return lambda: client.get("/admin/")


def sentences(answer: Any) -> list[str]:
    return [trouble.sentence for trouble in answer.context["troubles"]]


def press(client: Client, answer: Any, deed: str) -> Any:
    """Post the form of the page whose button says this."""
    forms = re.findall(
        r'<form method="post" action="([^"]+)">(.*?)</form>', answer.content.decode(), re.DOTALL
    )
    (chosen,) = [form for form in forms if f">{deed}<" in form[1]]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', chosen[1]))
    return client.post(unescape(chosen[0]), fields, follow=True)


def test_assets_that_failed_to_be_indexed_are_told_and_tried_again(
    client: Client, overview: Callable[[], Any], index_now: Callable[[], Any]
) -> None:
    AssetFactory.create_batch(3)
    index_now()
    assert sentences(overview()) == []
    broken = IndexEntry.objects.order_by("pk")[:2].values("pk")
    IndexEntry.objects.filter(pk__in=list(broken.values_list("pk", flat=True))).update(
        state=IndexState.FAILED, last_error="The file is damaged"
    )
    answer = overview()
    assert sentences(answer) == ["2 assets could not be indexed: search does not find them by meaning."]
    assert answer.context["troubles"][0].why == "The file is damaged"

    done = press(client, answer, "Index again")
    assert "2 entries will be indexed again." in done.content.decode()
    assert IndexEntry.objects.filter(state=IndexState.PENDING).count() == 2
    assert sentences(overview()) == []


def test_entries_that_no_worker_takes_are_told_after_ten_minutes(overview: Callable[[], Any]) -> None:
    AssetFactory()
    assert sentences(overview()) == []
    IndexEntry.objects.update(not_before=timezone.now() - timedelta(minutes=11))
    (sentence,) = sentences(overview())
    assert "No worker seems to run" in sentence


def test_an_import_that_was_cut_off_goes_on(
    client: Client, overview: Callable[[], Any], administrator: User, editor: User
) -> None:
    AssetFactory()
    run = Import.objects.create(
        owner=administrator, source=ImportSource.ARCHIVE, location="spring.zip", state=ImportState.FAILED,
        problem="The storage was away.", started=timezone.now(), finished=timezone.now(),
    )  # fmt: skip
    answer = overview()
    assert sentences(answer) == ["The import of “spring.zip” was cut off."]
    press(client, answer, "Go on")
    run.refresh_from_db()
    assert run.state == ImportState.RUNNING
    assert sentences(overview()) == []

    Import.objects.update(state=ImportState.FAILED, finished=timezone.now() - timedelta(days=31))
    assert sentences(overview()) == []
    Import.objects.update(finished=timezone.now())
    client.force_login(editor)
    assert sentences(client.get("/admin/")) == []


def test_pictures_that_were_not_made_are_queued_again_by_cause(
    client: Client, overview: Callable[[], Any], administrator: User
) -> None:
    AssetFactory()
    job = GenerationJob.objects.create(owner=administrator, kind="outfits", title="Spring", provider="board")
    for number, (cause, state) in enumerate(
        [(Cause.OUTAGE, "failed"), (Cause.OUTAGE, "failed"), (Cause.BLOCKED, "blocked")]
    ):
        GenerationItem.objects.create(
            job=job, position=number, idempotency_key=str(number), state=state, cause=cause,
            reason="No answer for 60 s.", finished=timezone.now(),
        )  # fmt: skip
    answer = overview()
    assert sentences(answer) == [
        "2 pictures were not made by board: The vendor did not answer.",
        "1 picture was not made by board: Blocked by the vendor's filters.",
    ]
    assert [trouble.deed for trouble in answer.context["troubles"]] == ["Run again", ""]
    done = press(client, answer, "Run again")
    assert "2 pictures are queued again." in done.content.decode()
    states = GenerationItem.objects.order_by("position").values_list("state", flat=True)
    assert list(states) == [ItemState.QUEUED, ItemState.QUEUED, ItemState.BLOCKED]


def test_messages_that_were_given_up_go_out_again(
    client: Client, overview: Callable[[], Any], editor: User, administrator: User
) -> None:
    AssetFactory()
    endpoint = WebhookEndpoint.objects.create(name="Shop", url="https://shop.example/hook", secret="whsec_a")
    WebhookDelivery.objects.create(
        endpoint=endpoint, event="asset.approved", payload={}, state=DeliveryState.DEAD, last_error="HTTP 500"
    )
    client.force_login(editor)
    assert sentences(client.get("/admin/")) == []
    client.force_login(administrator)
    answer = overview()
    assert sentences(answer) == ["1 message to a webhook was given up."]
    press(client, answer, "Send again")
    assert not WebhookDelivery.objects.filter(state=DeliveryState.DEAD).exists()


def test_growth_by_week_is_of_what_one_may_see(client: Client, overview: Callable[[], Any]) -> None:
    for weeks in (0, 0, 1, 3, 40):
        asset = AssetFactory.create(state=AssetState.DRAFT if weeks == 1 else AssetState.APPROVED)
        Asset.objects.filter(pk=asset.pk).update(created=timezone.now() - timedelta(weeks=weeks))
    weeks = overview().context["growth"]
    assert [week.number for week in weeks] == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2]
    assert [week.height for week in weeks][-3:] == [0, 50, 100]

    somebody = EditorFactory.create()
    somebody.groups.add(Group.objects.get(name=Role.CONTRIBUTOR))
    AssetFactory(owner=somebody)
    client.force_login(somebody)
    assert (
        sum(week.number for week in client.get("/admin/").context["growth"]) == 4
    )  # a draft of others is none


def test_rights_that_end_within_a_month(client: Client, overview: Callable[[], Any]) -> None:
    today = timezone.localdate()
    for title, days in (("Late", 29), ("Soon", 2), ("Over", -1), ("Far", 31)):
        AssetFactory(title=title, rights_expire_on=today + timedelta(days=days))
    AssetFactory(title="Free")
    answer = overview()
    assert [asset.title for asset in answer.context["expiring"]["assets"]] == ["Soon", "Late"]
    assert answer.context["expiring"]["number"] == 2

    def listed(rights: str) -> set[str]:
        page = client.get("/admin/dam/asset/", {"rights": rights})
        return {asset.title for asset in page.context["cl"].result_list}

    assert listed("30") == {"Soon", "Late"}
    assert listed("over") == {"Over"}


def test_what_was_spent_today_and_in_thirty_days(
    client: Client, overview: Callable[[], Any], administrator: User, stranger: User
) -> None:
    AssetFactory()
    job = GenerationJob.objects.create(owner=administrator, kind="outfits", title="Spring", provider="gemini")
    item = GenerationItem.objects.create(job=job, position=0, idempotency_key="0")
    for attempt, (days, amount) in enumerate([(0, "0.5"), (3, "1.25"), (45, "9")]):
        SpendEntry.objects.create(
            job=job, item=item, owner=administrator, provider="gemini", currency="USD", attempt=attempt,
            day=timezone.localdate() - timedelta(days=days), amount_micros=to_micros(Decimal(amount)),
            state=SpendState.SETTLED,
        )  # fmt: skip
    assert overview().context["spent"] == [{"month": "1.75 USD", "today": "0.5 USD"}]


def test_the_number_of_queries_does_not_grow_with_what_failed(overview: Callable[[], Any]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert overview().status_code == 200
        return len(captured)

    AssetFactory.create_batch(2)
    IndexEntry.objects.update(state=IndexState.FAILED)
    queries()
    few = queries()
    AssetFactory.create_batch(5)
    IndexEntry.objects.update(state=IndexState.FAILED)
    assert queries() == few


def test_the_navigation_follows_the_team_s_tasks(overview: Callable[[], Any]) -> None:
    AssetFactory()
    answer = overview()
    groups = [str(group["title"]) for group in answer.context["sidebar_navigation"]]
    assert groups == ["Library", "Search", "Studio", "Review", "Imports", "Settings"]
    links = {
        str(item["title"]): str(item.get("link_callback") or item["link"])
        for group in answer.context["sidebar_navigation"]
        for item in group["items"]
    }
    to_review = urlsplit(links["Assets to review"])
    assert (to_review.path, parse_qs(to_review.query)) == ("/admin/dam/asset/", {"state": ["in_review"]})

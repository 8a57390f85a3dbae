"""A shop's system is told of what happens in the library: signed, tried again, given up, sent once more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from dam.models import AssetState, DeliveryState, WebhookDelivery, WebhookEndpoint
from dam.tasks import send_webhooks, sweep_webhooks
from dam.webhook_sending import WAITS
from tests.factories import AdministratorFactory, AssetFactory
from tests.journeys.visits import run_action, sign_in
from tests.services.processes import Process, Web, eventually
from tests.webhook_receiver import Receiver, serve

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.usefixtures("real_passwords")]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """It lies on this machine, which the site's processes must be allowed to speak to."""
    monkeypatch.setenv("DAM_WEBHOOK_ALLOW_PRIVATE", "true")
    server, receiver = serve()
    yield receiver
    server.shutdown()
    server.server_close()


def send_what_is_due(*, as_if_later: bool = False) -> None:
    """What the clock of the site asks for every few seconds."""
    if as_if_later:
        WebhookDelivery.objects.update(next_attempt_at=timezone.now())
    send_webhooks.delay()


def test_signed_tried_again_given_up_and_sent_once_more(
    receiver: Receiver, page: Page, web: Web, worker: Callable[[], Process]
) -> None:
    process = worker()
    coat = AssetFactory(title="Coat", kind="garment", state=AssetState.IN_REVIEW, tags=("winter",))
    sign_in(page, web, AdministratorFactory(), "/admin/dam/webhookendpoint/")

    # An administrator says who is to be told what, and takes the secret along.
    page.get_by_role("link", name="Add webhook").first.click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Address").fill(receiver.url)
    for event in ("Asset approved", "Asset changed", "Rights of an asset ended", "Asset deleted"):
        page.get_by_label(event).check()
    page.get_by_role("button", name="Save", exact=True).click()
    secret = page.get_by_label("Secret of “Shop”").input_value()
    assert secret.startswith("whsec_")

    # The coat is approved while the shop has trouble: it is told again a little later.
    receiver.answers = [(500, {}, b"out of order")] * 2
    page.goto(f"{web.url}/admin/dam/asset/{coat.pk}/change/")
    page.get_by_role("button", name=re.compile("Approve$")).click()
    expect(page.get_by_text("Approved: 1.")).to_be_visible()
    send_what_is_due()
    first = WebhookDelivery.objects.filter(state=DeliveryState.PENDING, attempts=1, last_status=500)
    eventually(lambda: first.count() == 2, "both were tried", process=process)
    assert all(row.next_attempt_at > timezone.now() for row in first)
    send_what_is_due(as_if_later=True)
    arrived = WebhookDelivery.objects.filter(state=DeliveryState.DELIVERED)
    eventually(lambda: arrived.count() == 2, "the second attempt arrives", process=process)
    assert sorted(receiver.events()) == ["asset.approved"] * 2 + ["asset.changed"] * 2
    assert WebhookEndpoint.objects.get().failures == 0

    # It changes, its rights end, it is thrown away and deleted for good.
    page.get_by_label("Title (English)").fill("Long coat")
    page.get_by_label("Rights expire on").fill((timezone.localdate() - timedelta(days=1)).isoformat())
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("The rights ran out on")).to_be_visible()
    sweep_webhooks.delay()
    expired = WebhookDelivery.objects.filter(event="asset.expired")
    eventually(expired.exists, "the end of the rights is noted", process=process)
    page.get_by_role("button", name=re.compile("Move to trash$")).click()
    page.goto(f"{web.url}/admin/dam/asset/{coat.pk}/delete/")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("“Long coat” was deleted for good.")).to_be_visible()
    send_what_is_due()
    eventually(lambda: arrived.count() == 6, "all of it arrives", process=process)

    bodies = [Webhook(secret).verify(body, headers) for _path, headers, body in receiver.got]
    assert [body["data"]["title"] for body in bodies[:4]] == ["Coat"] * 4
    later = {body["type"]: body["data"] for body in bodies[4:]}
    assert set(later) == {"asset.changed", "asset.expired", "asset.deleted"}
    assert later["asset.changed"]["title"] == "Long coat"
    deletions = [body["data"]["deletion"] for body in bodies if body["type"] == "asset.deleted"]
    assert deletions == ["trash", "permanent"]
    assert {body["data"]["id"] for body in bodies} == {str(coat.public_id)}

    # The shop stays away: the message is given up, is seen among the messages, and goes out when asked for.
    receiver.answers = [(503, {}, b"closed")] * (len(WAITS) + 1)
    AssetFactory(title="Scarf", state=AssetState.DRAFT)
    for attempt in range(1, len(WAITS) + 2):
        send_what_is_due(as_if_later=True)
        tried = WebhookDelivery.objects.filter(attempts=attempt, last_status=503, claimed_until=None)
        eventually(lambda tried=tried: tried.exists(), f"attempt {attempt}", process=process)
    lost = WebhookDelivery.objects.get(state=DeliveryState.DEAD)
    page.goto(f"{web.url}/admin/dam/webhookdelivery/?state__exact=dead")
    row = page.get_by_role("row").filter(has_text=lost.message_id)
    expect(row).to_contain_text("Given up")
    row.get_by_role("checkbox").check()
    run_action(page, "Send again")
    expect(page.get_by_text("1 message goes out again.")).to_be_visible()
    send_what_is_due()
    eventually(lambda: arrived.count() == 7, "it arrives at last", process=process)
    _path, headers, body = receiver.got[-1]
    assert headers["webhook-id"] == lost.message_id
    assert Webhook(secret).verify(body, headers)["data"]["title"] == "Scarf"
    assert json.loads(body) == lost.payload

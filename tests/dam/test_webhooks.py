"""Webhooks: what is told to whom, how it arrives, and what becomes of it where it does not."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from standardwebhooks import Webhook, WebhookVerificationError

from dam import editing, webhook_http, webhooks
from dam.models import (
    Asset,
    AssetState,
    AuditEntry,
    DeliveryState,
    Lineage,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from dam.tasks import send_webhooks, sweep_webhooks
from dam.webhook_http import AddressRefused
from dam.webhook_sending import WAITS
from tests.clients import api_of
from tests.factories import AssetFactory
from tests.webhook_receiver import Receiver, serve

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space")]
ADDRESS = "/api/v1/webhooks/"
PUBLIC = "https://hooks.example.com/atelier"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.DAM_WEBHOOK_ALLOW_PRIVATE = True
    server, receiver = serve()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def admin_api(administrator: User) -> APIClient:
    return api_of(administrator)


def endpoint(url: str = PUBLIC, *events: str, **more: Any) -> WebhookEndpoint:
    row = WebhookEndpoint(name="Shop", url=url, events=list(events or WebhookEvent.values), **more)
    webhooks.save(row, actor=None)
    return row


def told() -> list[tuple[str, str]]:
    """Events and titles of all messages, the oldest first."""
    rows = WebhookDelivery.objects.order_by("pk")
    return [(row.event, row.payload["data"]["title"]) for row in rows]


def make_due() -> None:
    """As if the time of every wait had passed."""
    WebhookDelivery.objects.update(next_attempt_at=timezone.now())
    WebhookEndpoint.objects.update(paused_until=None)


class TestEvents:
    def test_approval_is_told_with_what_the_asset_is(self, reviewer: User) -> None:
        asset = AssetFactory(
            title="Coat", state=AssetState.IN_REVIEW, tags=("winter",), skus=(("C-1", "packshot"),)
        )
        endpoint(PUBLIC, WebhookEvent.APPROVED)
        editing.set_state([asset], actor=reviewer, state=AssetState.APPROVED)
        payload = WebhookDelivery.objects.get().payload
        assert payload["type"] == "asset.approved"
        assert datetime.fromisoformat(payload["timestamp"]) <= timezone.now()
        data = payload["data"]
        assert (data["id"], data["title"], data["state"]) == (str(asset.public_id), "Coat", "approved")
        assert (data["kind"], data["tags"], data["skus"]) == ("other", ["winter"], ["C-1"])
        assert data["sha256"] == asset.current.sha256

    def test_an_asset_that_comes_in_approved_is_told_as_approved(self) -> None:
        endpoint(PUBLIC, WebhookEvent.APPROVED)
        AssetFactory(title="Draft", state=AssetState.DRAFT)
        AssetFactory(title="Ready")
        assert told() == [("asset.approved", "Ready")]

    def test_a_change_of_an_approved_asset_is_no_new_approval(self) -> None:
        asset = AssetFactory(title="Coat")
        endpoint()
        editing.update_assets([asset], actor=None, changes={"title": "Long coat"})
        assert told() == [("asset.changed", "Long coat")]

    def test_each_endpoint_is_told_what_it_asked_for(self) -> None:
        asset = AssetFactory(title="Coat", state=AssetState.DRAFT)
        both, approved = endpoint(), endpoint(PUBLIC, WebhookEvent.APPROVED)
        off = endpoint(PUBLIC, active=False)
        editing.set_state([asset], actor=None, state=AssetState.APPROVED)
        assert {row.event for row in both.deliveries.all()} == {"asset.changed", "asset.approved"}
        assert [row.event for row in approved.deliveries.all()] == ["asset.approved"]
        assert not off.deliveries.exists()

    def test_deletion_says_whether_it_is_for_good(self) -> None:
        asset = AssetFactory(title="Coat")
        endpoint()
        editing.trash([asset], actor=None)
        editing.delete_forever([asset], actor=None)
        rows = WebhookDelivery.objects.order_by("pk")
        assert [(row.event, row.payload["data"]["deletion"]) for row in rows] == [
            ("asset.deleted", "trash"),
            ("asset.deleted", "permanent"),
        ]
        assert {row.subject for row in rows} == {asset.public_id}

    def test_what_comes_back_from_the_trash_is_approved_again(self) -> None:
        asset = AssetFactory(title="Coat")
        editing.trash([asset], actor=None)
        endpoint(PUBLIC, WebhookEvent.APPROVED)
        editing.restore([asset], actor=None)
        assert told() == [("asset.approved", "Coat")]

    def test_changes_that_nobody_has_seen_are_one_message(self) -> None:
        asset, other = AssetFactory(title="Coat"), AssetFactory(title="Hat")
        endpoint(PUBLIC, WebhookEvent.CHANGED)
        for title in ("Long coat", "Very long coat"):
            editing.update_assets([asset], actor=None, changes={"title": title})
        editing.update_assets([other], actor=None, changes={"title": "Cap"})
        assert told() == [("asset.changed", "Very long coat"), ("asset.changed", "Cap")]

    def test_a_message_that_may_have_been_seen_is_not_replaced(self, receiver: Receiver) -> None:
        asset = AssetFactory(title="Coat")
        endpoint(receiver.url, WebhookEvent.CHANGED)
        receiver.answers = [(500, {}, b"")]
        editing.update_assets([asset], actor=None, changes={"title": "Long coat"})
        send_webhooks()
        editing.update_assets([asset], actor=None, changes={"title": "Very long coat"})
        assert told() == [("asset.changed", "Long coat"), ("asset.changed", "Very long coat")]

    def test_what_is_rolled_back_is_not_told(self) -> None:
        asset = AssetFactory(title="Coat")
        endpoint()
        with pytest.raises(RuntimeError), transaction.atomic():
            editing.set_state([asset], actor=None, state=AssetState.DRAFT)
            assert WebhookDelivery.objects.exists()
            raise RuntimeError
        assert not WebhookDelivery.objects.exists()

    def test_a_refused_deletion_is_not_told(self) -> None:
        parent, child = AssetFactory(), AssetFactory()
        Lineage.objects.create(parent=parent, child=child, role="garment")
        endpoint()
        with pytest.raises(editing.AssetsInUse):
            editing.delete_forever([parent], actor=None)
        assert not WebhookDelivery.objects.exists()

    def test_many_assets_cost_as_many_queries_as_few(self) -> None:
        assets = [
            AssetFactory(state=AssetState.DRAFT, tags=("a",), skus=(("S", "packshot"),)) for _ in range(12)
        ]
        endpoint()
        endpoint(PUBLIC, WebhookEvent.CHANGED)
        counts = []
        for chosen in (assets[:2], assets[2:]):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                editing.set_state(chosen, actor=None, state=AssetState.APPROVED)
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert WebhookDelivery.objects.count() == 3 * len(assets)

    def test_where_nobody_listens_one_query_is_all(self) -> None:
        asset = AssetFactory(state=AssetState.DRAFT)
        with CaptureQueriesContext(connection) as queries:
            editing.set_state([asset], actor=None, state=AssetState.APPROVED)
        asked = [query["sql"] for query in queries if "webhook" in query["sql"]]
        assert len(asked) == 1
        assert "webhookendpoint" in asked[0]


class TestExpiry:
    def test_each_end_is_told_once(self) -> None:
        asset = AssetFactory(title="Coat")
        endpoint(PUBLIC, WebhookEvent.EXPIRED)
        for end in (date(2020, 1, 1), date(2021, 1, 1)):
            editing.update_assets([asset], actor=None, changes={"rights_expire_on": end})
            sweep_webhooks()
            sweep_webhooks()
        rows = WebhookDelivery.objects.order_by("pk")
        assert [row.payload["data"]["usable_until"] for row in rows] == ["2020-01-01", "2021-01-01"]

    def test_only_what_has_ended(self) -> None:
        endpoint(PUBLIC, WebhookEvent.EXPIRED)
        AssetFactory(rights_expire_on=timezone.localdate())
        AssetFactory(model_release="missing")
        thrown_away = AssetFactory(rights_expire_on=date(2020, 1, 1))
        editing.trash([thrown_away], actor=None)
        sweep_webhooks()
        assert not WebhookDelivery.objects.exists()

    def test_a_new_endpoint_is_not_told_of_long_ago(self) -> None:
        AssetFactory(title="Old", rights_expire_on=date(2020, 1, 1))
        sweep_webhooks()
        endpoint(PUBLIC, WebhookEvent.EXPIRED)
        AssetFactory(title="New", rights_expire_on=timezone.localdate() - timedelta(days=1))
        sweep_webhooks()
        assert told() == [("asset.expired", "New")]


class TestSending:
    def test_a_message_arrives_signed(self, receiver: Receiver) -> None:
        row = endpoint(receiver.url, WebhookEvent.CHANGED)
        asset = AssetFactory(title="外套")
        send_webhooks()
        ((path, headers, body),) = receiver.got
        assert path == "/hook?a=1"
        assert headers["Content-Type"] == "application/json"
        assert Webhook(row.secret).verify(body, headers)["data"]["id"] == str(asset.public_id)
        assert json.loads(body)["data"]["title"] == "外套"
        with pytest.raises(WebhookVerificationError):
            Webhook(webhooks.new_secret()).verify(body, headers)
        delivery = WebhookDelivery.objects.get()
        assert headers["webhook-id"] == delivery.message_id
        assert (delivery.state, delivery.last_status, delivery.attempts) == (DeliveryState.DELIVERED, 200, 1)
        assert delivery.response == "thanks"
        send_webhooks()
        assert len(receiver.got) == 1

    def test_after_a_rotation_both_secrets_verify_for_a_day(self, receiver: Receiver) -> None:
        row = endpoint(receiver.url)
        before = row.secret
        after = webhooks.rotate_secret(row, actor=None)
        webhooks.send_test(row, actor=None)
        send_webhooks()
        ((_path, headers, body),) = receiver.got
        for secret in (before, after):
            assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
        WebhookEndpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
        webhooks.send_test(row, actor=None)
        send_webhooks()
        _path, headers, body = receiver.got[-1]
        with pytest.raises(WebhookVerificationError):
            Webhook(before).verify(body, headers)

    def test_failure_retry_death_and_replay(self, receiver: Receiver, admin_api: APIClient) -> None:
        row = endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory(title="Coat")
        receiver.answers = [(503, {}, b"busy")] * (len(WAITS) + 1)
        for attempt, seconds in enumerate(WAITS, 1):
            before = timezone.now()
            send_webhooks()
            delivery = WebhookDelivery.objects.get()
            assert (delivery.state, delivery.attempts, delivery.last_status) == ("pending", attempt, 503)
            waits = (delivery.next_attempt_at - before).total_seconds()
            assert 0.8 * seconds <= waits <= 1.2 * seconds + 60
            make_due()
        send_webhooks()
        delivery.refresh_from_db()
        row.refresh_from_db()
        assert (delivery.state, delivery.response) == (DeliveryState.DEAD, "busy")
        assert "503" in delivery.last_error
        assert row.failures == len(WAITS) + 1
        make_due()
        send_webhooks()
        assert len(receiver.got) == len(WAITS) + 1
        answer = admin_api.post(f"{ADDRESS}{row.pk}/deliveries/{delivery.pk}/replay/")
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")
        send_webhooks()
        delivery.refresh_from_db()
        row.refresh_from_db()
        assert (delivery.state, row.failures) == (DeliveryState.DELIVERED, 0)
        assert len({headers["webhook-id"] for _path, headers, _body in receiver.got}) == 1

    def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory()
        receiver.answers = [(307, {"Location": receiver.url}, b"")]
        send_webhooks()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.last_status, len(receiver.got)) == (DeliveryState.PENDING, 307, 1)
        assert "redirect" in delivery.last_error

    def test_of_a_long_answer_the_beginning_is_kept(self, receiver: Receiver) -> None:
        endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory()
        receiver.answers = [(200, {}, b"\0x" * 100_000)]
        send_webhooks()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.response) == (DeliveryState.DELIVERED, "x" * 1024)

    def test_one_that_does_not_answer_is_left_alone(self, receiver: Receiver) -> None:
        nobody, _gone = serve()
        silent = endpoint(_gone.url, WebhookEvent.APPROVED)
        nobody.shutdown()
        nobody.server_close()
        heard = endpoint(receiver.url, WebhookEvent.APPROVED)
        for _ in range(3):
            AssetFactory()
        send_webhooks()
        silent.refresh_from_db()
        assert silent.paused_until is not None
        assert silent.paused_until > timezone.now()
        assert sorted(silent.deliveries.values_list("attempts", flat=True)) == [0, 0, 1]
        assert not silent.deliveries.exclude(claimed_until=None).exists()
        assert heard.deliveries.filter(state=DeliveryState.DELIVERED).count() == 3

    def test_one_that_answers_a_byte_at_a_time_is_ended(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook_http, "SECONDS", 1.0)
        endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory()
        receiver.drips = True
        send_webhooks()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.last_status) == (DeliveryState.PENDING, None)
        assert "no answer within" in delivery.last_error

    def test_what_a_crashed_sender_had_is_taken_up_again(self, receiver: Receiver) -> None:
        endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory()
        WebhookDelivery.objects.update(attempts=1, claimed_until=timezone.now() + timedelta(minutes=1))
        send_webhooks()
        assert receiver.got == []
        WebhookDelivery.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
        send_webhooks()
        assert receiver.events() == ["asset.approved"]

    def test_switched_off_its_messages_wait(self, receiver: Receiver) -> None:
        row = endpoint(receiver.url, WebhookEvent.APPROVED)
        AssetFactory()
        row.active = False
        webhooks.save(row, actor=None)
        send_webhooks()
        assert receiver.got == []
        row.active = True
        webhooks.save(row, actor=None)
        send_webhooks()
        assert receiver.events() == ["asset.approved"]

    def test_old_messages_are_forgotten_and_dead_ones_kept(self, receiver: Receiver) -> None:
        row = endpoint(receiver.url)
        old = timezone.now() - timedelta(days=31)
        for state, when in (("delivered", old), ("delivered", timezone.now()), ("dead", None)):
            delivery = webhooks.send_test(row, actor=None)
            WebhookDelivery.objects.filter(pk=delivery.pk).update(state=state, delivered_at=when, created=old)
        sweep_webhooks()
        assert sorted(WebhookDelivery.objects.values_list("state", flat=True)) == ["dead", "delivered"]


def certificate(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "receiver.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


class TestAddresses:
    def test_certificates_are_checked(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.DAM_WEBHOOK_ALLOW_PRIVATE = True
        file = certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server, receiver = serve(context)
        webhooks.send_test(endpoint(receiver.url), actor=None)
        send_webhooks()
        assert "certificate" in WebhookDelivery.objects.get().last_error
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        make_due()
        send_webhooks()
        server.shutdown()
        server.server_close()
        assert WebhookDelivery.objects.get().state == DeliveryState.DELIVERED
        assert receiver.events() == ["webhook.test"]

    @pytest.mark.parametrize(
        "url",
        [
            "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/", "https://[::1]/",
            "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
            "https://[fec0::1]/", "https://[feff::1]/", "https://[::7f00:1]/", "https://[::10.0.0.1]/",
            "https://0.0.0.0/", "https://224.0.0.1/", "https://100.64.0.1/", "http://example.com/",
            "ftp://example.com/", "https://me:secret@example.com/", "https:///hook", "https://a b/",
            "https://example.com:99999/",
        ],
    )  # fmt: skip
    def test_refused_from_the_start(self, admin_api: APIClient, url: str) -> None:
        with pytest.raises(AddressRefused):
            endpoint(url)
        answer = admin_api.post(ADDRESS, {"name": "x", "url": url, "events": ["asset.changed"]}, "json")
        assert answer.status_code == 400
        assert "url" in answer.json()["errors"]
        assert not WebhookEndpoint.objects.exists()

    def test_a_name_that_leads_to_a_private_address_gets_nothing(
        self, receiver: Receiver, settings: Settings
    ) -> None:
        settings.DAM_WEBHOOK_ALLOW_PRIVATE = False
        port = receiver.url.rsplit(":", 1)[1].split("/")[0]
        endpoint(f"https://localhost:{port}/hook", WebhookEvent.APPROVED)
        AssetFactory()
        send_webhooks()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.attempts, receiver.got) == (DeliveryState.PENDING, 1, [])
        assert "not a public address" in delivery.last_error

    @pytest.mark.parametrize(
        "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::ffff:7f00:1]"]
    )
    def test_other_ways_to_write_a_private_address_lead_nowhere(
        self, receiver: Receiver, settings: Settings, host: str
    ) -> None:
        settings.DAM_WEBHOOK_ALLOW_PRIVATE = False
        port = receiver.url.rsplit(":", 1)[1].split("/")[0]
        answer = webhook_http.post(f"https://{host}:{port}/hook", b"{}", {})
        assert (answer.status, receiver.got) == (None, [])
        assert "not a public address" in answer.problem

    def test_a_name_that_changes_after_it_was_checked_leads_to_where_it_was_checked(
        self, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DNS rebinding: the second answer is the private one. It is never asked for."""
        settings.DAM_WEBHOOK_ALLOW_PRIVATE = False
        answers = iter(["93.184.216.34", "127.0.0.1"])
        asked: list[str] = []
        connected: list[str] = []

        def resolve(host: str, port: int, **more: Any) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

        def connect(self: socket.socket, place: tuple[str, int]) -> None:
            connected.append(place[0])
            raise ConnectionRefusedError("nobody there")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", connect)
        answer = webhook_http.post("https://rebinding.example.com/hook", b"{}", {})
        assert (answer.status, asked, connected) == (None, ["rebinding.example.com"], ["93.184.216.34"])
        assert receiver.got == []


class TestRest:
    def test_the_secret_is_shown_once(self, admin_api: APIClient, administrator: User) -> None:
        given = {"name": "Shop", "url": PUBLIC, "events": ["asset.approved", "asset.approved"]}
        made = admin_api.post(ADDRESS, given, "json")
        assert made.status_code == 201, made.content
        body = made.json()
        assert body["secret"].startswith("whsec_")
        assert (body["events"], body["created_by"]) == (["asset.approved"], administrator.username)
        one = f"{ADDRESS}{body['id']}/"
        assert "secret" not in admin_api.get(one).json()
        assert "secret" not in admin_api.get(ADDRESS).json()["results"][0]
        rotated = admin_api.post(f"{one}rotate-secret/").json()["secret"]
        assert rotated != body["secret"]
        changed = admin_api.patch(one, {"active": False}, "json").json()
        assert (changed["active"], changed["name"]) == (False, "Shop")
        assert WebhookEndpoint.objects.get().secret == rotated
        assert admin_api.delete(one).status_code == 204
        actions = AuditEntry.objects.filter(target_type="webhookendpoint").values_list("action", flat=True)
        assert set(actions) == {
            "webhook.created", "webhook.secret_rotated", "webhook.updated", "webhook.deleted"
        }  # fmt: skip
        assert not AuditEntry.objects.filter(details__icontains="whsec_").exists()

    @pytest.mark.parametrize("events", [[], ["asset.painted"], "asset.changed"])
    def test_unknown_events_are_refused(self, admin_api: APIClient, events: Any) -> None:
        answer = admin_api.post(ADDRESS, {"name": "x", "url": PUBLIC, "events": events}, "json")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["events"])

    def test_a_test_and_its_delivery(self, admin_api: APIClient, receiver: Receiver) -> None:
        one = f"{ADDRESS}{endpoint(receiver.url).pk}/"
        sent = admin_api.post(f"{one}test/")
        assert sent.status_code == 202
        number = sent.json()["id"]
        waiting = admin_api.post(f"{one}deliveries/{number}/replay/")
        assert (waiting.status_code, waiting.json()["code"]) == (409, "pending")
        send_webhooks()
        (shown,) = admin_api.get(f"{one}deliveries/", {"state": "delivered"}).json()["results"]
        assert (shown["event"], shown["state"], shown["last_status"]) == ("webhook.test", "delivered", 200)
        assert admin_api.get(f"{one}deliveries/", {"state": "dead"}).json()["results"] == []
        assert admin_api.get(f"{one}deliveries/", {"state": "odd"}).status_code == 400
        other = endpoint(receiver.url)
        assert admin_api.post(f"{ADDRESS}{other.pk}/deliveries/{number}/replay/").status_code == 404

    def test_deliveries_come_by_pages(self, admin_api: APIClient) -> None:
        row = endpoint()
        for _ in range(3):
            webhooks.send_test(row, actor=None)
        page = admin_api.get(f"{ADDRESS}{row.pk}/deliveries/", {"limit": 2}).json()
        rest = admin_api.get(page["next"]).json()
        assert (len(page["results"]), len(rest["results"])) == (2, 1)

    def test_only_administrators(self, api: APIClient, reviewer: User, stranger: User) -> None:
        one = f"{ADDRESS}{endpoint().pk}/"
        assert api.get(ADDRESS).status_code in (401, 403)
        for somebody in (reviewer, stranger):
            api.force_authenticate(somebody)
            for address in (ADDRESS, one, f"{one}deliveries/"):
                assert api.get(address).status_code == 403
            for address in (ADDRESS, f"{one}test/", f"{one}rotate-secret/", f"{one}deliveries/1/replay/"):
                assert api.post(address, {}, "json").status_code == 403
        assert not WebhookDelivery.objects.exists()


def assert_shown_once(page: Any, row: WebhookEndpoint) -> None:
    """In an answer that nothing keeps, and not in the cookie that holds messages until they are read."""
    assert page.status_code == 200
    assert row.secret.encode() in page.content
    assert "no-store" in page["Cache-Control"]
    kept = page.cookies.get("messages")
    assert kept is None or kept.value == ""


class TestAdmin:
    def test_made_tested_and_sent_again(
        self, client: Client, administrator: User, receiver: Receiver
    ) -> None:
        client.force_login(administrator)
        listing = reverse("admin:dam_webhookendpoint_changelist")
        form = {"name": "Shop", "url": receiver.url, "events": ["asset.approved"], "active": "on"}
        page = client.post(reverse("admin:dam_webhookendpoint_add"), form)
        row = WebhookEndpoint.objects.get()
        assert_shown_once(page, row)
        assert row.secret.encode() not in client.get(listing).content
        assert (
            row.secret.encode()
            not in client.get(reverse("admin:dam_webhookendpoint_change", args=[row.pk])).content
        )
        client.post(listing, {"action": "send_test", "_selected_action": [row.pk]})
        send_webhooks()
        delivery = WebhookDelivery.objects.get()
        messages = reverse("admin:dam_webhookdelivery_changelist")
        assert delivery.message_id in client.get(messages, {"state__exact": "delivered"}).content.decode()
        assert delivery.message_id not in client.get(messages, {"state__exact": "dead"}).content.decode()
        message = client.get(reverse("admin:dam_webhookdelivery_change", args=[delivery.pk]))
        assert "Delivered" in message.content.decode()
        assert "(&#x27;delivered&#x27;" not in message.content.decode()
        client.post(messages, {"action": "send_again", "_selected_action": [delivery.pk]})
        send_webhooks()
        assert receiver.events() == ["webhook.test"] * 2
        page = client.post(listing, {"action": "rotate_secret", "_selected_action": [row.pk]})
        before, row = row.secret, WebhookEndpoint.objects.get()
        assert row.secret != before
        assert_shown_once(page, row)
        assert row.secret.encode() not in client.get(listing).content
        client.post(reverse("admin:dam_webhookendpoint_delete", args=[row.pk]), {"post": "yes"})
        assert not WebhookEndpoint.objects.exists()

    def test_an_address_that_is_refused_is_said_at_its_field(
        self, client: Client, administrator: User
    ) -> None:
        client.force_login(administrator)
        form = {"name": "Shop", "url": "https://10.0.0.1/", "events": ["asset.approved"]}
        page = client.post(reverse("admin:dam_webhookendpoint_add"), form)
        assert "not a public address" in page.content.decode()
        assert not WebhookEndpoint.objects.exists()

    def test_only_administrators(self, client: Client, reviewer: User, administrator: User) -> None:
        row = endpoint()
        client.force_login(reviewer)
        for name in ("dam_webhookendpoint", "dam_webhookdelivery"):
            assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403
        change = reverse("admin:dam_webhookendpoint_change", args=[row.pk])
        assert client.post(change, {"name": "Mine"}).status_code == 403
        listing = reverse("admin:dam_webhookendpoint_changelist")
        assert listing not in client.get(reverse("admin:index")).content.decode()
        client.force_login(administrator)
        assert listing in client.get(reverse("admin:index")).content.decode()
        assert Asset.objects.count() == 0

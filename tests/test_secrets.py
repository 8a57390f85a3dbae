"""Secrets stay where they belong: in no log, however much is logged, in no audit entry and on no page."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from dam import api_keys, sharing
from dam.models import AuditEntry, Scope, ShareLink, WebhookEndpoint
from dam.tasks import send_webhooks
from generation.providers.base import ProviderRequest, Refused, Transient
from generation.providers.openai_images import OpenAIImagesProvider
from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder
from tests.clients import api_of
from tests.factories import PASSWORD, AdministratorFactory, AssetFactory, CollectionFactory
from tests.search import vendor_server as vendor
from tests.search.vendor_server import KEY, VendorServer
from tests.webhook_receiver import serve

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("space_of_nothing")]
WRONG, SHARED, SHARED_WRONG = "zqwrongpassword1", "zqsharedpassword2", "zqsharedwrong3"


@pytest.fixture
def space_of_nothing(db: None) -> None:
    from search.models import Space, SpaceState

    Space.objects.create(
        slug="none", encoder="none", weights="none", dimension=8, collection="none", state=SpaceState.LIVE
    )


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger writes all that it has, also those that keep it for themselves."""
    names = {*logging.root.manager.loggerDict, "PIL", "django.template"}
    before = {}
    for name in names:
        logger = logging.getLogger(name)
        before[logger] = (logger.level, logger.propagate)
        # Megabytes about single pixels, and about what a template does not find.
        quiet = name.startswith(("PIL", "asyncio", "django.template"))
        logger.setLevel(logging.INFO if quiet else logging.DEBUG)
        logger.propagate = True
    caplog.set_level(logging.DEBUG)
    yield caplog
    for logger, (level, propagate) in before.items():
        logger.setLevel(level)
        logger.propagate = propagate


def sign_ins(user: User, secrets: set[str]) -> None:
    """Right and wrong passwords, in the form and on a share link."""
    client = Client()
    for password in (WRONG, PASSWORD):
        client.post(reverse("admin:login"), {"username": user.username, "password": password})
    expires = timezone.now() + timedelta(days=1)
    link = sharing.create(CollectionFactory(), actor=user, expires_at=expires, password=SHARED)
    for password in (SHARED_WRONG, SHARED):
        Client().post(reverse("share-unlock", args=(link.token,)), {"password": password})
    secrets |= {WRONG, PASSWORD, SHARED, SHARED_WRONG, ShareLink.objects.get().password}


def programs(user: User, secrets: set[str]) -> None:
    """API keys and tokens, right and wrong, also where they do not belong."""
    _key, secret = api_keys.create("zq", user, [Scope.READ], actor=user)
    token = Token.objects.create(user=user).key
    for shown in (f"Bearer {secret}", f"Token {token}", "Bearer atl_zqnokey4", "Token zqnotoken5"):
        program = APIClient(raise_request_exception=False)
        program.credentials(HTTP_AUTHORIZATION=shown)
        for method, address in (("get", "assets/"), ("post", "assets/"), ("get", "nowhere/")):
            getattr(program, method)(f"/api/v1/{address}")
    secrets |= {secret, token, "zqnokey4", "zqnotoken5"}


def webhooks(user: User, secrets: set[str]) -> None:
    """A message that arrives and one that does not, and a new secret."""
    server, receiver = serve()
    try:
        made = api_of(user).post(
            "/api/v1/webhooks/", {"name": "zq", "url": receiver.url, "events": ["asset.changed"]}, "json"
        )
        assert made.status_code == 201, made.content
        AssetFactory(title="told")
        send_webhooks()
    finally:
        server.shutdown()
        server.server_close()
    AssetFactory(title="told in vain")
    send_webhooks()
    rotated = api_of(user).post(f"/api/v1/webhooks/{made.json()['id']}/rotate-secret/").json()["secret"]
    secrets |= {made.json()["secret"], rotated, WebhookEndpoint.objects.get().secret}


def vendors(settings: Any, secrets: set[str]) -> None:
    """Calls that are answered and calls that are refused, with the keys of three vendors."""
    with VendorServer() as running:
        settings.OPENAI_API_KEY = settings.DASHSCOPE_API_KEY = settings.GEMINI_API_KEY = KEY
        settings.OPENAI_BASE_URL, settings.GEMINI_BASE_URL = f"{running.url}/v1", running.url
        settings.DASHSCOPE_BASE_URL = f"{running.url}/dashscope/api/v1"
        for name in ("openai", "dashscope", "gemini"):
            get_encoder(name).encode_images([Image.new("RGB", (32, 32), "red")])
            running.always[name] = vendor.failing(401, "InvalidApiKey")
            with pytest.raises(EncoderError):
                get_encoder(name).encode_texts([f"something for {name}"])
        options = {"api_key": KEY, "base_url": f"{running.url}/nothing", "model": "x", "timeout_seconds": 5}
        with pytest.raises((Refused, Transient)):
            OpenAIImagesProvider(**options).generate(ProviderRequest("zq", [], {}, "cell-1", None))
    secrets.add(KEY)


def test_no_secret_is_logged_audited_or_shown(
    settings: Any, everything_logged: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DAM_WEBHOOK_ALLOW_PRIVATE = True
    user = AdministratorFactory(username="zqkeeper")
    secrets = {settings.SECRET_KEY}
    sign_ins(user, secrets)
    programs(user, secrets)
    webhooks(user, secrets)
    vendors(settings, secrets)
    with suppress(CommandError):  # it may find something
        call_command("doctor")

    assert len(secrets) >= 13 and all(len(secret) > 7 for secret in secrets)
    records = everything_logged.records
    # What is logged was logged: also the vendors' own libraries, and the request that was refused.
    assert {"django.request", "openai._base_client"} <= {record.name for record in records}
    audited = list(AuditEntry.objects.values_list("action", flat=True))
    assert {"collection.shared", "api_key.created", "webhook.created"} <= set(audited)
    client = Client()
    client.force_login(user)
    told = {
        "a log": "\n".join(everything_logged.handler.format(record) for record in records),
        "the arguments of a log": "\n".join(repr(record.__dict__) for record in records),
        "the audit log": json.dumps(list(AuditEntry.objects.values("action", "target_id", "details"))),
        "the terminal": "".join(capsys.readouterr()),
        **{
            address: client.get(address).content.decode()
            for address in map(
                reverse,
                ("admin:dam_auditentry_changelist", "admin:dam_apikey_changelist",
                 "admin:dam_webhookendpoint_changelist", "admin:dam_webhookdelivery_changelist"),
            )
        },
    }  # fmt: skip
    for where, words in told.items():
        for secret in secrets:
            assert secret not in words, f"{secret[:6]}… is in {where}"


@pytest.mark.parametrize("written", ["line", "json"])
def test_a_traceback_in_the_log_shows_no_values(written: str) -> None:
    code = """
import logging
def sign_in(password):
    raise ValueError("it failed")
try:
    sign_in("zqsecretvalue" + "4")
except ValueError:
    logging.getLogger("dam").exception("not signed in")
"""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", code],
        cwd=settings.BASE_DIR,
        env={**os.environ, "LOG_FORMAT": written},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "not signed in" in done.stderr
    assert "sign_in" in done.stderr, "where it failed is said"
    assert "it failed" in done.stderr
    assert "zqsecretvalue4" not in done.stderr

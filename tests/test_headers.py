"""What browsers are told with every answer, and that production settings leave nothing to warn of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dam import sharing
from dam.addresses import original_url, rendition_url
from tests.factories import AssetFactory, CollectionFactory

PAGE = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:",
    "font-src 'self'", "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'",
    "base-uri 'none'",
}  # fmt: skip
FILE = {"default-src 'none'", "sandbox"}
# A script or a style within the page, or what runs one when something happens.
WITHIN = re.compile(r"<script(?![^>]*\bsrc=)|<style|<[^>]*\s(?:style|on[a-z]+)=|javascript:", re.IGNORECASE)


@pytest.mark.django_db
@pytest.mark.usefixtures("own_storage")
def test_every_answer_tells_browsers_what_they_may_do_with_it(administrator: User) -> None:
    asset = AssetFactory(title="Hat")
    collection = CollectionFactory()
    collection.items.create(asset=asset, position=0)
    link = sharing.create(
        collection, actor=administrator, expires_at=timezone.now() + timedelta(days=1), password="open sesame"
    )
    somebody, staff = Client(raise_request_exception=False), Client()
    staff.force_login(administrator)
    pages = {
        reverse("admin:login"): somebody,
        "/nowhere/": somebody,
        "/storefront/": somebody,
        f"/share/{link.token}/": somebody,
        "/api/v1/assets/": somebody,
        "/api/v1/nowhere/": somebody,
        reverse("admin:index"): staff,
        reverse("admin:dam_asset_changelist"): staff,
        reverse("admin:dam_asset_change", args=(asset.pk,)): staff,
        reverse("admin:account_security"): staff,
    }
    for address, client in pages.items():
        answer = client.get(address)
        assert set(answer["Content-Security-Policy"].split("; ")) == PAGE, address
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer["Referrer-Policy"] == "same-origin", address
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", address
        assert answer["X-Frame-Options"] == "DENY", address
        assert "camera=()" in answer["Permissions-Policy"], address
        if answer["Content-Type"].startswith("text/html"):
            assert WITHIN.search(answer.content.decode()) is None, address
    somebody.post(reverse("share-unlock", args=(link.token,)), {"password": "open sesame"})
    for address in (
        rendition_url(asset, "thumbnail"),
        rendition_url(asset, "web"),
        original_url(asset),
        f"/share/{link.token}/{asset.public_id}/thumbnail/",
        f"/share/{link.token}/{asset.public_id}/original/",
    ):
        answer = somebody.get(address)
        assert answer.status_code == 200, address
        assert set(answer["Content-Security-Policy"].split("; ")) == FILE, address
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer.get("Content-Disposition", "").startswith("attachment") == ("original" in address), (
            address
        )


def test_production_settings_leave_nothing_to_warn_of(tmp_path: Path) -> None:
    # Tests with a browser set that one for their process.
    given = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    production = {
        **given,
        "ATELIER_DATA": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}",
        "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "ALLOWED_HOSTS": "dam.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://dam.example.com",
        "DEBUG": "false",
        "HTTPS": "true",
        "BEHIND_PROXY": "true",
    }

    def check(**changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            cwd=settings.BASE_DIR, env=production | changes, capture_output=True, text=True, timeout=240,
        )  # fmt: skip

    clean = check()
    assert clean.returncode == 0, clean.stderr
    plain = check(HTTPS="false")
    assert plain.returncode != 0 and "security.W012" in plain.stderr

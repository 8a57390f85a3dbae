"""What people do in every journey: sign in, tick rows, choose what is done to them, take a file home."""

from __future__ import annotations

import re
from pathlib import Path

from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.factories import PASSWORD
from tests.services.processes import Web


def sign_in(page: Page, web: Web, user: User, to: str = "/admin/") -> None:
    """Sign in at the site's own form and go on to this address; needs the fixture `real_passwords`."""
    page.goto(f"{web.url}/admin/login/?next={to}")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click()
    page.wait_for_url(lambda url: "login" not in url)  # and for its scripts


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def run_action(page: Page, label: str) -> None:
    """Do this to the rows that are ticked."""
    page.locator("select[name=action]").select_option(label=label)
    page.get_by_role("button", name="Run", exact=True).click()


def downloaded(page: Page, role: str, name: str | re.Pattern[str]) -> Path:
    """The file that a link or button gives."""
    with page.expect_download() as download:
        page.get_by_role(role, name=name).click()  # type: ignore[arg-type]
    return Path(download.value.path())

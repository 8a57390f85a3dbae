"""A headless Chromium that notices every error that a page reports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Response,
    expect,
    sync_playwright,
)
from pytest_django import Settings

from tests.services.processes import Web

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
def _playwright() -> Iterator[Playwright]:
    # Playwright runs an event loop in this thread, in which Django would refuse to ask the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def browser(_playwright: Playwright) -> Iterator[Browser]:
    """The machine's Chromium, or the one that `playwright install chromium` fetched."""
    installed = next((path for command in COMMANDS if (path := shutil.which(command))), None)
    program = installed or _playwright.chromium.executable_path
    if not Path(program).exists():
        pytest.skip(f"no browser: neither {', '.join(COMMANDS)} nor Playwright's own Chromium is installed")
    browser = _playwright.chromium.launch(executable_path=program, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def real_passwords(transactional_db: None, settings: Settings) -> None:
    """Accounts made from here on can sign in: the site, another process, knows Django's own hashes only."""
    settings.PASSWORD_HASHERS = [f"{PBKDF2PasswordHasher.__module__}.{PBKDF2PasswordHasher.__qualname__}"]


@pytest.fixture
def page(browser: Browser, web: Web) -> Iterator[Page]:
    """An empty page; at the end it must have had no error and no failed request.

    It is closed before the site ends, which would cut off what is still loading.
    """
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    problems: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(f"{page.url}: {message.type}: {message.text}")

    def note_exception(error: Error) -> None:
        problems.append(f"{page.url}: {error}")

    def note_answer(answer: Response) -> None:
        if answer.status >= 400:
            problems.append(f"{page.url}: {answer.request.method} {answer.url} gave {answer.status}")

    page.on("console", note_message)
    page.on("pageerror", note_exception)
    page.on("response", note_answer)
    yield page
    context.close()
    assert problems == []

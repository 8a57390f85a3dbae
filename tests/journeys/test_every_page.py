"""Every page of the site in a browser: accessible (WCAG 2.2 AA), without an error, steady, in its language.

The pages are those of the permission matrix that open for a superuser, with a library and without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser

from tests.factories import AdministratorFactory
from tests.journeys.pages_seen import Look, Visitor
from tests.permissions import files, pages
from tests.permissions.rest import rows
from tests.permissions.world import ADMINISTRATOR, World, build
from tests.services.processes import Web

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.timeout(1500)]

# Together they have both widths, both themes and both languages; LOOKS=all has the rest too.
LOOKS = [Look(1440, "light", "en"), Look(390, "dark", "zh")]
if os.environ.get("LOOKS") == "all":
    LOOKS += [Look(1440, "dark", "zh"), Look(390, "light", "en")]
# Of an asset's states each has another page; of what else there are several, one is looked at.
STATES = ("shown", "made", "revised", "trashed", "hidden")
# Pages that are as empty with a library as without.
ALWAYS_THE_SAME = ("_add", "password_change", "password_change_done", "_import")
# Words of the library that the interface has too; and each language calls itself by its own name.
CONTENTS = frozenset({"English", "Model", "cost", "next"})


def test_every_page_is_accessible_and_steady_and_in_its_language(
    transactional_db: None, browser: Browser, web: Web, index_now: Any
) -> None:
    problems: list[str] = []
    somebody = Client()
    somebody.force_login(AdministratorFactory())
    problems += seen(browser, web, somebody, dict(pages_of(World({}, {}), somebody)), "empty", LOOKS[1:])

    world = build()
    index_now()
    user = world.people[ADMINISTRATOR]
    user.is_superuser = True
    user.save()
    found = dict(pages_of(world, world.sessions[ADMINISTRATOR]))
    assert len(found) > 120
    problems += seen(browser, web, world.sessions[ADMINISTRATOR], found, "")
    problems += seen(browser, web, Client(), dict(public_pages(world)), "public")
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems)


def seen(
    browser: Browser, web: Web, client: Client, found: dict[str, str], what: str, looks: list[Look] = LOOKS
) -> list[str]:
    """What is wrong with these pages, in these looks."""
    problems: list[str] = []
    for look in looks:
        cookies = [
            {"name": cookie.key, "value": cookie.value, "url": web.url} for cookie in client.cookies.values()
        ]
        visitor = Visitor(browser, look, cookies, CONTENTS)
        for name, address in found.items():
            visitor.open(f"{name} {what}".strip(), f"{web.url}{address}")
        visitor.close()
        problems += visitor.problems
    return problems


def pages_of(world: World, client: Client) -> Iterator[tuple[str, str]]:
    """The pages of the admin that open, by their names; those about a thing only where there are things."""
    named = {
        f"{row.path} {row.what if row.what in STATES else ''}".strip(): (row.path, row.thing)
        for row in reversed(rows(pages.PAGES, "GET"))
        if world.things or (row.what == "-" and not row.path.endswith(ALWAYS_THE_SAME))
    }
    for name, (path, thing) in named.items():
        address = pages.address(world, path, thing)
        if is_document(client.get(address)):
            yield name, address
    for address in pages.asked(world) if world.things else ():
        if is_document(client.get(address)):
            yield address, address


def public_pages(world: World) -> Iterator[tuple[str, str]]:
    """The pages that need no account, and the one that says that there is none."""
    client = Client(raise_request_exception=False)
    for row in rows(files.FILES, "GET"):
        address = files.address(world, row.path, row.what)
        if is_document(client.get(address)):
            yield f"{row.path} {row.what}", address
    yield "login", reverse("admin:login")
    yield "nowhere", "/nowhere/"


def is_document(response: HttpResponseBase) -> bool:
    """A whole page that somebody is shown: no file, no part of a page, no way elsewhere."""
    if response.status_code in (301, 302) or response.streaming:
        return False
    opens = response.status_code in (200, 401)
    return opens and response["Content-Type"].startswith("text/html") and b"<html" in response.content

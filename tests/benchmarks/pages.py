"""How soon a search shows its first picture in a browser, on the demo's library as `make run` serves it."""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright
from tqdm import tqdm

from tests.benchmarks.rows import RESULTS, ROOT, Row, report
from tests.environment import ALWAYS, EMBEDDED
from tests.journeys.conftest import COMMANDS, FLAGS
from tests.services.children import free_ports

SEARCH = "/admin/search/space/find/?q="
FLOOR = "/bench/pictures"
# Words that the site has not been asked before, each once with an empty browser and then again.
WORDS = (
    "golden crown", "red dress", "running shoe", "a vampire", "snow mountain", "umbrella",
    "金色手表", "雪山", "红色连衣裙", "一位精灵弓箭手", "帽子", "眼镜",
)  # fmt: skip
PICTURES = 12  # on the floor's page, as many as the search page fetches at once
READY_SECONDS, PAINT_MS = 120, 20_000
# The first picture of a result says when it was painted, in ms since the navigation began.
WATCH = """
window.painted = new Promise((done) => {
  const observer = new PerformanceObserver((list) => done(list.getEntries()[0].renderTime));
  observer.observe({ type: "element", buffered: true });
});
new MutationObserver((_changes, observer) => {
  const picture = document.querySelector(".at-card__picture");
  if (!picture) return;
  picture.setAttribute("elementtiming", "first");
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


def run() -> None:
    """Searches and a page of nothing but the same pictures, in turns, with an empty cache and a full one."""
    data = RESULTS / "sample"  # kept: the demo does nothing twice
    places = {"ATELIER_DATA": str(data), "DATABASE_URL": f"sqlite:///{data / 'atelier.sqlite3'}"}
    environment = {**os.environ, **ALWAYS, **EMBEDDED, **places}
    subprocess.run([sys.executable, "manage.py", "demo"], cwd=ROOT, env=environment, check=True)
    os.environ |= environment
    with _account() as (name, password), _site(environment) as root, sync_playwright() as playwright:
        program = next((path for command in COMMANDS if (path := shutil.which(command))), None)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        found = _times(browser, root, name, password)
        browser.close()
    rows = []
    for cache in ("cold", "warm"):
        for figure, place in (("p50", 9), ("p95", 18)):
            ours, floor = (
                round(statistics.quantiles(found[f"{what}_{cache}"], n=20, method="inclusive")[place], 1)
                for what in ("search", "floor")
            )
            name = f"pages.search_first_picture_{cache}_{figure}"
            rows.append(Row(f"{name}_ms", ours, "ms", "a page of nothing but the same pictures", floor))
    about = (
        "From the navigation to a search until its first picture is painted, in headless Chromium at "
        f"1440 × 900, on the demo's library as `make run` serves it: {len(WORDS)} searches in en and zh. "
        "Cold: an empty browser cache and words that nobody has asked before; warm: the same once more. The "
        "peer is a page without scripts and styles that holds the same pictures, in turns on the same site."
    )
    report("pages", about, rows)


def _times(browser: Browser, root: str, name: str, password: str) -> dict[str, list[float]]:
    """ms by page and cache, one for each search."""
    state = _signed_in(browser, root, name, password)
    found: dict[str, list[float]] = {
        f"{what}_{cache}": [] for what in ("search", "floor") for cache in ("cold", "warm")
    }
    _opened(browser, state).goto(root + SEARCH + "warm-up")  # one page before, as on any day at work
    for words in tqdm(WORDS, "Searches"):
        page = _opened(browser, state)
        for cache in ("cold", "warm"):
            found[f"search_{cache}"].append(_first_picture(page, root + SEARCH + quote(words)))
        pictures = page.locator(".at-card__picture").evaluate_all("all => all.map((one) => one.src)")
        page.context.close()

        page = _opened(browser, state)
        _answer_with(page, root + FLOOR, pictures[:PICTURES])
        for cache in ("cold", "warm"):
            found[f"floor_{cache}"].append(_first_picture(page, root + FLOOR))
        page.context.close()
    return found


def _opened(browser: Browser, state: Any) -> Page:
    """A page of a browser that has nothing but the session."""
    context: BrowserContext = browser.new_context(
        storage_state=state, viewport={"width": 1440, "height": 900}, locale="en-GB"
    )
    context.add_init_script(WATCH)
    return context.new_page()


def _answer_with(page: Page, address: str, pictures: list[str]) -> None:
    """Nothing but these pictures at this address."""
    shown = "".join(f'<img class="at-card__picture" src="{picture}" height="200">' for picture in pictures)

    def answer(route: Route) -> None:
        route.fulfill(body=f"<!doctype html>{shown}", content_type="text/html")

    page.route(address, answer)


def _first_picture(page: Page, address: str) -> float:
    page.goto("about:blank")
    page.set_default_timeout(PAINT_MS)
    page.goto(address, wait_until="commit")
    painted = float(page.evaluate("() => window.painted"))
    page.wait_for_load_state("networkidle")
    return painted


def _signed_in(browser: Browser, root: str, name: str, password: str) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{root}/admin/login/")
    page.locator("#id_username").fill(name)
    page.locator("#id_password").fill(password)
    page.locator("#id_password").press("Enter")
    page.wait_for_url(lambda url: "login" not in url)
    state = context.storage_state()
    context.close()
    return state


@contextmanager
def _account() -> Iterator[tuple[str, str]]:
    """Name and password of an administrator who exists for now."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    import django

    django.setup()
    from django.contrib.auth.models import User

    password = secrets.token_urlsafe(16)
    user = User.objects.create_superuser(f"bench-{secrets.token_hex(4)}", password=password)
    try:
        yield user.username, password
    finally:
        user.delete()


@contextmanager
def _site(environment: dict[str, str]) -> Iterator[str]:
    """What `make run` starts, with a worker, until the block ends."""
    (port,) = free_ports(1)
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            if requests.get(address, timeout=10).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"{address} did not answer in {READY_SECONDS} s")

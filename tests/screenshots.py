"""`python -m tests.screenshots`: the guide's pictures, of the demo's library, in both languages.

Run `make demo` first. The pictures go to docs/screenshots/en and docs/screenshots/zh, small enough for a
repository. Nothing of the library is changed but for an account that exists while they are made.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import django
import requests
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

from tests.journeys.conftest import COMMANDS, FLAGS
from tests.services.children import free_ports
from tests.services.processes import eventually

ROOT = Path(__file__).resolve().parent.parent
TO = ROOT / "docs" / "screenshots"
WIDE, NARROW = (1440, 900), (390, 844)
SHOWN = {WIDE: 960, NARROW: 390}  # pixels that a page of that width gets in the guide
QUALITY = 70
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}


@dataclass(frozen=True)
class Shot:
    """A page of the guide; `zh` is its address where the Chinese reader asks with other words."""

    name: str
    address: str
    zh: str = ""
    size: tuple[int, int] = WIDE
    dark: bool = False


def shots() -> list[Shot]:
    """What the guide shows, with the addresses that this library's rows have."""
    from dam.models import Asset, AssetKind, AssetOrigin, AssetState
    from generation.models import GenerationItem, GenerationJob, ItemState, JobKind

    search, studio = "/admin/search/space/find/", "/admin/generation/studio/"
    made = Asset.objects.filter(origin=AssetOrigin.GENERATED).earliest("pk")
    job = GenerationJob.objects.filter(kind=JobKind.OUTFITS).earliest("pk")
    item = GenerationItem.objects.filter(job=job, state=ItemState.SUCCEEDED).earliest("pk")
    library = Asset.objects.filter(state=AssetState.APPROVED).order_by("pk")
    chosen = [*library.filter(kind=AssetKind.MODEL)[:3], *library.filter(kind=AssetKind.GARMENT)[:4]]
    plan = f"{studio}?kind=outfits&assets={','.join(str(asset.public_id) for asset in chosen)}"
    return [
        Shot("overview", "/admin/"),
        Shot("search", f"{search}?q=red+dress", f"{search}?q=红色连衣裙"),
        Shot("search-not", f"{search}?q=hat+without+ribbon", f"{search}?q=不要丝带的帽子"),
        Shot("search-narrow", f"{search}?q=golden+crown", f"{search}?q=金色皇冠", NARROW, dark=True),
        Shot("assets", "/admin/dam/asset/?kind=garment"),
        Shot("asset", f"/admin/dam/asset/{made.pk}/change/"),
        Shot("upload", "/admin/dam/asset/upload/"),
        Shot("import", "/admin/dam/import/add/"),
        Shot("studio", studio),
        Shot("plan", plan),
        Shot("job", f"/admin/generation/generationjob/{job.pk}/change/"),
        Shot("review", "/admin/generation/review/"),
        Shot("look", f"/admin/generation/review/{item.public_id}/"),
        Shot("review-narrow", "/admin/generation/review/", size=NARROW, dark=True),
        Shot("coverage", "/admin/dam/sku/coverage/"),
        Shot("storefront", "/storefront/?q=red+dress", "/storefront/?q=红色连衣裙"),
    ]


@contextmanager
def site() -> Iterator[str]:
    """The site on a port of its own."""
    (port,) = free_ports(1)
    command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}", "--noreload"]
    environment = {**os.environ, "DEBUG": "true", "PORT": str(port), "THROTTLE_ANON": "1000/min"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).ok
        except requests.RequestException:
            return False

    try:
        eventually(answers, "the site answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def account() -> Iterator[tuple[str, str]]:
    """Name and password of an administrator who exists for now."""
    from django.contrib.auth.models import User

    password = secrets.token_urlsafe(16)
    user = User.objects.create_superuser(f"guide-{secrets.token_hex(4)}", password=password, first_name="Lin")
    try:
        yield user.username, password
    finally:
        user.delete()


def take(page: Page, address: str, size: tuple[int, int], to: Path) -> None:
    """The page's first screen, once it stands still."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)
    picture = Image.open(BytesIO(page.screenshot()))
    width = SHOWN[size]
    picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS).save(
        to, "WEBP", quality=QUALITY, method=6
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    django.setup()
    from dam.models import Asset

    if not Asset.objects.exists():
        sys.exit("The library is empty. Run `make demo` first.")
    program = next((path for command in COMMANDS if (path := shutil.which(command))), None)
    wanted = shots()
    with site() as root, account() as (name, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        bar = tqdm(total=len(wanted) * len(LANGUAGES), unit=" pages", disable=None)
        for language, locale in LANGUAGES.items():
            (TO / language).mkdir(parents=True, exist_ok=True)
            for size, dark in sorted({(shot.size, shot.dark) for shot in wanted}):
                context = browser.new_context(
                    locale=locale,
                    viewport={"width": size[0], "height": size[1]},
                    color_scheme="dark" if dark else "light",
                )
                page = context.new_page()
                page.goto(f"{root}/admin/login/")
                page.locator("#id_username").fill(name)
                page.locator("#id_password").fill(password)
                page.locator("#id_password").press("Enter")
                page.wait_for_url(lambda url: "login" not in url)
                for shot in wanted:
                    if (shot.size, shot.dark) == (size, dark):
                        address = (shot.zh if language == "zh" else "") or shot.address
                        take(page, root + address, size, TO / language / f"{shot.name}.webp")
                        bar.update()
                context.close()
        bar.close()
        browser.close()


if __name__ == "__main__":
    main()

"""The list of a million assets: opened, filtered, searched and paged, beside Wagtail's list of images."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import time
import venv
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tests.benchmarks.library import MILLION, TAGS, dress, fill, postgres
from tests.benchmarks.rows import RESULTS, Row, report
from tests.services.servers import Postgres

TIMES = 40  # each page
SEED = 20261124
WAGTAIL = "wagtail==8.0.1"
PEER = Path(__file__).with_name("wagtail_peer.py")
LIST = "/admin/dam/asset/"


def run() -> None:
    """Our pages and Wagtail's on one server, one after the other."""
    with postgres() as server:
        fill()
        dress()
        ours = _pages()
        wagtail = _wagtail(server)
    names = {
        "open": "list opened",
        "facet": "a filter clicked",
        "text_rare": "a rare word",
        "text_common": "a word of 1 in 200",
        "text_every": "a word that all have",
        "page": "a page far down",
    }
    rows = []
    for name in names:
        peer = wagtail.get(name)
        rows.append(
            Row(
                f"listing.{name}_p95_ms_1m",
                ours[name],
                "ms",
                f"{WAGTAIL}: {names[name]}" if peer else "",
                peer,
            )
        )
    about = (
        f"The admin's list of {MILLION:,} assets on PostgreSQL, whole pages of 60 with counts, "
        f"each kind of page {TIMES} times; the peer is Wagtail's list of as many images with "
        "shorter pages, tags and its PostgreSQL search, in the same run on the same server."
    )
    report("listing", about, rows)


def _pages() -> dict[str, float]:
    """p95 in ms of each kind of page."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("collectstatic", interactive=False, verbosity=0)
    page = Client(headers={"host": "localhost"})
    page.force_login(User.objects.create_superuser("bench"))
    draw = random.Random(SEED)

    def some(kind: str) -> str:
        chosen = {
            "open": "",
            "facet": draw.choice(
                [
                    "kind=scene",
                    "colour=pink",
                    "state=draft&kind=prop",
                    "kind=scene&colour=pink&state=approved",
                    f"tags__id__exact={draw.randrange(1, TAGS)}",
                    "state=rejected",
                    "created=7",
                ]
            ),
            "text_rare": "q=sporran",
            "text_common": f"q=w{draw.randrange(400)}+",
            "text_every": "q=asset",
            "page": f"after={draw.randrange(100_000, MILLION)}",
        }
        return chosen[kind]  # fmt: skip

    found = {}
    for kind in ("open", "facet", "text_rare", "text_common", "text_every", "page"):
        page.get(f"{LIST}?{some(kind)}")
        times = []
        for _ in tqdm(range(TIMES), f"Pages: {kind}"):
            address = f"{LIST}?{some(kind)}"
            started = time.perf_counter()
            answer = page.get(address)
            times.append(1000 * (time.perf_counter() - started))
            if answer.status_code != 200:
                raise RuntimeError(f"{address} answered {answer.status_code}")
        found[kind] = round(statistics.quantiles(times, n=20, method="inclusive")[-1], 1)
    return found


def _wagtail(server: Postgres) -> dict[str, Any]:
    """The same from Wagtail, in an environment of its own."""
    folder = RESULTS / "wagtail"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        wanted = [WAGTAIL, "psycopg[binary]"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    answer = subprocess.run(
        [python, PEER, server.url, str(MILLION), str(TIMES)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(answer.stdout.splitlines()[-1])

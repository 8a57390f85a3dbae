"""Wagtail's list of images at the size of the benchmark: prints p95 in ms of each kind of page as JSON.

Run by `tests.benchmarks.listing` with the Python of an environment that has Wagtail, not Atelier.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlsplit

import django
import psycopg
from django.conf import settings
from django.urls import include, path

SEED = 20261124
TAGS = 200
DATABASE = "wagtail"
LIST = "/admin/images/"

# Titles as in the list beside which it is measured; every row is the one that Wagtail wrote itself.
TITLE = """'asset ' || n || ' w' || n % 400 || ' w' || (n / 7) % 400 ||
    CASE WHEN n % 20000 = 0 THEN ' sporran' ELSE '' END"""


def configure(url: str, media: str) -> None:
    """A project with Wagtail's images and nothing else."""
    server = urlsplit(url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE,
        "USER": server.username,
        "HOST": server.hostname,
        "PORT": server.port,
    }
    settings.configure(
        SECRET_KEY="benchmark",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        MEDIA_ROOT=media,
        MEDIA_URL="/media/",
        ROOT_URLCONF=__name__,
        SITE_ID=1,
        STATIC_URL="/static/",
        USE_TZ=True,
        WAGTAIL_SITE_NAME="Benchmark",
        WAGTAILADMIN_BASE_URL="http://localhost",
        INSTALLED_APPS=[
            *(f"wagtail.{name}" for name in ("sites", "users", "documents", "images", "search", "admin")),
            "wagtail",
            "modelcluster",
            "taggit",
            *(f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "sessions", "messages")),
            "django.contrib.staticfiles",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()


def __getattr__(name: str) -> Any:
    """The addresses, which can be imported only after the settings are there."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from wagtail.admin import urls

    return [path("admin/", include(urls))]


def fill(number: int) -> None:
    """One image through Wagtail, and copies of its rows with other titles, tags and search entries."""
    from django.core.files.images import ImageFile
    from django.core.management import call_command
    from django.db import connection
    from PIL import Image as Pillow
    from wagtail.images.models import Image

    call_command("migrate", verbosity=0)
    with tempfile.TemporaryFile() as file:
        Pillow.new("RGB", (400, 300), "teal").save(file, "JPEG")
        file.seek(0)
        first = Image.objects.create(title="asset 1", file=ImageFile(file, name="one.jpg"))
    first.tags.add("t1")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO taggit_tag (name, slug) SELECT 't' || n, 't' || n FROM generate_series(2, %s) n",
            [TAGS],
        )
        _copy(cursor, "wagtailimages_image", {"title": TITLE}, number)
        cursor.execute(
            "INSERT INTO taggit_taggeditem (tag_id, object_id, content_type_id) SELECT t.id, i.id, "
            "(SELECT content_type_id FROM taggit_taggeditem LIMIT 1) FROM wagtailimages_image i, "
            "LATERAL (SELECT id FROM taggit_tag WHERE id IN (1 + i.id %% 200, 1 + (i.id / 3) %% 200)) t "
            "WHERE i.id > 1",
            [],
        )
        vector = f"to_tsvector('simple', {TITLE})"
        _copy(
            cursor,
            "wagtailsearch_indexentry",
            {"object_id": "n::text", "title": f"setweight({vector}, 'A')", "autocomplete": vector},
            number,
        )
        cursor.execute("SELECT setval(pg_get_serial_sequence('wagtailimages_image', 'id'), %s)", [number])
        for table in ("wagtailimages_image", "wagtailsearch_indexentry", "taggit_taggeditem"):
            cursor.execute(f"VACUUM ANALYZE {table}")


def _copy(cursor: Any, table: str, changed: dict[str, str], number: int) -> None:
    cursor.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608  our own table names
    columns = [column.name for column in cursor.description]
    fresh = {"id": "n", **changed}
    values = ", ".join(fresh.get(column, f"row.{column}") for column in columns)
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "  # noqa: S608
        f"FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS row, generate_series(2, {number}) n"
    )


def pages(times: int) -> dict[str, float]:
    """p95 in ms of each kind of page."""
    from django.contrib.auth.models import User
    from django.test import Client

    page = Client(headers={"host": "localhost"})
    page.force_login(User.objects.create_superuser("bench"))
    draw = random.Random(SEED)
    asked = {
        "open": lambda: "",
        "facet": lambda: f"tag=t{draw.randrange(1, TAGS)}",
        "text_rare": lambda: "q=sporran",
        "text_common": lambda: f"q=w{draw.randrange(400)}",
        "text_every": lambda: "q=asset",
        "page": lambda: f"p={draw.randrange(2, 30_000)}",
    }
    found = {}
    for kind, query in asked.items():
        taken = []
        for turn in range(times + 1):
            started = time.perf_counter()
            answer = page.get(f"{LIST}?{query()}")
            if turn:  # the first makes what later ones find
                taken.append(1000 * (time.perf_counter() - started))
            if answer.status_code != 200:
                raise RuntimeError(f"{kind} answered {answer.status_code}")
            print(kind, turn, round(1000 * (time.perf_counter() - started)), file=sys.stderr)
        found[kind] = round(statistics.quantiles(taken, n=20, method="inclusive")[-1], 1)
    return found


def main(url: str, number: int, times: int) -> None:
    """Make the database, fill it, ask for the pages."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with tempfile.TemporaryDirectory() as media:
        configure(url, media)
        fill(number)
        print(json.dumps(pages(times)))


if __name__ == "__main__":
    sys.modules["wagtail_peer"] = sys.modules["__main__"]
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Many assets on servers of their own, for the benchmarks that need them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tests.environment import ALWAYS, EMBEDDED
from tests.services.servers import Milvus, Postgres, Redis, Server

if TYPE_CHECKING:
    from django.db.models import Model

MILLION = 1_000_000

# Column → what it holds in row n; every other column has the default of its field.
_ASSETS = {
    "id": "n",
    "public_id": "gen_random_uuid()",
    "title": "'Asset ' || n",
    "kind": "(ARRAY['garment', 'product', 'scene', 'model', 'prop', 'other'])[1 + n %% 6]",
    "origin": "(ARRAY['uploaded', 'imported', 'imported', 'generated'])[1 + n %% 4]",
    "state": "(ARRAY['approved', 'approved', 'approved', 'draft', 'in_review'])[1 + n %% 5]",
    "colour_family": """CASE WHEN n %% 9973 = 0 THEN 'pink'
        ELSE (ARRAY['red', 'blue', 'white', 'black', 'grey', 'brown', 'green'])[1 + n %% 7] END""",
    "updated": "now()",
}
_VERSIONS = {
    "id": "n",
    "asset_id": "n",
    "extension": "'.jpg'",
    "mime": "'image/jpeg'",
    "size": "1",
    "sha256": "md5(n::text) || md5((-n)::text)",
    "perceptual_hash": " || ".join(f"lpad(to_hex({band}), 4, '0')" for band in "abcd"),
    "hash_band_0": "a",
    "hash_band_1": "b",
    "hash_band_2": "c",
    "hash_band_3": "d",
    "colour_layout": "repeat(md5(n::text), 3)",
    "near_looked_for": "true",
    "width": "1",
    "height": "1",
}
_NUMBERS = "generate_series(1, %s) n"
_HASHES = """(
    SELECT n, floor(random() * 65536)::int a, floor(random() * 65536)::int b,
        floor(random() * 65536)::int c, floor(random() * 65536)::int d
    FROM generate_series(1, %s) n
) s"""

TAGS = 200
# Two of four hundred nouns, a colour word and the number make a title; 1 in 20,000 is a "sporran".
_WORDS = """
INSERT INTO dam_assetwords (asset_id, words)
SELECT id, ' asset ' || id || ' w' || id %% 400 || ' w' || (id / 7) %% 400 || ' ' || colour_family ||
    CASE WHEN id %% 20000 = 0 THEN ' sporran' ELSE '' END
FROM dam_asset
"""
_TAGS = """
INSERT INTO dam_tag (slug, label, label_zh, synonyms)
SELECT 't' || n, 't' || n, '', '[]' FROM generate_series(1, %s) n
"""
_TAGGED = """
INSERT INTO dam_asset_tags (asset_id, tag_id)
SELECT a.id, t.id FROM dam_asset a, LATERAL (
    SELECT id FROM dam_tag WHERE id IN (1 + a.id %% 200, 1 + (a.id / 3) %% 200, 1 + (a.id / 11) %% 20)
) t
"""


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with Atelier's tables; Django is set up for it, so once in a process."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name, ExitStack() as stack:
        server = Postgres(Path(name) / "postgres")
        _start(stack, Path(name), [server])
        _load_django(stack, Path(name), {"DATABASE_URL": server.url})
        yield server


@contextmanager
def broker_and_database(folder: Path, **environment: str) -> Iterator[Redis]:
    """PostgreSQL with Atelier's tables, and Redis; with these settings beside."""
    database, broker = Postgres(folder / "postgres"), Redis(folder / "redis")
    with ExitStack() as stack:
        _start(stack, folder, [database, broker])
        addresses = {"DATABASE_URL": database.url, "REDIS_URL": broker.url}
        _load_django(stack, folder, addresses | environment)
        yield broker


@contextmanager
def search_servers(folder: Path) -> Iterator[Milvus]:
    """PostgreSQL, Redis and Milvus as it is shipped, with what they kept in `folder` from before."""
    database, broker = Postgres(folder / "postgres"), Redis(folder / "redis")
    milvus = Milvus(folder / "milvus", eager=False)
    with ExitStack() as stack:
        _start(stack, folder, [database, broker, milvus])
        addresses = {"DATABASE_URL": database.url, "REDIS_URL": broker.url, "MILVUS_URI": milvus.uri}
        _load_django(stack, folder, addresses)
        yield milvus


def _start(stack: ExitStack, folder: Path, servers: list[Server]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another user when the benchmark runs as root
    for server in servers:
        stack.callback(server.stop)
        server.start()


def _load_django(stack: ExitStack, folder: Path, addresses: dict[str, str]) -> None:
    os.environ.update(ALWAYS | EMBEDDED | {"ATELIER_DATA": str(folder)} | addresses)
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    stack.callback(connections.close_all)
    call_command("migrate", verbosity=0)


def fill(count: int = MILLION) -> None:
    """So many assets with one version each; hashes and layouts at random, with half of the bits set."""
    from django.db import connection

    from dam.models import Asset, AssetVersion

    with connection.cursor() as cursor, tqdm(total=2, desc="Filling the library") as progress:
        insert(cursor, Asset, _ASSETS, _NUMBERS, count)
        progress.update()
        cursor.execute("SELECT setseed(0.5)")
        insert(cursor, AssetVersion, _VERSIONS, _HASHES, count)
        cursor.execute("UPDATE dam_asset SET current_id = id")
        cursor.execute("VACUUM ANALYZE dam_asset")
        cursor.execute("VACUUM ANALYZE dam_assetversion")
        progress.update()


def dress() -> None:
    """Words and tags for all of them."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in tqdm([_WORDS, _TAGS, _TAGGED], "Words and tags"):
            cursor.execute(statement, [TAGS] if statement is _TAGS else [])
        for table in ("dam_assetwords", "dam_tag", "dam_asset_tags"):
            cursor.execute(f"VACUUM ANALYZE {table}")


def insert(
    cursor: Any, model: type[Model], expressions: dict[str, str], source: str, *arguments: object
) -> None:
    """Rows of a model in one statement; columns without an expression get their field's or their own default.

    Rows that are made later, by people, get ids after these.
    """
    from django.core.management.color import no_style
    from django.db import connection

    others = [
        field
        for field in model._meta.concrete_fields
        if field.column not in expressions and (field.has_default() or not field.has_db_default())
    ]
    defaults = [field.get_db_prep_save(field.get_default(), cursor.db) for field in others]
    columns = ", ".join([*expressions, *(field.column for field in others)])
    values = ", ".join([*expressions.values(), *["%s"] * len(others)])
    cursor.execute(
        f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {values} FROM {source}",  # noqa: S608  ours
        [*defaults, *arguments],
    )
    for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
        cursor.execute(statement)

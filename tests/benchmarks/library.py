"""A million assets on a PostgreSQL server of their own, for the benchmarks that need them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tests.environment import ALWAYS, EMBEDDED
from tests.services.servers import Postgres

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


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with Atelier's tables; Django is set up for it, so once in a process."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder / "postgres")
        server.start()
        try:
            os.environ.update(ALWAYS | EMBEDDED | {"ATELIER_DATA": name, "DATABASE_URL": server.url})
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield server
        finally:
            from django.db import connections

            connections.close_all()
            server.stop()


def fill() -> None:
    """A million assets with one version each; hashes and layouts at random, with half of the bits set."""
    from django.db import connection

    from dam.models import Asset, AssetVersion

    with connection.cursor() as cursor, tqdm(total=2, desc="Filling the library") as progress:
        _insert(cursor, Asset, _ASSETS, _NUMBERS)
        progress.update()
        cursor.execute("SELECT setseed(0.5)")
        _insert(cursor, AssetVersion, _VERSIONS, _HASHES)
        cursor.execute("UPDATE dam_asset SET current_id = id")
        cursor.execute("VACUUM ANALYZE dam_asset")
        cursor.execute("VACUUM ANALYZE dam_assetversion")
        progress.update()


def _insert(cursor: Any, model: type[Model], expressions: dict[str, str], source: str) -> None:
    """A million rows in one statement; columns without an expression get their field's default."""
    others = [field for field in model._meta.concrete_fields if field.column not in expressions]
    defaults = [field.get_db_prep_save(field.get_default(), cursor.db) for field in others]
    columns = ", ".join([*expressions, *(field.column for field in others)])
    values = ", ".join([*expressions.values(), *["%s"] * len(others)])
    cursor.execute(
        f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {values} FROM {source}",  # noqa: S608  ours
        [*defaults, MILLION],
    )

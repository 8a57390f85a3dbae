"""A million assets on a PostgreSQL server of their own, for the benchmarks that need them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from tests.environment import ALWAYS, EMBEDDED
from tests.services.servers import Postgres

MILLION = 1_000_000

_ASSETS = """
INSERT INTO dam_asset (
    id, public_id, title, title_zh, alt_text, alt_text_zh, description, description_zh, kind, origin, state,
    state_before_trash, colour_family, aspect, focal_x, focal_y, rights_holder, licence, credit,
    model_release, territories, created, updated
)
SELECT n, gen_random_uuid(), 'Asset ' || n, '', '', '', '', '',
    (ARRAY['garment', 'product', 'scene', 'model', 'prop', 'other'])[1 + n %% 6],
    (ARRAY['uploaded', 'imported', 'imported', 'generated'])[1 + n %% 4],
    (ARRAY['approved', 'approved', 'approved', 'draft', 'in_review'])[1 + n %% 5],
    '', CASE WHEN n %% 9973 = 0 THEN 'pink'
        ELSE (ARRAY['red', 'blue', 'white', 'black', 'grey', 'brown', 'green'])[1 + n %% 7] END,
    '', 0.5, 0.5, '', '', '', 'not_needed', '[]',
    now(), now()
FROM generate_series(1, %s) n
"""
_VERSIONS = """
INSERT INTO dam_assetversion (
    id, asset_id, number, file, original_name, extension, mime, size, sha256, perceptual_hash,
    hash_band_0, hash_band_1, hash_band_2, hash_band_3, colour_layout, near_looked_for, width, height,
    has_alpha, colours, metadata, created
)
SELECT n, n, 1, '', '', '.jpg', 'image/jpeg', 1, md5(n::text) || md5((-n)::text),
    lpad(to_hex(a), 4, '0') || lpad(to_hex(b), 4, '0') || lpad(to_hex(c), 4, '0') || lpad(to_hex(d), 4, '0'),
    a, b, c, d, repeat(md5(n::text), 3), true, 1, 1, false, '[]', '{}', now()
FROM (
    SELECT n, floor(random() * 65536)::int a, floor(random() * 65536)::int b,
        floor(random() * 65536)::int c, floor(random() * 65536)::int d
    FROM generate_series(1, %s) n
) s
"""


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

    with connection.cursor() as cursor, tqdm(total=2, desc="Filling the library") as progress:
        cursor.execute(_ASSETS, [MILLION])
        progress.update()
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(_VERSIONS, [MILLION])
        cursor.execute("UPDATE dam_asset SET current_id = id")
        cursor.execute("VACUUM ANALYZE dam_asset")
        cursor.execute("VACUUM ANALYZE dam_assetversion")
        progress.update()

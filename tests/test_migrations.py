"""Migrations go back, and those after the first release do not stop people who work meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from atelier.version import VERSION
from tests.migration_rules import FIRST_RELEASE, broken_rules, irreversible, newer_than_first_release

ROOT = Path(__file__).resolve().parents[1]
THERE_AND_BACK = """
    import django
    django.setup()
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    def schema():
        with connection.cursor() as cursor:
            return {
                table: (
                    sorted(
                        (c.name, str(c.type_code), c.null_ok)
                        for c in connection.introspection.get_table_description(cursor, table)
                    ),
                    sorted(connection.introspection.get_constraints(cursor, table)),
                )
                for table in connection.introspection.table_names(cursor)
            }

    def ours():
        return [name for name in schema() if name.partition("_")[0] in ("dam", "search", "generation")]

    call_command("migrate", verbosity=0)
    before = schema()
    from search.models import Space, SpaceState
    Space.objects.create(
        slug="none", encoder="none", weights="none", dimension=8, collection="none", state=SpaceState.LIVE
    )
    from dam import editing
    from tests.factories import AssetFactory, CollectionFactory, SKUFactory
    first, second = AssetFactory(tags=["spring"], description="A shirt"), AssetFactory()
    editing.link_sku(first, SKUFactory(), actor=None)
    editing.add_to_collection(CollectionFactory(), [first, second], actor=None)
    for app in ("generation", "search", "dam"):
        call_command("migrate", app, "zero", verbosity=0)
    assert ours() == [], ours()
    call_command("migrate", verbosity=0)
    assert schema() == before, [name for name in before if schema().get(name) != before[name]]
    print("there and back")
"""


@pytest.fixture
def another_database(db: None, tmp_path: Path) -> Iterator[str]:
    """The address of an empty one beside the suite's."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'another.sqlite3'}"
        return
    import psycopg

    ours = connection.settings_dict
    server = f"postgres://{ours['USER']}@{ours['HOST']}:{ours['PORT']}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as client:
        client.execute("CREATE DATABASE another")
        yield f"{server}/another"
        client.execute("DROP DATABASE another WITH (FORCE)")


@pytest.mark.timeout(600)
def test_every_migration_goes_back_with_a_library_in_the_tables(
    another_database: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(THERE_AND_BACK)],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": another_database,
            "ATELIER_DATA": str(tmp_path / "data"),
            "S3_BUCKET": "",
        },
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.stdout.strip() == "there and back", done.stderr[-3000:]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)  # an index is made beside work in none
def test_migrations_after_the_first_release_break_no_rule() -> None:
    loader = MigrationLoader(connection)
    assert {node[0]: node[1] for node in loader.graph.nodes if node[1] == FIRST_RELEASE.get(node[0])} == (
        FIRST_RELEASE
    )
    told = []
    for migration in newer_than_first_release():
        state = loader.project_state([(migration.app_label, migration.name)], at_end=False)
        told += broken_rules(migration, state)
    assert told == []


def test_every_operation_says_how_to_go_back() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    ours = [migration for (app, _name), migration in loader.disk_migrations.items() if app in FIRST_RELEASE]
    assert len(ours) > 40
    assert {str(migration): told for migration in ours if (told := irreversible(migration))} == {}
    one_way = migrations.Migration("of_a_test", "dam")
    one_way.operations = [migrations.RunPython(migrations.RunPython.noop)]
    assert len(irreversible(one_way)) == 1


def _column(field: models.Field) -> migrations.AddField:
    return migrations.AddField("asset", "season", field)


def _titles(name: str) -> models.Index:
    return models.Index(fields=["title", "kind"], name=name)


REFUSED = [
    (migrations.AddIndex("asset", _titles("season")), "AddIndexConcurrently"),
    (_column(models.CharField(max_length=8, db_index=True, null=True)), "AddIndexConcurrently"),
    (_column(models.CharField(max_length=8, default="")), "give the field a db_default"),
    (migrations.AlterField("asset", "title", models.TextField()), "may rewrite the table"),
    (migrations.AlterField("assetversion", "width", models.BigIntegerField()), "may rewrite the table"),
    (migrations.RenameField("asset", "title", "name"), "breaks processes of the version before"),
    (
        migrations.AddConstraint(
            "asset", models.CheckConstraint(condition=~models.Q(title="?"), name="season_title")
        ),
        "AddConstraintNotValid",
    ),
    (
        migrations.AddConstraint(
            "asset", models.UniqueConstraint(fields=["title", "created"], name="season_once")
        ),
        "make it concurrently",
    ),
    (migrations.RemoveIndex("asset", "dam_asset_updated"), "RemoveIndexConcurrently"),
    (migrations.RunPython(migrations.RunPython.noop), "go in batches"),
    (migrations.RunSQL("UPDATE dam_asset SET title = upper(title)"), "go in batches"),
]
TAKEN = [
    [_column(models.CharField(max_length=8, null=True))],
    [_column(models.CharField(max_length=8, db_default=""))],
    [_column(models.DateTimeField(db_default=Now()))],
    [AddIndexConcurrently("asset", _titles("season"))],
    [RemoveIndexConcurrently("asset", "dam_asset_updated")],
    [
        AddConstraintNotValid(
            "asset", models.CheckConstraint(condition=~models.Q(title="?"), name="season_title")
        ),
        ValidateConstraint("asset", "season_title"),
    ],
    [
        migrations.CreateModel(
            "Season",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=8, db_index=True)),
            ],
        )
    ],
]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_what_locks_or_rewrites_a_large_table_is_refused_and_what_does_not_is_taken() -> None:
    loader = MigrationLoader(connection)
    state = loader.project_state()

    def told(operations: list[migrations.operations.base.Operation], *, atomic: bool) -> list[str]:
        migration = migrations.Migration("of_a_test", "dam")
        migration.operations, migration.atomic = operations, atomic
        return broken_rules(migration, state)

    for operation, why in REFUSED:
        found = told([operation], atomic=True)
        assert any(why in each for each in found), (operation.describe(), found)
    for operations in TAKEN:
        assert told(operations, atomic=False) == []


def test_the_version_is_that_of_the_package_and_of_the_changelog() -> None:
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"\n## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()

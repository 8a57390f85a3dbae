"""What a migration may not do to a large table: lock it for long, rewrite it, break code that still runs.

docs/upgrading.md tells how to reach the same without. The first release's migrations make an empty library
and are not asked; every later one is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.state import ProjectState

FIRST_RELEASE = {
    "dam": "0023_holds_on_removals",
    "search": "0011_calibrating",
    "generation": "0013_one_mechanism_for_repeated_requests",
}
_TABLE = r'"?(?P<table>\w+)"?'
_VOLATILE = r"(random|gen_random_uuid|uuidv7|uuid_generate_v\d|clock_timestamp|nextval|timeofday)\s*\("
# SQL that Django would send to PostgreSQL → why not.
_RULES: dict[str, str] = {
    rf"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY).* ON {_TABLE}": (
        "makes an index while nobody can write; use AddIndexConcurrently"
    ),
    r"DROP INDEX (?!CONCURRENTLY)": "drops an index under a full lock; use RemoveIndexConcurrently",
    rf"ALTER TABLE {_TABLE} ADD COLUMN .* DEFAULT [^,]*{_VOLATILE}": (
        "writes a computed default into every row; add it empty and fill it in batches"
    ),
    rf"ALTER TABLE {_TABLE} ADD COLUMN (?!.* DEFAULT ).* NOT NULL": (
        "adds a column that rows cannot be without; give it a db_default, or null=True"
    ),
    rf'ALTER TABLE {_TABLE} ALTER COLUMN "?\w+"? DROP DEFAULT': (
        "leaves processes of the version before unable to write rows; give the field a db_default"
    ),
    rf'ALTER TABLE {_TABLE} ALTER COLUMN "?\w+"? TYPE': (
        "may rewrite the table; add a column of the new type, fill it, and change over"
    ),
    rf'ALTER TABLE {_TABLE} ALTER COLUMN "?\w+"? SET NOT NULL': (
        "reads the whole table under a full lock; validate a CHECK constraint instead"
    ),
    rf"ALTER TABLE {_TABLE} ADD CONSTRAINT .* (CHECK|FOREIGN KEY) (?!.*NOT VALID)": (
        "reads the whole table under a lock; use AddConstraintNotValid, then ValidateConstraint"
    ),
    rf"ALTER TABLE {_TABLE} ADD CONSTRAINT .* UNIQUE (?!USING INDEX)": (
        "makes an index under a full lock; make it concurrently, then use it for the constraint"
    ),
    rf"ALTER TABLE {_TABLE} RENAME": (
        "breaks processes of the version before; add the new name, then move over"
    ),
}


def newer_than_first_release() -> list[Migration]:
    """Of our applications, in their order."""
    loader = MigrationLoader(connection)
    nodes = [
        node for node in loader.graph.nodes if node[0] in FIRST_RELEASE and node[1] > FIRST_RELEASE[node[0]]
    ]
    return [loader.graph.nodes[node] for node in sorted(nodes)]


def broken_rules(migration: Migration, state: ProjectState) -> list[str]:
    """Each with the statement that breaks it; needs a connection to PostgreSQL, and changes nothing.

    Args:
        state: that of all migrations before.
    """
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(state.clone(), editor, collect_sql=True)
    # What was put off, such as indexes of new columns, came at the end.
    statements = [sql for sql in editor.collected_sql if not sql.startswith("--")]
    return [*_of_data(migration), *_of_statements(statements)]


def irreversible(migration: Migration) -> list[str]:
    """Its operations that have no way back."""
    return [str(operation.describe()) for operation in migration.operations if not operation.reversible]


def _of_data(migration: Migration) -> Iterator[str]:
    for operation in migration.operations:
        if isinstance(operation, RunPython) and migration.atomic and operation.atomic is not False:
            yield (
                f"{migration}: {operation.describe()} changes rows in one transaction; "
                "say atomic = False and go in batches"
            )
        if isinstance(operation, RunSQL) and re.search(r"\b(UPDATE|DELETE)\b", str(operation.sql), re.I):
            yield f"{migration}: {operation.describe()} changes every row in one statement; go in batches"


def _of_statements(statements: Sequence[str]) -> Iterator[str]:
    is_new = _new_tables(statements)
    for statement in statements:
        for pattern, why in _RULES.items():
            found = re.search(pattern, statement, re.I | re.S)
            if found and not is_new(found.groupdict().get("table")):
                yield f"{statement[:160]} … {why}"


def _new_tables(statements: Sequence[str]) -> Callable[[str | None], bool]:
    made = {found[1] for sql in statements if (found := re.match(r'CREATE TABLE "?(\w+)"?', sql, re.I))}
    return lambda table: table in made

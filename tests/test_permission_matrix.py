"""Who is answered what: every operation of the REST API for every role, with a token and with a session.

A refused request leaves every row of every table as it was, and no answer holds what is not for its reader.
The expected answers are in `tests.permissions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.http.response import HttpResponseBase
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from tests.permissions.rest import MATRIX, PREFIX, Row, address, places, prepare, rows, sent
from tests.permissions.world import BELOW_EDITORS, HIDDEN, NOBODY, PEOPLE, World, build, everything

TABLES = [
    model
    for app in ("dam", "search", "generation", "auth")
    for model in apps.get_app_config(app).get_models()
]
WRITES = ("POST", "PATCH", "PUT", "DELETE")


@pytest.fixture
def world(db: None, index_now: Callable[[], Any], settings: Any, tmp_path: Any) -> World:
    settings.DAM_IMPORT_FOLDERS = ["/nowhere"]
    made = build()
    index_now()
    return made


@contextmanager
def undone() -> Iterator[None]:
    """What is written within is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def told(response: HttpResponseBase) -> str:
    """Everything that an answer says: its body and its headers."""
    pieces = response.streaming_content if response.streaming else [response.content]
    body = b"".join(pieces).decode(errors="replace")
    headers = "\n".join(f"{name}: {value}" for name, value in response.items())
    return f"{headers}\n\n{body}"


def operations() -> set[str]:
    """What the schema declares."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in schema["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete", "head")
    }


def test_every_operation_has_a_row() -> None:
    named = {f"{row.method} {row.path}" for row in rows(MATRIX)}
    missing = sorted(operations() - named)
    assert not missing, (
        f"Nobody has said who may call {', '.join(missing)}: add rows to MATRIX in tests/permissions/rest.py."
    )
    gone = sorted(named - operations() - {"HEAD /uploads/{public_id}/"})
    assert not gone, f"These rows name no operation of the API: {', '.join(gone)}."


def test_everybody_is_answered_as_the_matrix_says(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "django.request")
    known = places(world)
    kept = everything(TABLES)
    problems: list[str] = []
    for row in rows(MATRIX):
        for person in PEOPLE:
            ways = {"token": world.by_token, "session": world.by_session}
            for way, client_of in ways.items():
                if person == NOBODY and way == "session":
                    continue
                with undone():
                    prepare(world, row)
                    before = everything(TABLES) if row.what.count(",") else kept
                    found = _problems(world, row, person, client_of(person), known, before)
                    problems += [f"{row}, {person} by {way}: {problem}" for problem in found]
    assert not problems, f"{len(problems)} answers are not as they should be:\n" + "\n".join(problems)


def _problems(
    world: World, row: Row, person: str, client: APIClient, known: dict[str, Any], before: dict[str, Any]
) -> Iterator[str]:
    expected = row.answers[person]
    given = sent(world, row)
    where = address(row, known)
    try:
        with transaction.atomic():
            response = getattr(client, row.method.lower())(where, **given)
            said = told(response)
    except Exception as error:  # noqa: BLE001  one row that breaks hides none of the others
        yield f"broke: {error!r}"
        return
    if str(response.status_code) != expected.rstrip("="):
        yield f"{response.status_code} instead of {expected.rstrip('=')}: {said.splitlines()[-1][:160]}"
        return
    asked = f"{where} {given} {_tables_in(given)}"
    for word in world.must_not_see(person):
        if word in said and word not in asked:
            at = said.index(word)
            yield f"the answer says “{said[max(0, at - 60) : at + 60]!r}”"
    if (
        row.tells_editors
        and person == "editor"
        and not any(name in said for name in (HIDDEN, *world.hidden_names()))
    ):
        yield "the answer says nothing that others may not know, so the row proves nothing"
    if row.method in WRITES:
        after = everything(TABLES)
        changed = [label for label in before if before[label] != after[label]]
        stays = response.status_code >= 400 or expected.endswith("=")
        if stays and changed:
            yield f"changed {', '.join(changed)}"
        if not stays and not changed:
            yield "changed nothing"
        if person in BELOW_EDITORS:
            yield from _touched(world, before, after)


def _tables_in(given: dict[str, Any]) -> str:
    """What a sent table says; an answer may name its rows."""
    data = given.get("data")
    files = data.values() if isinstance(data, dict) else ()
    found = []
    for file in files:
        if getattr(file, "content_type", "") == "text/csv":
            file.seek(0)
            found.append(file.read().decode())
    return " ".join(found)


def _touched(world: World, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Whatever was done, assets that the person may not see are as they were."""
    for name in ("hidden", "expired", "trashed", "look-alike"):
        key = world.assets[name].pk
        rows_before, rows_after = (
            [row for row in rows["dam.Asset"] if row[0] == key] for rows in (before, after)
        )
        if rows_before != rows_after:
            yield f"touched the asset “{name}”"

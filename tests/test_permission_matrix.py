"""Who is answered what: every operation of the REST API, every page and every file for every role.

A refused request leaves every row of every table as it was, and no answer holds what is not for its reader.
The expected answers are in `tests.permissions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from tests.permissions import files, pages, rest
from tests.permissions.rest import MATRIX, PREFIX, Row, rows
from tests.permissions.world import (
    BELOW_EDITORS,
    EDITOR,
    HIDDEN,
    NOBODY,
    OWNER,
    PEOPLE,
    STOREFRONT,
    World,
    build,
    everything,
)

TABLES = [
    model
    for app in ("dam", "search", "generation", "auth")
    for model in apps.get_app_config(app).get_models()
]
# Of each kind of account one shows that a session is answered as a token is.
BY_SESSION_TOO = (STOREFRONT, OWNER, EDITOR)
WRITES = ("POST", "PATCH", "PUT", "DELETE")


@pytest.fixture
def world(db: None, index_now: Callable[[], Any], settings: Any, caplog: pytest.LogCaptureFixture) -> World:
    """Built once for all that a test asks: what each request writes is taken back."""
    caplog.set_level("CRITICAL", "django.request")
    settings.DAM_IMPORT_FOLDERS = ["/nowhere"]
    settings.SEARCH_VOCABULARY_SECONDS = 0
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


def test_the_documentation_has_what_is_answered() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for row in rows(MATRIX):
        if row.method == "HEAD":
            continue
        operation = schema["paths"][PREFIX + row.path][row.method.lower()]
        answered = {answer.rstrip("=") for answer in row.answers.values()}
        assert answered <= operation["responses"].keys(), f"{row} answers more than its documentation says."
        assert operation["description"].strip(), f"Nothing says what {row} does."
        for code, response in operation["responses"].items():
            is_problem = "application/problem+json" in response.get("content", {})
            assert is_problem or not code.startswith("4"), f"{row} says nothing of its {code}."


def test_the_documentation_is_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_every_page_has_a_row() -> None:
    named = {row.path for row in rows(pages.PAGES)}
    missing = sorted(pages.names().keys() - named)
    assert not missing, (
        f"Nobody has said who may open {', '.join(missing)}: add rows to PAGES in tests/permissions/pages.py."
    )
    gone = sorted((named | {row.path for row in rows(pages.DEEDS)}) - pages.names().keys())
    assert not gone, f"These rows name no page of the admin: {', '.join(gone)}."


def test_every_other_address_has_a_row() -> None:
    named = {row.path for row in rows(files.FILES)} | files.WITHOUT_ROW | {"original-file", "rendition-file"}
    others = {entry.name for entry in _addresses(get_resolver()) if entry.name}
    missing = sorted(others - named)
    assert not missing, (
        f"Nobody has said who may open {', '.join(missing)}: add rows to FILES in tests/permissions/files.py."
    )


def _addresses(resolver: URLResolver) -> Iterator[URLPattern]:
    """All but those of the admin and the API, which have tables of their own."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield entry
        elif entry.namespace != "admin" and not str(entry.pattern).startswith("api/v1"):
            yield from _addresses(entry)


@pytest.mark.once
@pytest.mark.timeout(900)
def test_everybody_is_answered_as_the_matrix_says(world: World) -> None:
    """One test, since the library is built once for all of its requests."""
    problems = [
        *_problems_of_api(world),
        *_problems_of_keys(world),
        *_problems_of_pages(world),
        *_problems_of_files(world),
    ]
    assert not problems, f"{len(problems)} answers are not as they should be:\n" + "\n".join(problems)


def _problems_of_api(world: World) -> Iterator[str]:
    known = rest.places(world)
    kept = everything(TABLES)
    for row in rows(rest.MATRIX):
        for person in PEOPLE:
            for way, client_of in (("token", world.by_token), ("session", world.by_session)):
                if way == "session" and person not in BY_SESSION_TOO:
                    continue
                with undone():
                    rest.prepare(world, row)
                    asked = Asked(rest.address(row, known), row.method.lower(), rest.sent(world, row))
                    before = everything(TABLES) if "," in row.what else kept
                    found = _problems(world, row, person, client_of(person), asked, before)
                    yield from (f"{row}, {person} by {way}: {problem}" for problem in found)


def _problems_of_keys(world: World) -> Iterator[str]:
    known, kept = rest.places(world), everything(TABLES)
    for row in rows(rest.MATRIX):
        for name, (_secret, eyes) in world.keys.items():
            with undone():
                rest.prepare(world, row)
                asked = Asked(rest.address(row, known), row.method.lower(), rest.sent(world, row))
                before = everything(TABLES) if "," in row.what else kept
                expected = rest.answered_by_key(row, name)
                found = _problems(world, row, eyes, world.by_key(name), asked, before, expected)
                yield from (f"{row}, a key with the scope {name}: {problem}" for problem in found)


def _problems_of_pages(world: World) -> Iterator[str]:
    kept = everything(TABLES)
    for row in rows(pages.PAGES, "GET") + rows(pages.DEEDS, "POST"):
        for person in PEOPLE:
            with undone():
                rest.prepare(world, row)
                where = pages.address(world, row.path, row.thing)
                given = {"data": pages.sent(world, row)} if row.method == "POST" else {}
                before = everything(TABLES) if "done" in row.what else kept
                asked = Asked(where, row.method.lower(), given)
                found = _problems(world, row, person, world.by_session(person), asked, before)
                yield from (f"{row}, {person}: {problem}" for problem in found)
    for where in pages.asked(world):
        for person in PEOPLE:
            with undone():
                said = told(world.by_session(person).get(where, follow=True))
                yield from (f"{where}, {person}: {leak}" for leak in _leaks(world, person, said, where))


def _problems_of_files(world: World) -> Iterator[str]:
    for row in rows(files.FILES, "GET"):
        where = files.address(world, row.path, row.what)
        for person in PEOPLE:
            for way, client_of in (("token", world.by_token), ("session", world.by_session)):
                with undone():
                    asked = Asked(where, "get", {}, _given_away(world, row))
                    found = list(_problems(world, row, person, client_of(person), asked, {}))
                    if row.path in files.SENT_AS_FILES and row.answers[person] == "200":
                        found += _active_parts(client_of(person).get(where))
                yield from (f"{row}, {person} by {way}: {problem}" for problem in found)


def _given_away(world: World, row: Row) -> str:
    """The name of a collection is for whoever has a link to it that asks for no password."""
    return str(world.things["own collection"]) if row.what == "own link" else ""


def _active_parts(response: HttpResponseBase) -> Iterator[str]:
    """Why a browser might run what is in the file."""
    if not response["Content-Type"].startswith("image/") or "svg" in response["Content-Type"]:
        yield f"a file is sent as {response['Content-Type']}"
    if response["X-Content-Type-Options"] != "nosniff":
        yield "a browser may guess the type of the file"
    if "sandbox" not in response.get("Content-Security-Policy", ""):
        yield "no policy keeps the file from running scripts"


@dataclass(frozen=True)
class Asked:
    """A request, what it carries as the test client takes it, and what its sender knows besides."""

    where: str
    method: str
    given: dict[str, Any]
    known: str = ""

    def __str__(self) -> str:
        return f"{self.where} {self.given} {_tables_in(self.given)} {self.known}"


def _problems(
    world: World,
    row: Row,
    person: str,
    client: APIClient,
    asked: Asked,
    before: dict[str, Any],
    expected: str = "",
) -> Iterator[str]:
    expected = expected or row.answers[person]
    written: list[str] = []
    try:
        with transaction.atomic(), connection.execute_wrapper(partial(_note_writes, written)):
            response = getattr(client, asked.method)(asked.where, **asked.given)
            said = told(response)
    except Exception as error:  # noqa: BLE001  one row that breaks hides none of the others
        yield f"broke: {error!r}"
        return
    if str(response.status_code) != expected.rstrip("="):
        yield f"{response.status_code} instead of {expected.rstrip('=')}: {said.splitlines()[-1][:160]}"
        return
    yield from _leaks(world, person, said, str(asked))
    if (
        row.tells_editors
        and person == EDITOR
        and response.status_code < 400
        and not any(name in said for name in (HIDDEN, *world.hidden_names()))
    ):
        yield "the answer says nothing that others may not know, so the row proves nothing"
    if row.method in WRITES:
        yield from _effects(world, person, response.status_code, expected, written, before)


def _leaks(world: World, person: str, said: str, asked: str) -> Iterator[str]:
    """What the answer says and the person may not know; what they have named themselves is no secret."""
    for word in world.must_not_see(person):
        if word in said and word not in asked:
            at = said.index(word)
            yield f"the answer says “{said[max(0, at - 60) : at + 60]!r}”"


def _note_writes(
    written: list[str], execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
) -> Any:
    if sql.startswith(("INSERT", "UPDATE", "DELETE")):
        written.append(sql)
    return execute(sql, params, many, context)


def _effects(
    world: World, person: str, status: int, expected: str, written: list[str], before: dict[str, Any]
) -> Iterator[str]:
    """What was done although it was refused, or was not although it was allowed."""
    after = everything(TABLES) if written else before
    changed = [label for label in before if before[label] != after[label]]
    to_login = status == 302 and person in (NOBODY, STOREFRONT)
    stays = status >= 400 or expected.endswith("=") or to_login
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

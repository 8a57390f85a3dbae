"""Thousands of requests made from the API's own description, right ones and wrong ones, by schemathesis.

No answer is an error of the server, and none lies outside what its documentation says: status, kind of
content, shape of the body. What a request writes is taken back, so that each finds the same library.
"""

from __future__ import annotations

import itertools
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import got_request_exception, request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.overrides import Override
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.permissions.rest import MATRIX, PREFIX, places, rows, sent
from tests.permissions.world import ADMINISTRATOR, NOBODY, World, build

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
EDGES_LOOKED_AT = 200


@schemathesis.serializer("application/offset+octet-stream")
def a_piece(context: Any, value: Any) -> bytes:
    """The body of an upload by tus: bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@dataclass(frozen=True)
class Measure:
    """How many cases each operation gets: of the edges of its parameters, of right and of wrong requests."""

    edges: int
    right: int
    wrong: int


@dataclass
class Outcome:
    """What was asked, and what was answered that should not have been."""

    cases: int = 0
    operations: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: dict[tuple[str, ...], str] = field(default_factory=dict)

    def note(self, failure: Failure, case: Case, trace: str) -> None:
        """Once for each operation and kind of failure, with the request that shows it."""
        operation = case.operation.label
        kind = (operation, failure.title, trace.strip().rpartition("\n")[2])
        self.failures.setdefault(
            kind,
            f"{operation}: {failure.title}\n{failure.message}\n{trace[-1500:]}\n{case.as_curl_command()}",
        )

    def __str__(self) -> str:
        answers = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.cases} cases over {len(self.operations)} operations: {answers}"


@pytest.fixture
def world(db: None, index_now: Callable[[], Any], settings: Any, caplog: pytest.LogCaptureFixture) -> World:
    """A library with everything in it."""
    for logger in ("django.request", "django.security.csrf"):
        caplog.set_level("CRITICAL", logger)
    settings.DAM_IMPORT_FOLDERS = ["/nowhere"]
    made = build()
    index_now()
    return made


@pytest.fixture
def described() -> BaseSchema:
    """The API as its description has it, asked in this process."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    config = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = get_wsgi_application()
    return schema


@pytest.mark.services  # there NUL characters and large numbers are refused, where SQLite takes them
@pytest.mark.timeout(600)
def test_an_administrator_is_answered_as_documented(world: World, described: BaseSchema) -> None:
    outcome = answered(world, described, ADMINISTRATOR, Measure(edges=8, right=6, wrong=3))
    assert not outcome.failures, "\n\n".join(outcome.failures.values())
    assert outcome.cases > 2000 and outcome.statuses["2xx"] > 800 and outcome.statuses["4xx"] > 800, outcome


@pytest.mark.once
@pytest.mark.timeout(600)
def test_nobody_is_answered_as_documented(world: World, described: BaseSchema) -> None:
    outcome = answered(world, described, NOBODY, Measure(edges=3, right=2, wrong=1))
    assert not outcome.failures, "\n\n".join(outcome.failures.values())
    assert outcome.cases > 800 and outcome.statuses["2xx"] > 50 and outcome.statuses["4xx"] > 500, outcome


def answered(world: World, described: BaseSchema, person: str, measure: Measure) -> Outcome:
    """What all operations answer this person, each to so many requests."""
    headers = {} if person == NOBODY else {"Authorization": f"Token {world.tokens[person]}"}
    outcome = Outcome()
    with one_connection(), failures_of_the_server() as traces:
        for found in described.get_all_operations():
            operation = found.ok()
            outcome.operations.add(operation.label)
            for case in cases(operation, measure, Real(world, operation)):
                ask(case, headers, outcome, traces)
    sys.stdout.write(f"{outcome}\n")
    return outcome


def ask(case: Case, headers: dict[str, str], outcome: Outcome, traces: list[str]) -> None:
    """One request, and what it wrote taken back."""
    traces.clear()
    with transaction.atomic():
        response = case.call(headers=headers)
        transaction.set_rollback(True)
    outcome.cases += 1
    outcome.statuses[f"{response.status_code // 100}xx"] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            outcome.note(failure, case, traces[-1] if traces else "")


@contextmanager
def one_connection() -> Iterator[None]:
    """Requests leave the connection of the test open, which they would close at their end."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@contextmanager
def failures_of_the_server() -> Iterator[list[str]]:
    """The tracebacks of what a request did not expect."""
    traces: list[str] = []

    def remember(**_given: Any) -> None:
        traces.append(traceback.format_exc())

    got_request_exception.connect(remember)
    yield traces
    got_request_exception.disconnect(remember)


class Real:
    """What is really there, for requests that get beyond “no such thing”: addresses, and bodies that work."""

    def __init__(self, world: World, operation: APIOperation) -> None:
        # Each database is asked other things, by the same requests in every run.
        self.random = random.Random(f"{connection.vendor} {operation.label}")
        path, known = operation.path.removeprefix(PREFIX), places(world)
        mine = [row for row in rows(MATRIX) if (row.method, row.path) == (operation.method.upper(), path)]
        mine.sort(key=lambda row: not row.answers[ADMINISTRATOR].startswith("2"))
        self.parts = [known.get(row.what) or known.get(row.thing) or {} for row in mine]
        bodies = [sent(world, row).get("data") for row in mine]
        self.bodies = [as_sent(body) for body in bodies if isinstance(body, dict)]

    def into(self, case: Case) -> Case:
        """As it is; or about something real; or also with a body that works in all fields but one."""
        chance = self.random.random()
        if chance > 0.2 and case.path_parameters and self.parts:
            parts = self.parts[0] if chance < 0.7 else self.random.choice(self.parts)
            known = {name: str(parts[name]) for name in case.path_parameters if name in parts}
            case.path_parameters.update(known)
        if chance > 0.5 and self.bodies and isinstance(case.body, dict):
            odd = self.random.sample(sorted(case.body), min(1, len(case.body)))
            case.body = {**self.random.choice(self.bodies), **{name: case.body[name] for name in odd}}
        return case


def as_sent(body: dict[str, Any]) -> dict[str, Any]:
    """With files as bytes."""
    return {
        name: value.read() if isinstance(value, SimpleUploadedFile) else value for name, value in body.items()
    }


def cases(operation: APIOperation, measure: Measure, real: Real) -> Iterator[Case]:
    """The edges first, then right and wrong requests."""
    edges = CoverageGenerator(
        operation=operation,
        generation_modes=list(GenerationMode),
        generation_config=operation.schema.config.generation_for(operation=operation, phase="coverage"),
        auth_storage=None,
        override=Override(),
        feedback=NO_FEEDBACK,
    )
    found = list(itertools.islice(edges, EDGES_LOOKED_AT))
    chosen = real.random.sample(found, min(measure.edges, len(found)))
    right = drawn(operation, GenerationMode.POSITIVE, measure.right)
    wrong = drawn(operation, GenerationMode.NEGATIVE, measure.wrong)
    for case in itertools.chain(chosen, right, wrong):
        yield real.into(case)


def drawn(operation: APIOperation, mode: GenerationMode, count: int) -> list[Case]:
    """So many requests that follow the description, or break it; none where nothing can be wrong."""
    found: list[Case] = []

    @hypothesis.seed(f"{connection.vendor} {operation.label}")
    @hypothesis.settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def collect(case: Case) -> None:
        found.append(case)

    try:
        collect()
    except Unsatisfiable:
        assert mode == GenerationMode.NEGATIVE, f"{operation.label} has no right request."
    return found[:count]

"""The database is away, or its line breaks: everybody reads that it passes, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from dam.models import Collection
from tests.clients import api_of
from tests.services.processes import Web, environment
from tests.services.relay import Relay

COLLECTIONS = "/api/v1/collections/"
SENTENCE = (
    "The database does not answer at the moment. Nothing that was saved is lost; try again in a few seconds."
)


def away(error: Exception, after: int = 0) -> AbstractContextManager[None]:
    """Each query fails so, but for the first ones."""
    asked = 0

    def refuse(execute: Callable[..., Any], *query: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked > after:
            raise error
        return execute(*query)

    return connection.execute_wrapper(refuse)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("closed")])
@pytest.mark.parametrize("after", [0, 3])
def test_programs_read_a_problem_that_says_when_to_ask_again(
    editor: User, error: Exception, after: int
) -> None:
    api = api_of(editor)
    api.raise_request_exception = False
    with away(error, after):
        answer = api.post(COLLECTIONS, {"name": "Spring"}, headers={"Idempotency-Key": "spring"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == ("database_away", SENTENCE)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/admin/", "/search/", "/share/nothing/", "/admin/login/"])
def test_people_read_a_page_that_asks_no_database(client: Client, editor: User, address: str) -> None:
    client.force_login(editor)
    client.raise_request_exception = False
    with away(OperationalError("server closed the connection unexpectedly")):
        answer = client.get(address, follow=True)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert SENTENCE in answer.content.decode()


@pytest.mark.django_db
def test_a_fault_of_ours_is_none_of_the_databases(editor: User) -> None:
    api = api_of(editor)
    api.raise_request_exception = False
    with away(RuntimeError("a mistake")):
        assert api.get(COLLECTIONS).status_code == 500


@pytest.mark.django_db
def test_strangers_who_ask_whether_it_is_ready_hear_nothing_of_what_the_database_said(client: Client) -> None:
    with away(OperationalError('connection to server at "db.internal", user "atelier" failed')):
        answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "does not answer"}


@pytest.mark.django_db
def test_what_the_site_measures_is_told_without_the_database(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of-the-test"

    def told() -> dict[str, float]:
        answer = client.get("/metrics", headers={"authorization": "Bearer of-the-test"})
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.content.decode())
        return {sample.name: sample.value for family in families for sample in family.samples}

    client.get("/nothing/")
    with away(OperationalError("connection refused")):
        seen = told()
    assert seen["atelier_database_up"] == 0
    assert "atelier_http_seconds_count" in seen
    assert "atelier_imports_open" not in seen
    seen = told()
    assert (seen["atelier_database_up"], seen["atelier_imports_open"]) == (1, 0)


@pytest.mark.services
def test_what_was_refused_is_done_once_when_the_database_is_back(
    transactional_db: None, static_files: None, editor: User, tmp_path: Path
) -> None:
    database = connection.settings_dict
    token = Token.objects.create(user=editor).key
    with Relay(database["HOST"], int(database["PORT"])) as line:
        place = environment()["DATABASE_URL"].replace(f":{database['PORT']}/", f":{line.port}/")
        site = Web(tmp_path / "web.log", settings_of_its_own={"DATABASE_URL": place})
        try:

            def send() -> requests.Response:
                return requests.post(
                    f"{site.url}{COLLECTIONS}", json={"name": "Spring"}, timeout=60,
                    headers={"Authorization": f"Token {token}", "Idempotency-Key": "spring"},
                )  # fmt: skip

            assert requests.get(f"{site.url}/admin/login/", timeout=60).ok
            line.refuse()
            refused = send()
            assert (refused.status_code, refused.json()["code"]) == (503, "database_away")
            page = requests.get(
                f"{site.url}/admin/login/", headers={"Cookie": "sessionid=of-somebody"}, timeout=60
            )
            assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
            line.mend()
            assert send().status_code == 201
            assert "Idempotent-Replayed" in send().headers
        finally:
            site.kill()
    assert Collection.objects.count() == 1

"""The suite's world: an isolated data folder, the servers it runs on, people and pictures.

`pytest` runs on the embedded default (SQLite, Milvus Lite, a folder as broker), `pytest --services`
on PostgreSQL, Redis, Milvus and S3 that are started here. Both ignore the developer's own settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import translation

from tests.environment import TestEnvironment

# Django's models are imported inside the fixtures: settings are chosen in `pytest_configure`.
if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import Settings
    from rest_framework.test import APIClient

    from search.outbox import DrainReport

pytest_plugins = ("tests.services.fixtures",)
CLOTHING = Path(__file__).resolve().parents[2] / "shared" / "data" / "clothing"
ENVIRONMENT = pytest.StashKey[TestEnvironment]()
LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services",
        action="store_true",
        help="run on real PostgreSQL, Redis, Milvus and S3 servers, which the suite starts",
    )


def pytest_configure(config: pytest.Config) -> None:
    environment = TestEnvironment(services=config.getoption("--services"))
    config.stash[ENVIRONMENT] = environment
    config.add_cleanup(environment.stop)
    if _hands_out(config):
        return
    try:
        environment.start_servers()
    except RuntimeError as error:
        raise pytest.UsageError(str(error)) from error
    environment.load_django()


def _hands_out(config: pytest.Config) -> bool:
    """Whether this process only hands the tests out: those that run them have servers of their own each."""
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


def pytest_report_header(config: pytest.Config) -> str:
    return f"runs on: {config.stash[ENVIRONMENT].description}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    terminalreporter.write_line(f"ran on: {config.stash[ENVIRONMENT].description}")
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out and config.getoption("--services"):
        terminalreporter.write_line(
            f"{left_out} tests ask no server, or nothing of its own: they run without --services, once."
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the real servers belong to `--services`; tests that ask no database, to the other run."""
    services = config.getoption("--services")
    elsewhere = [item for item in items if (_asks_nothing(item) if services else _is_of_services(item))]
    config.hook.pytest_deselected(items=elsewhere)
    config.stash[LEFT_OUT] = len(elsewhere)
    left_out = set(elsewhere)
    items[:] = sorted((item for item in items if item not in left_out), key=_may_take, reverse=True)


def _may_take(item: pytest.Item) -> float:
    """Seconds, where it asks for more than others. Those begin first, so that at the end nobody waits for one
    that has only begun.
    """
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0.0


def _is_of_services(item: pytest.Item) -> bool:
    return item.get_closest_marker("services") is not None


def _asks_nothing(item: pytest.Item) -> bool:
    """Whether the test would do the very same on other servers, since it asks none, or nothing of theirs."""
    if item.get_closest_marker("once") is not None:
        return True
    asked = {"db", "transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    return not (asked or item.get_closest_marker("django_db") or _is_of_services(item))


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest) -> TestEnvironment:
    return request.config.stash[ENVIRONMENT]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(environment: TestEnvironment) -> None:
    """SQLite as a file, so that worker processes see the test database too."""
    from django.db import connections

    database = connections["default"]
    if database.vendor == "sqlite":
        database.settings_dict["TEST"]["NAME"] = str(environment.data / "test.sqlite3")


@pytest.fixture(autouse=True)
def _own_rows(
    request: pytest.FixtureRequest, settings: Settings, environment: TestEnvironment
) -> Iterator[None]:
    """Each test finds Milvus and the spool of uploads empty: the database is rolled back, they are not.

    A server takes seconds to make a collection, so tests share those of their spaces and leave them empty;
    PostgreSQL gives no id twice. A test marked `own_collections` has its own, which are dropped.
    """
    from dam import upload_spool
    from search.spaces import _index

    own = not environment.services or request.node.get_closest_marker("own_collections") is not None
    prefix = environment.next_prefix() if own else environment.shared_prefix
    settings.MILVUS_COLLECTION_PREFIX = prefix
    _index.cache_clear()
    for _upload, path in upload_spool.files():
        path.unlink(missing_ok=True)
    yield
    if own:
        environment.drop_collections(prefix)
    elif _index.cache_info().currsize or _others_wrote(request):
        environment.empty_collections(prefix)


def _others_wrote(request: pytest.FixtureRequest) -> bool:
    """Whether other processes may have written to Milvus: those see only a database that is committed to."""
    marker = request.node.get_closest_marker("django_db")
    committed = marker is not None and bool(marker.kwargs.get("transaction"))
    return committed or "transactional_db" in request.fixturenames


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A page asked for in Chinese leaves its thread in that language, which is that of the next test too."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def own_storage(settings: Settings, tmp_path: Path) -> None:
    """Files of this test alone, where the suite keeps its files: in a folder or a bucket."""
    default = settings.STORAGES["default"]
    place = f"library {tmp_path.name}" if settings.S3_BUCKET else str(tmp_path / "library")
    options = {**default.get("OPTIONS", {}), "location": place}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
    settings.DAM_UPLOAD_SPOOL = tmp_path / "spool"


@pytest.fixture
def editor(db: None) -> User:
    """Staff with the usual permissions."""
    from tests.factories import EditorFactory

    return EditorFactory()


@pytest.fixture
def reviewer(db: None) -> User:
    """An editor who may also approve and reject."""
    from tests.factories import ReviewerFactory

    return ReviewerFactory()


@pytest.fixture
def administrator(db: None) -> User:
    """A superuser."""
    from tests.factories import AdministratorFactory

    return AdministratorFactory()


@pytest.fixture
def stranger(db: None) -> User:
    """Somebody with an account and no rights."""
    from tests.factories import UserFactory

    return UserFactory(username="stranger")


@pytest.fixture
def api() -> APIClient:
    """A REST client of nobody; `api.force_authenticate(user)` makes it somebody's."""
    from rest_framework.test import APIClient

    return APIClient()


@pytest.fixture
def staff_api(editor: User) -> APIClient:
    """The editor's REST client."""
    from tests.clients import api_of

    return api_of(editor)


@pytest.fixture
def index_now(db: None) -> Callable[[], DrainReport]:
    """Do the outbox's work at once, in this process, until every reader sees it: `index_now()`.

    Searches read with bounded staleness, as they should. A strongly consistent read returns when Milvus
    has caught up, and later searches see no less.
    """
    from search.outbox import drain
    from search.spaces import active_spaces, index_of

    def work() -> DrainReport:
        report = drain()
        for space in [] if report.postponed else active_spaces():
            index_of(space).count()
        return report

    return work


@pytest.fixture(scope="session")
def clothing() -> Path:
    """Photos of clothing with labels.csv and queries.csv, where they lie beside the checkout."""
    if not (CLOTHING / "labels.csv").is_file():
        pytest.skip(f"no clothing photos at {CLOTHING}")
    return CLOTHING

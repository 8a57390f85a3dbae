"""The suite's servers: what was asked for is what the application uses, and they end with the suite."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from search.index.connection import connect
from tests.environment import TestEnvironment, runs

pytestmark = pytest.mark.services


@pytest.mark.django_db
def test_the_application_runs_on_all_four(environment: TestEnvironment) -> None:
    assert environment.stack is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('port')")
        version, port = cursor.fetchone()
    assert (version.split(".")[0], int(port)) == ("18", environment.stack.postgres.port)

    cache.set("greeting", "你好")
    assert cache.get("greeting") == "你好"
    assert settings.CACHES["default"]["BACKEND"].endswith("RedisCache")

    capabilities = connect()[1]
    assert (capabilities.lite, capabilities.full_text) == (False, False), capabilities.version

    name = default_storage.save("greeting.txt", ContentFile(b"hello"))
    assert default_storage.url(name).startswith(environment.stack.s3.endpoint)
    with default_storage.open(name) as stored:
        assert stored.read() == b"hello"


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = f"""
        import os, signal
        from pathlib import Path
        from tests.services.servers import Redis
        server = Redis(Path({str(tmp_path / "redis")!r}))
        server.start()
        print(server.process_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    server = int(done.stdout)
    deadline = time.monotonic() + 10
    while runs(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(server)

"""The process environment that the suite runs in: settings, data folder, servers, and their end."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymilvus import MilvusClient

if TYPE_CHECKING:
    from tests.services.servers import Stack

EMBEDDED = {
    "REDIS_URL": "",
    "MILVUS_URI": "",
    "S3_BUCKET": "",
}
# Whatever the developer's shell or .env says, the suite runs with these.
ALWAYS = {
    "DJANGO_SETTINGS_MODULE": "atelier.settings",
    "DEBUG": "false",
    "HTTPS": "false",
    "BEHIND_PROXY": "false",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "LOG_LEVEL": "WARNING",
    "TIME_ZONE": "UTC",
    "THROTTLE_ANON": "1000000/min",
    "THROTTLE_USER": "1000000/min",
    "THROTTLE_PROVENANCE": "1000000/min",
    "THROTTLE_PICTURES": "1000000/min",
    "SEARCH_ENCODER": "starter",
    "SEARCH_BATCH_SIZE": "32",
    "SEARCH_RUNTIME": "auto",
    "SEARCH_PRECISION": "auto",
    "SEARCH_EXPORTS": "",
    "MILVUS_TOKEN": "",
    "GENERATION_PROVIDER": "board",
    "GENERATION_PRICES": "{}",
    "GENERATION_CALLS_PER_MINUTE": "{}",
    "GENERATION_PARALLEL_CALLS": "{}",
    "GEMINI_API_KEY": "",
    "GEMINI_BASE_URL": "",
    "GEMINI_IMAGE_MODEL": "gemini-nano-banana-2.1",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "OPENAI_IMAGE_MODEL": "gpt-image-2",
    "VERTEX_PROJECT": "",
    "DIFFUSERS_MODEL": "",
}
GONE_SECONDS = 20.0


class TestEnvironment:
    """Where one run of the suite keeps its things, and what it runs on.

    Args:
        services: run on real servers instead of the embedded default.
    """

    __test__ = False

    def __init__(self, *, services: bool) -> None:
        self.services = services
        self.data = Path(tempfile.mkdtemp(prefix="atelier-tests-"))
        self.stack: Stack | None = None
        self._cleanup = contextlib.ExitStack()
        self._janitor: tuple[str, MilvusClient] | None = None
        self.shared_prefix = f"t{os.getpid()}_shared"
        self._prefixes = (f"t{os.getpid()}_{number}" for number in itertools.count(1))

    def start_servers(self) -> None:
        """Start what the suite runs on and put its addresses into the environment.

        Raises:
            RuntimeError: a server did not start, or it is too late to choose.
        """
        if "django.conf" in sys.modules and sys.modules["django.conf"].settings.configured:
            raise RuntimeError(
                "Django's settings were loaded before the suite chose them; unset DJANGO_SETTINGS_MODULE"
            )
        self.data.chmod(0o755)  # PostgreSQL runs as another user when the suite runs as root
        os.environ.update(ALWAYS)
        os.environ["ATELIER_DATA"] = str(self.data)
        os.environ.update(self._parts())

    def load_django(self) -> None:
        """With cheap password hashes, and static files without the manifest that only `collectstatic` writes.

        Once: whoever sets STORAGES makes storages anew, and a client of S3 reads a megabyte of JSON.
        """
        import django
        from django.conf import settings

        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
        django.setup()

    def _parts(self) -> dict[str, str]:
        if not self.services:
            # The test database is another file; this one must never come to be.
            return {**EMBEDDED, "DATABASE_URL": f"sqlite:///{self.data / 'unused.sqlite3'}"}
        from tests.services.servers import running_stack

        self.stack = self._cleanup.enter_context(running_stack(self.data))
        return self.stack.environment()

    @property
    def description(self) -> str:
        if self.services:
            return "PostgreSQL 18, Redis 6.2, Milvus 2.3.5, S3 (moto)"
        return "SQLite, Milvus Lite, a folder as broker and one for files"

    def next_prefix(self) -> str:
        """A name for the Milvus collections of one test."""
        return next(self._prefixes)

    def drop_collections(self, prefix: str) -> None:
        """Drop what a test left in Milvus, if there is a Milvus at all."""
        if (client := self._milvus()) is None:
            return
        for name in _collections(client, prefix):
            _drop_aliases(client, name)
            client.drop_collection(name)

    def empty_collections(self, prefix: str) -> None:
        """Delete every row that a test left in Milvus, so that no later reader sees one."""
        if (client := self._milvus()) is None:
            return
        for name in _collections(client, prefix):
            _drop_aliases(client, name)
            client.load_collection(name)
            while _count(client, name):
                client.delete(name, filter="id >= 0")

    def _milvus(self) -> MilvusClient | None:
        """The suite's own client; None where no server was started."""
        uri = os.environ["MILVUS_URI"] or self._embedded_milvus().get("uri", "")
        if not uri:
            return None
        if self._janitor is None or self._janitor[0] != uri:
            self._janitor = (uri, MilvusClient(uri))
        return self._janitor[1]

    def _embedded_milvus(self) -> dict[str, Any]:
        """Address and process of the embedded server; empty when none was started."""
        try:
            return dict(json.loads((self.data / "milvus" / "endpoint.json").read_text()))
        except FileNotFoundError:
            return {}

    def stop(self) -> None:
        """End every server and remove every file of this run."""
        self._stop_milvus_lite()
        self._cleanup.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def _stop_milvus_lite(self) -> None:
        """Wait until the embedded server, if one was started, has gone with its last user."""
        server = self._embedded_milvus().get("pid")
        if server is None:
            return
        from search.index.connection import disconnect
        from search.index.lite import release

        disconnect()
        release()
        (self.data / "milvus" / "users.lock").unlink(missing_ok=True)
        deadline = time.monotonic() + GONE_SECONDS
        while runs(server):
            if time.monotonic() > deadline:
                sys.stderr.write(f"The embedded Milvus Lite (process {server}) did not end with the suite.\n")
                return
            time.sleep(0.1)


def _collections(client: MilvusClient, prefix: str) -> list[str]:
    return [name for name in client.list_collections() if name.startswith(f"{prefix}_")]


def _drop_aliases(client: MilvusClient, collection: str) -> None:
    for alias in client.list_aliases(collection).get("aliases", []):
        client.drop_alias(alias)


def _count(client: MilvusClient, collection: str) -> int:
    """Its rows, as a strongly consistent read has them: later reads see no older state."""
    found = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
    return int(found[0]["count(*)"])


def runs(process: int) -> bool:
    """True while a process of this id exists and has not ended (a zombie has)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return not Path("/proc").is_dir()

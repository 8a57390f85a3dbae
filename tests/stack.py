"""`make stack`: what docker-compose.yml starts, without containers: servers, site, workers by queue, beat.

PostgreSQL, Redis, Milvus and S3 are those of `pytest --services`; gunicorn runs by deploy/gunicorn.conf.py.
What ends by itself is started again, as Compose would. Load and fault tests use the same `Site`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from atelier.politeness import POLITELY
from tests.pictures import picture
from tests.services.children import free_ports, start_tied
from tests.services.servers import Stack, running_stack

ROOT = Path(__file__).resolve().parents[1]
RESTART_SECONDS = 1.0
START_SECONDS = 120.0
WAIT_SECONDS = 20.0  # so long a person looks at a page that does not come
WORKER = ("-m", "celery", "--app", "atelier", "worker", "--loglevel", "warning", "--pool", "threads")
PARTS: dict[str, tuple[str, ...]] = {
    "web": ("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "atelier.wsgi"),
    "worker-encode": (*WORKER, "--hostname", "encode@%h", "--queues", "encode", "--concurrency", "2"),
    "worker": (*WORKER, "--hostname", "rest@%h", "--queues", "generate,import,default", "--concurrency", "6"),
    "beat": ("-m", "celery", "--app", "atelier", "beat", "--loglevel", "warning", "--pidfile="),
}


class Part:
    """One of Atelier's processes, started again whenever it ends, until `stop`.

    Attributes:
        environment: what it is started with the next time.
    """

    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.environment = dict(environment)
        self._wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._wanted.set()
        self._start()
        threading.Thread(target=self._keep, name=f"keeps {self.name}", daemon=True).start()

    def _start(self) -> None:
        # As cpu_shares in docker-compose.yml: people's requests come before what can wait.
        politely = ["sh", "-c", f'{POLITELY} "$@"', "sh"] if self.name.startswith("worker") else []
        command = [*politely, sys.executable, *PARTS[self.name]]
        self._process = start_tied(command, folder=ROOT, environment=self.environment, log=self.log)

    def _keep(self) -> None:
        while self._wanted.is_set():
            if self._process and self._process.poll() is not None:
                time.sleep(RESTART_SECONDS)
                if self._wanted.is_set():
                    self._start()
            time.sleep(0.1)

    @property
    def process_id(self) -> int | None:
        """Of the process as it runs now."""
        return self._process.pid if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """To the process and all its children."""
        if self._process and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """A crash; it is started again."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        self._wanted.clear()
        self.signal(signal.SIGTERM)
        if self._process:
            try:
                self._process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)


class Program:
    """Speaks to the API with a token.

    Attributes:
        token: as the header Authorization has it, after “Token”.
    """

    def __init__(self, url: str, token: str) -> None:
        self.token = token
        self._root = f"{url}/api/v1/"

    def send(self, method: str, path: str, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Token {self.token}", **given.pop("headers", {})}
        return requests.request(method, self._root + path, headers=headers, timeout=WAIT_SECONDS, **given)

    def bring_in(self, kind: str, seed: int, size: tuple[int, int] = (300, 400)) -> str:
        """The id of a new asset with a cut-out picture, such as outfits are made of."""
        drawn = picture(format="PNG", size=size, alpha=True, seed=seed)
        answer = self.send(
            "POST", "assets/", data={"kind": kind, "title": f"{kind} {seed}"},
            files={"file": (f"{kind}.png", drawn, "image/png")},
        )  # fmt: skip
        answer.raise_for_status()
        return str(answer.json()["id"])


class Site:
    """Atelier on its servers.

    Attributes:
        servers: PostgreSQL, Redis, Milvus, S3.
        url: of the site.
        environment: Atelier's settings, for commands beside it.
        parts: web, two workers, beat.
    """

    def __init__(self, folder: Path, servers: Stack, port: int, extra: Mapping[str, str]) -> None:
        self.servers = servers
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            **servers.environment(),
            "ATELIER_DATA": str(folder / "data"),
            "STATIC_ROOT": str(folder / "static"),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "METRICS_TOKEN": "of-the-stack",
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            **extra,
        }
        self.parts = {name: Part(name, self.environment, folder / f"{name}.log") for name in PARTS}

    def manage(self, *arguments: str) -> str:
        """What `manage.py` says.

        Raises:
            RuntimeError: it failed, with what it said.
        """
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def administrator(self, password: str) -> Program:
        """Make the account `admin`, and a program that speaks in its name."""
        self.environment["DJANGO_SUPERUSER_PASSWORD"] = password
        self.manage("createsuperuser", "--no-input", "--username", "admin", "--email", "admin@example.com")
        return Program(self.url, self.manage("drf_create_token", "admin").split()[2])

    def start(self) -> None:
        """Tables, static files, index, then every process; returns when the site answers."""
        Path(self.environment["ATELIER_DATA"]).mkdir(parents=True, exist_ok=True)
        self.manage("migrate", "--no-input", "--verbosity", "0")
        self.manage("collectstatic", "--no-input", "--verbosity", "0")
        self.manage("index")
        for part in self.parts.values():
            part.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"The site does not answer. Its log: {self.parts['web'].log.read_text()}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/health/ready", timeout=5).ok
        return False

    def stop(self) -> None:
        for part in self.parts.values():
            part.stop()


@contextlib.contextmanager
def running_site(folder: Path, *, port: int = 0, extra: Mapping[str, str] | None = None) -> Iterator[Site]:
    """The whole stack under `folder`, which must be empty or from a run before; stopped at the end.

    Args:
        folder: of everything that it keeps.
        port: of the site; 0: a free one.
        extra: settings beside those of the servers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
    with running_stack(folder, in_earnest=True) as servers:
        site = Site(folder, servers, port or free_ports(1)[0], extra or {})
        try:
            site.start()
            yield site
        finally:
            site.stop()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "stack", help="default: %(default)s")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)  # the S3 of the stack keeps its objects in memory
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say("Starting PostgreSQL, Redis, Milvus, S3, the site, two workers and beat …")
    with running_site(options.folder, port=options.port) as site:
        password = secrets.token_urlsafe(12)
        site.administrator(password)
        say(f"Atelier: {site.url}/   Login: admin   Password: {password}")
        for name, value in sorted(site.servers.environment().items()):
            say(f"  {name}={value}")
        say(f"Logs: {options.folder}/*.log. Ctrl-C stops all of it and forgets what it holds.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

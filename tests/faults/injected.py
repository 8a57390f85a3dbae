"""The faults: each is done to the running stack, and undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import firewall
from tests.generation.gemini_server import Call, GeminiServer, answered, failing, picture_part
from tests.loopback import Answer
from tests.pictures import picture
from tests.services.servers import Server
from tests.stack import Site

CALL_SECONDS = 4.0
NEVER_SECONDS = 3600.0
VENDOR_SECONDS = 30  # so long Atelier waits for it here
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"  # of Debian's package `faketime`


class Vendor(GeminiServer):
    """Paints, never twice the same, or fails, or never answers, for as long as it is told to."""

    fails = hangs = False

    def well(self, call: Call) -> Answer:
        overloaded = failing(503, "UNAVAILABLE", "The model is overloaded.")
        if self.fails:
            return overloaded(call)
        if self.hangs:
            return Answer(200, None, delay=NEVER_SECONDS)
        drawn = picture(format="PNG", size=(160, 200), seed=50_000 + len(self.calls))
        return Answer(200, answered(call, [picture_part(drawn)]), delay=CALL_SECONDS)


@dataclass(frozen=True)
class World:
    """What a fault can be done to.

    Attributes:
        site: the stack.
        vendor: in place of Google's picture API.
        disk: where everything of the stack lies, of bounded size.
    """

    site: Site
    vendor: Vendor
    disk: Path


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, for so many seconds; the remark says what a table cannot."""

    name: str
    begin: Callable[[World], None]
    end: Callable[[World], None]
    seconds: float = 10.0
    remark: str = ""


def _nothing(_world: World) -> None:
    """It mends itself: what ended is started again by whoever keeps the processes."""


def _dies(name: str, of: Callable[[World], Server], remark: str = "") -> Fault:
    return Fault(
        f"{name} dies, and is back",
        lambda world: of(world).kill(),
        lambda world: of(world).start(),
        remark=remark,
    )


def _cut(name: str, of: Callable[[World], Server], remark: str = "") -> Fault:
    """As a firewall does: packets vanish, and nobody is told."""
    return Fault(
        f"the line to {name} is cut",
        lambda world: firewall.cut(of(world).port),
        lambda world: firewall.mend(of(world).port),
        remark=remark,
    )


def _kill(*parts: str) -> Callable[[World], None]:
    def kill(world: World) -> None:
        for part in parts:
            world.site.parts[part].kill()

    return kill


def _vendor(*, fails: bool = False, hangs: bool = False) -> Callable[[World], None]:
    def turn(world: World) -> None:
        world.vendor.fails, world.vendor.hangs = fails, hangs

    return turn


def _fill_disk(world: World) -> None:
    with (world.disk / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):  # to the last page
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def _free_disk(world: World) -> None:
    """Servers that ended since they could not write are started again, as Compose would."""
    (world.disk / "filler").unlink()
    servers = world.site.servers
    for server in (servers.postgres, servers.redis, servers.milvus):
        if not server.answers():
            server.kill()
            server.start()


def _clock(ahead: str) -> Callable[[World], None]:
    """Processes begin anew with another time, as a machine does that was asleep. Waiting is not faked."""

    def jump(world: World) -> None:
        for part in world.site.parts.values():
            part.environment.pop("LD_PRELOAD", None)
            if ahead:
                part.environment |= {
                    "LD_PRELOAD": FAKETIME, "FAKETIME": ahead, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                }  # fmt: skip
            part.kill()

    return jump


FAULTS = [
    Fault("none", _nothing, _nothing),
    Fault("both workers are killed", _kill("worker", "worker-encode"), _nothing),
    Fault("the site is killed", _kill("web"), _nothing),
    Fault("everything of Atelier is killed", _kill("web", "worker", "worker-encode", "beat"), _nothing),
    _dies("Redis", lambda world: world.site.servers.redis),
    _cut("Redis", lambda world: world.site.servers.redis),
    _dies("PostgreSQL", lambda world: world.site.servers.postgres),
    _cut("PostgreSQL", lambda world: world.site.servers.postgres),
    _dies(
        "Milvus",
        lambda world: world.site.servers.milvus,
        remark="Milvus may answer for up to half a minute before it has loaded its collections again "
        "(seen in one run of two). Until then words are searched.",
    ),
    _cut("Milvus", lambda world: world.site.servers.milvus),
    Fault(
        "S3 dies, and is back",
        lambda world: firewall.refuse(world.site.servers.s3.port),
        lambda world: firewall.accept(world.site.servers.s3.port),
        remark="What stands in for S3 keeps its objects in memory, so it goes on: whoever talks to it is "
        "refused and cut off, as by a machine on which it has ended.",
    ),
    _cut("S3", lambda world: world.site.servers.s3),
    Fault("the vendor fails", _vendor(fails=True), _vendor()),
    Fault(
        "the vendor hangs",
        _vendor(hangs=True),
        _vendor(),
        remark=f"It takes calls and never answers. Those are given up after {VENDOR_SECONDS} s here "
        "(GEMINI_TIMEOUT_SECONDS, 180 as shipped), and are assumed to be paid.",
    ),
    Fault("the disk of everything is full", _fill_disk, _free_disk),
    Fault(
        "the clock jumps two hours ahead, and back",
        _clock("+2h"),
        _clock(""),
        seconds=20.0,
        remark="Atelier's processes have the wrong clock. Leases and waits go by "
        "PostgreSQL's, which is right.",
    ),
]

"""`make faults`: injects every fault into the running stack while people work, and writes docs/faults.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.faults import firewall
from tests.faults.deeds import Day, Deed
from tests.faults.injected import FAKETIME, FAULTS, VENDOR_SECONDS, Fault, Vendor, World
from tests.pictures import picture
from tests.stack import ROOT, running_site, say

PAGE = ROOT / "docs" / "faults.md"
RESULTS = ROOT / "var" / "faults.json"  # of the last run of each fault
DISK = "3g"
WARM_SECONDS = 2.0  # so that the fault finds all of it begun and little of it done
LIMIT_SECONDS = 240.0
ENCODERS = ("colours:12", "colours:8")
FILES = 80
ABOUT = """\
Written by `make faults`: every fault is done for real to the running stack (PostgreSQL, Redis,
Milvus, S3, the site, two workers, beat; see `make stack`) while programs upload, import a folder, search,
build a second index, run a batch of pictures and review results, all at once. A fault lasts {seconds:.0f}
seconds and is then undone; nobody does anything but send again what was refused, under the same
`Idempotency-Key`."""


@dataclass
class Run:
    """What came of one fault: by deed, seconds until it was well again (None: not in time).

    `load` is the machine's when the fault began, of one minute; None: it was not noted.
    """

    fault: str
    seconds: float
    healed: dict[str, float | None] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    drift: str = ""
    day: str = field(default_factory=lambda: date.today().isoformat())
    load: float | None = None


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of bounded size, of which filling it hurts nobody else; needs root."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-faults-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True
    )
    try:
        yield folder
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def why_not(fault: Fault, disk: Path) -> str:
    """What this machine lacks for the fault; empty for nothing."""
    if "disk" in fault.name and not os.path.ismount(disk):
        return "needs root, to mount a small disk"
    if ("cut" in fault.name or "S3" in fault.name) and not firewall.is_up():
        return "needs root and iptables, for a network of its own"
    if "clock" in fault.name and not Path(FAKETIME).exists():
        return "needs libfaketime (Debian: faketime)"
    return ""


class Stage:
    """The stack with what people need to begin: an account, pictures, results to be reviewed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.program = world.site.administrator("only-on-loopback-1")
        self.models = [self.program.bring_in("model", 10_000 + number) for number in range(4)]
        self.garments = [self.program.bring_in("garment", 10_010 + number) for number in range(3)]
        self._seed = 0

    def day(self) -> Day:
        """A new day of work: other pictures, another folder, the other encoder."""
        self._seed += 1000
        inbox = self.world.disk / f"inbox-{self._seed}"
        inbox.mkdir()
        for number in range(FILES):
            content = picture(size=(200, 200), seed=self._seed + 500 + number)
            (inbox / f"inbox-{self._seed}-{number}.jpg").write_bytes(content)
        return Day(
            self.world,
            self.program,
            {
                "seed": self._seed, "models": self.models, "garments": self.garments, "files": FILES,
                "inbox": str(inbox), "results": self._results(),
                "encoder": ENCODERS[(self._seed // 1000 - 1) % 2],
            },
        )  # fmt: skip

    def _results(self) -> list[str]:
        """Pictures by the board, which wait for a verdict."""
        job = self.program.send(
            "POST", "generation/jobs/",
            json={"kind": "outfits", "models": self.models, "garments": self.garments, "again": True,
                  "provider": "board"},
        )  # fmt: skip
        job.raise_for_status()
        items = f"generation/jobs/{job.json()['id']}/items/"
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            rows = self.program.send("GET", items, params={"limit": 100}).json()["results"]
            if rows and {row["state"] for row in rows} == {"succeeded"}:
                return [row["id"] for row in rows]
            if time.monotonic() > deadline:
                raise RuntimeError(f"The board does not finish: {[row['state'] for row in rows]}")
            time.sleep(0.5)


def inject(fault: Fault, stage: Stage) -> Run:
    """Let people work, do the fault, undo it, and wait until everything is well again."""
    day = stage.day()
    run = Run(fault.name, fault.seconds if fault.name != "none" else 0.0)
    ended = threading.Event()
    threads = [threading.Thread(target=deed.live, args=(ended,), daemon=True) for deed in day.deeds]
    for thread in threads:
        thread.start()
    time.sleep(WARM_SECONDS)
    run.load = round(os.getloadavg()[0], 1)
    fault.begin(stage.world)
    time.sleep(run.seconds)
    fault.end(stage.world)
    undone = time.monotonic()
    day.closing = True
    while any(deed.healed_after is None for deed in day.deeds):
        for deed in day.deeds:
            if deed.healed_after is None and _is(deed.healed):
                deed.healed_after = time.monotonic() - undone
        if time.monotonic() - undone > LIMIT_SECONDS:
            break
        time.sleep(0.3)
    ended.set()
    for thread in threads:
        thread.join(timeout=30)
    for deed in day.deeds:
        run.healed[deed.name] = None if deed.healed_after is None else round(deed.healed_after, 1)
        run.lost[deed.name] = _lost(deed)
        run.seen[deed.name] = dict(deed.seen)
    run.drift = _drift(stage.world)
    return run


def _is(check: Any) -> bool:
    with contextlib.suppress(psycopg.Error, requests.RequestException):
        return bool(check())
    return False


def _lost(deed: Deed) -> str:
    try:
        return deed.lost()
    except psycopg.Error as error:
        return f"cannot be told: {error}"


def _drift(world: World) -> str:
    """What `reconcile` finds that differs between database, index and files; empty for nothing."""
    try:
        world.site.manage("reconcile", "--json")
    except RuntimeError as error:
        return str(error)[-400:]
    return ""


def kept(runs: list[Run]) -> list[Run]:
    """Keep these runs; all that are kept, in the order of the faults."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known |= {run.fault: run.__dict__ for run in runs}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")
    return [Run(**known[fault.name]) for fault in FAULTS if fault.name in known]


def _when(run: Run) -> str:
    return run.day if run.load is None else f"{run.day}, load {run.load:g}"


def page_of(runs: list[Run], left_out: dict[str, str]) -> str:
    """docs/faults.md."""
    deeds = list(runs[0].healed)
    head = f"| fault | {' | '.join(deeds)} | lost | measured |\n|---|{'---:|' * len(deeds)}---|---|"
    rows = []
    for run in runs:
        cells = ["not in time" if (s := run.healed[deed]) is None else f"{s:g}" for deed in deeds]
        lost = "; ".join(
            f"{deed}: {what}" for deed, what in run.lost.items() if what and run.healed[deed] is not None
        )
        if run.drift:
            lost += f" index or files differ: {run.drift}"
        rows.append(f"| {run.fault} | {' | '.join(cells)} | {lost or 'nothing'} | {_when(run)} |")
    parts = [
        "# When something goes wrong",
        ABOUT.format(seconds=FAULTS[1].seconds),
        "## Seconds until all that was begun was done, from the end of the fault",
        f"The first row is the same work without a fault: what it takes anyway. “Not in time”: not within"
        f" {LIMIT_SECONDS:.0f} seconds. The load is that of the machine ({os.cpu_count()} processors), with"
        " whatever else ran on it: where it is high, all of it takes longer.",
        f"{head}\n" + "\n".join(rows),
        "## What people saw meanwhile",
        "Whatever was no success, with how often; an empty place means that nobody noticed.",
    ]
    for run in runs:
        parts.append(f"### {run.fault[0].upper()}{run.fault[1:]}")
        seen = [
            f"- **{deed}**: " + "; ".join(f"{what} (× {often})" for what, often in sorted(answers.items()))
            for deed, answers in run.seen.items()
            if answers
        ]
        parts.append("\n".join(seen) or "Nothing.")
        if remark := next((fault.remark for fault in FAULTS if fault.name == run.fault), ""):
            parts.append(remark)
    if left_out:
        parts.append("## Not done here\n\n" + "\n".join(f"- {name}: {why}" for name, why in left_out.items()))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", action="append", help="faults whose names contain this; again for more, in that order"
    )
    options = parser.parse_args()
    firewall.enclose()
    chosen = dict.fromkeys(fault for part in options.only or [""] for fault in FAULTS if part in fault.name)
    runs: list[Run] = []
    left_out: dict[str, str] = {}
    with small_disk() as disk, Vendor() as vendor:
        extra = {
            "DJANGO_SETTINGS_MODULE": "tests.services.colour_settings",
            "GEMINI_API_KEY": "a-key-of-nobody",
            "GEMINI_BASE_URL": vendor.url,
            "GEMINI_TIMEOUT_SECONDS": str(VENDOR_SECONDS),
            "DAM_IMPORT_FOLDERS": str(disk),
            "THROTTLE_USER": "1000000/min",
            "COLOURS_SECONDS": "0.1",  # what each picture takes to be encoded
        }
        with running_site(disk, extra=extra) as site:
            stage = Stage(World(site, vendor, disk))
            for fault in chosen:
                if why := why_not(fault, disk):
                    left_out[fault.name] = why
                    say(f"{fault.name}: {why}")
                    continue
                runs.append(inject(fault, stage))
                PAGE.write_text(page_of(kept(runs), left_out), encoding="utf-8")  # a run may be cut off
                say(f"{fault.name}: {json.dumps(runs[-1].__dict__, ensure_ascii=False)}")
    say(f"Written: {PAGE}")
    if any(any(run.lost.values()) or run.drift or None in run.healed.values() for run in runs):
        sys.exit("Something was lost, or did not become well again.")


if __name__ == "__main__":
    main()

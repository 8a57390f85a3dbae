"""`make load`: the highest rate of a day's work that the stack answers well, then half of it for long.

Answered well: 95 of 100 requests within 300 ms, and no error. Uploads and orders keep the queues of the
workers full meanwhile. Everything, the programs too, shares one machine. Writes docs/load.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
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

import psutil

from tests.stack import ROOT, Site, running_site, say

PAGE = ROOT / "docs" / "load.md"
RATES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80)
STEP_SECONDS = 45.0
MOST_MS = 300.0
SAMPLE_SECONDS = 10.0
Steps = list[tuple[int, dict[str, Any]]]
NAMES = {"web": "site", "worker-encode": "worker, encode", "worker": "worker, the rest", "beat": "beat"}


@dataclass
class Memory:
    """MiB of each part of Atelier with its children, again and again."""

    site: Site
    samples: dict[str, list[float]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()

    def _watch(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            for name, part in self.site.parts.items():
                with contextlib.suppress(psutil.Error):
                    root = psutil.Process(part.process_id)
                    used = sum(one.memory_info().rss for one in (root, *root.children(recursive=True)))
                    self.samples.setdefault(name, []).append(used / 2**20)

    def first_and_last(self, name: str) -> tuple[float, float]:
        """Medians of the first and the last tenth, at least three samples each."""
        found = self.samples[name]
        few = max(3, len(found) // 10)
        return statistics.median(found[:few]), statistics.median(found[-few:])


class Stage:
    """The stack with its library and what orders need."""

    def __init__(self, site: Site, assets: int, folder: Path) -> None:
        self.site = site
        self._fill(assets, folder)
        self.program = site.administrator("only-on-loopback-1")
        size = (600, 800)
        self.models = [self.program.bring_in("model", 900_000 + number, size) for number in range(6)]
        self.garments = [self.program.bring_in("garment", 900_100 + number, size) for number in range(6)]
        self._uploads = 1_000_000

    def _fill(self, assets: int, folder: Path) -> None:
        """With nobody at work who would enter new assets into the outbox before their vectors are there."""
        others = [part for name, part in self.site.parts.items() if name != "web"]
        for part in others:
            part.stop()
        command = [sys.executable, "-m", "tests.load.library", str(assets), str(folder)]
        subprocess.run(command, cwd=ROOT, env=self.site.environment, check=True)
        for part in others:
            part.start()

    def day(self, rate: float, seconds: float) -> dict[str, Any]:
        """So many tasks a second for so long; what the programs measured."""
        self._uploads += 100_000
        options = {
            "host": self.site.url, "token": self.program.token, "rate": rate, "seconds": seconds,
            "models": ",".join(self.models), "garments": ",".join(self.garments),
            "first-number": self._uploads,
        }  # fmt: skip
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        done = subprocess.run(
            [sys.executable, "-m", "tests.load.day", *arguments],
            cwd=ROOT, env={**os.environ, "DJANGO_SETTINGS_MODULE": "atelier.settings"},
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def answers_well(came: dict[str, Any]) -> bool:
    return came["failures"] == 0 and came["p95_ms"] < MOST_MS


def page_of(assets: int, steps: Steps, long: dict[str, Any], memory: Memory) -> str:
    """docs/load.md."""
    rows = [
        f"| {rate} | {came['rate']:g} | {came['p50_ms']:g} | {came['p95_ms']:g} | {came['p99_ms']:g} "
        f"| {came['failures']} |"
        for rate, came in steps
    ]
    by_name = [
        f"| {name} | {one['requests']} | {one['p50_ms']:g} | {one['p95_ms']:g} |"
        for name, one in sorted(long["by_name"].items())
    ]
    used = []
    for name in memory.samples:
        first, last = memory.first_and_last(name)
        used.append(f"| {NAMES[name]} | {first:.0f} | {last:.0f} | {max(memory.samples[name]):.0f} |")
    return f"""\
# A day's work

Written by `make load` on {date.today().isoformat()}: {assets:,} assets on the stack of `make stack`. Of 100
requests 70 search, 20 look around, 5 upload a picture, 5 plan pictures or order them, so that the workers
encode and generate all the time. The servers, the site, the workers and the programs share one machine of
{os.cpu_count()} processors.

## How much of it

Each rate for {STEP_SECONDS:.0f} s. Answered well: 95 of 100 within {MOST_MS:.0f} ms, and no error.

| tasks a second | requests a second | p50 ms | p95 ms | p99 ms | errors |
|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

## For how long

{long["rate"]:g} requests a second for {long["seconds"] / 60:.0f} minutes: {long["requests"]:,} requests,
{long["failures"]} errors, p50 {long["p50_ms"]:g} ms, p95 {long["p95_ms"]:g} ms, p99 {long["p99_ms"]:g} ms.

| request | how many | p50 ms | p95 ms |
|---|---:|---:|---:|
{chr(10).join(by_name)}

Memory in MiB, children included; the first and the last tenth of the time (medians):

| part | at first | at last | most |
|---|---:|---:|---:|
{chr(10).join(used)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60.0, help="of half the highest rate")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="atelier-load-"))
    try:
        with running_site(folder, extra={"THROTTLE_USER": "1000000/min"}) as site:
            stage = Stage(site, options.assets, folder)
            stage.day(2, 20)  # every process has answered once
            steps: Steps = []
            for rate in RATES:
                steps.append((rate, stage.day(rate, STEP_SECONDS)))
                say(f"{rate}: {json.dumps(steps[-1][1])}")
                if not answers_well(steps[-1][1]):
                    break
            well = [rate for rate, came in steps if answers_well(came)]
            if not well:
                sys.exit("Not even the lowest rate was answered well.")
            time.sleep(5)
            memory = Memory(site)
            with memory.watched():
                long = stage.day(max(well) / 2, options.minutes * 60)
            long["seconds"] = options.minutes * 60
            say(f"long: {json.dumps(long)}")
            PAGE.write_text(page_of(options.assets, steps, long, memory), encoding="utf-8")
            say(f"Written: {PAGE}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not answers_well(long):
        sys.exit("It was not answered well to the end.")


if __name__ == "__main__":
    main()

"""`manage.py demo` on an empty data folder, as the README has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.environment import TestEnvironment

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("DATABASE_URL", "REDIS_URL", "MILVUS_URI", "S3_BUCKET")


def demo(data: Path) -> dict[str, Any]:
    kept = {name: value for name, value in os.environ.items() if name not in SERVERS}
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--json"],
        cwd=ROOT,
        env=kept | {"ATELIER_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.mark.timeout(900)
def test_the_demo_does_all_of_it_and_nothing_twice(environment: TestEnvironment, tmp_path: Path) -> None:
    if environment.services:
        pytest.skip("the demo runs on the embedded parts; this run is on servers")
    report = demo(tmp_path)

    assert report["assets"] == report["new_assets"] > 2000
    assert report["indexed"] == report["index"]["vectors"] == report["assets"] + len(report["batch"])
    assert report["pictures_per_second"] > 0 and report["index"]["bytes"] > 0
    crown, watch, elf = report["searches"]
    assert (crown["query"], crown["results"][0]["title"]) == ("golden crown", "Crown")
    assert (watch["query"], watch["results"][0]["title"]) == ("金色手表", "Watch")
    assert elf["query"] == "一位精灵弓箭手"
    assert "精灵" in elf["results"][0]["title_zh"]
    assert len(report["similar"]["results"]) == 5
    assert len(report["batch"]) >= 12
    assert all(Path(row["file"]).is_file() for row in report["batch"])
    assert report["batch"][0]["asset"] in [row["id"] for row in report["found_again"]["results"]]

    again = demo(tmp_path)
    assert (again["new_assets"], again["assets"]) == (0, report["assets"] + len(report["batch"]))

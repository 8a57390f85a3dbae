"""A thousand pictures against a vendor on loopback, with workers killed at random and Redis restarted.

The ideal schedule is what no scheduler can beat: every call takes the vendor's seconds, as many as the vendor
takes run at all times, and nothing else takes any time: ceil(pictures / calls at once) × seconds of a call.
There is no rate limit besides. The clock runs from when the job may be claimed, with workers that are up,
until the last picture is in the library. Vendor, workers, PostgreSQL and Redis share the machine's cores: the
bare client's seconds, with no work but the calls, say how much of the rest is the machine's.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tests.benchmarks.library import broker_and_database
from tests.benchmarks.rows import Row, report
from tests.services.children import free_ports

if TYPE_CHECKING:
    from tests.generation.night import Outcome, Vendor
    from tests.services.servers import Redis

ITEMS = 1000
CALLS = 16  # at the same time
CALL_SECONDS = 12.0  # as long as the provider says that a picture takes
WORKERS = 3
THREADS = 8
DEATHS = 12
EVERY = (15.0, 30.0)
REDIS_DEATHS = 2
BARE_ITEMS = 96  # a multiple of CALLS
# An address where nothing listens: what is delivered waits to be indexed, as when the index is away.
NOWHERE = "http://127.0.0.1:{port}"


def run() -> None:
    """The night, then as many calls by the bare client."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atelier-bench-")))
        broker = stack.enter_context(broker_and_database(folder, **_settings()))
        from tests.generation.night import Vendor

        vendor = stack.enter_context(Vendor(CALL_SECONDS))
        _point_at(vendor.url)
        outcome = _night(vendor, broker, folder, stack)
        bare = _bare(vendor.url) * ITEMS / BARE_ITEMS
    ideal = math.ceil(ITEMS / CALLS) * CALL_SECONDS
    rows = [
        Row("generation.duplicate_calls", outcome.duplicate_calls, "calls", "goal", 0),
        Row("generation.lost_items", outcome.lost_items, "items", "goal", 0),
        Row("generation.assumed_calls", outcome.assumed_calls, "calls", "goal", 0),
        Row("generation.unbooked_calls", outcome.unbooked_calls, "calls", "goal", 0),
        Row("generation.overhead", round(outcome.seconds / ideal - 1, 4), "share", "goal", 0.05),
        Row(
            "generation.seconds",
            round(outcome.seconds, 1),
            "s",
            f"google-genai in {CALLS} threads, nothing else",
            round(bare, 1),
        ),
    ]
    about = (
        f"{ITEMS:,} pictures of {CALL_SECONDS:g} s each, {CALLS} at the same time, from a Gemini server on "
        f"loopback that counts its calls; {WORKERS} workers of {THREADS} threads on PostgreSQL and Redis, "
        f"{outcome.deaths} deaths: {DEATHS} SIGKILLs of a worker at most and {REDIS_DEATHS} of Redis, "
        f"{EVERY[0]:g} to {EVERY[1]:g} s apart. Until each picture is an asset in the library; search index "
        "and scores come after. The books balance: " + ("yes." if outcome.books_balance else "no!")
    )
    report("generation", about, rows)


def _point_at(address: str) -> None:
    """This process's Gemini, and that of those that it starts."""
    from django.conf import settings

    os.environ["GEMINI_BASE_URL"] = address
    settings.GENERATION_PROVIDERS["gemini"]["OPTIONS"]["base_url"] = address


def _night(vendor: Vendor, broker: Redis, folder: Path, stack: ExitStack) -> Outcome:
    from tests.generation.night import log_of, new_job, run_night
    from tests.services.processes import Process, eventually, start_worker

    started: list[Process] = []

    def start() -> Process:
        started.append(start_worker(log_of(folder, len(started)), threads=THREADS))
        stack.callback(started[-1].kill)
        return started[-1]

    job = new_job(ITEMS)
    workers = [start() for _number in range(WORKERS)]
    for worker in tqdm(workers, "Workers"):
        for ready in ("ready.", "the courier is ready"):
            eventually(
                lambda said=worker, word=ready: word in said.output, "the worker is ready", process=worker
            )
    return run_night(
        job,
        vendor,
        workers,
        start,
        broker,
        deaths=DEATHS,
        every=EVERY,
        redis_deaths=REDIS_DEATHS,
        limit=3600,
    )


def _bare(address: str) -> float:
    """Seconds of so many calls by the vendor's client alone, the same number at once."""
    from google import genai
    from google.genai import types

    from tests.pictures import picture

    client = genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=address))
    part = types.Part.from_bytes(data=picture(), mime_type="image/jpeg")

    def call(number: int) -> None:
        client.models.generate_content(model="gemini-nano-banana-2.1", contents=[part, f"bare {number}"])

    began = time.monotonic()
    with ThreadPoolExecutor(CALLS) as pool:
        list(tqdm(pool.map(call, range(BARE_ITEMS)), "The bare client", total=BARE_ITEMS))
    return time.monotonic() - began


def _settings() -> dict[str, str]:
    """What the night is set to, for all its processes."""
    return {
        "GEMINI_API_KEY": "test-key",
        "LOG_LEVEL": "INFO",  # a courier says when it is ready
        "GENERATION_PARALLEL_CALLS": f'{{"gemini": {CALLS}}}',
        "MILVUS_URI": NOWHERE.format(port=free_ports(1)[0]),
    }

"""A night of generation: a job on real workers that are killed, a broker that dies, a vendor that counts."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from django.db.models import Sum
from kombu.exceptions import OperationalError
from PIL import Image

from generation.jobs import create_job
from generation.models import GenerationItem, GenerationJob, ItemState, JobState, SpendEntry, SpendState
from generation.planning import Manner, plan_outfits
from generation.tasks import sweep
from tests.factories import AssetFactory
from tests.generation.gemini_server import Call, GeminiServer, answered, picture_part
from tests.loopback import Answer
from tests.services.processes import Process
from tests.services.servers import Redis

SWEEP_SECONDS = 5.0


class Vendor(GeminiServer):
    """Gemini, which takes its time and never paints the same picture twice.

    Args:
        seconds: that every call takes.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def well(self, call: Call) -> Answer:
        draw = random.Random(str(call.texts))
        small = Image.frombytes("RGB", (8, 8), draw.randbytes(8 * 8 * 3))
        content = BytesIO()
        small.resize((256, 256), Image.Resampling.BICUBIC).save(content, "PNG")
        return Answer(200, answered(call, [picture_part(content.getvalue())]), delay=self._seconds)

    @property
    def calls_of_each(self) -> Counter[str]:
        """By what was asked for: the titles of the inputs tell the cells apart."""
        return Counter(str(call.texts) for call in self.calls)


@dataclass(frozen=True)
class Outcome:
    """What came of a night, by the vendor's ledger and by ours.

    Attributes:
        duplicate_calls: calls that reached the vendor beyond the first of each cell.
        lost_items: cells without a picture.
        unbooked_calls: calls at the vendor less the calls in our ledger that count.
        assumed_calls: those of which we do not know whether they were answered.
    """

    seconds: float
    calls: int
    duplicate_calls: int
    lost_items: int
    unbooked_calls: int
    assumed_calls: int
    deaths: int
    books_balance: bool


def new_job(items: int) -> GenerationJob:
    """Ten models in so many garments, for `gemini`."""
    models, garments = min(10, items), -(-items // 10)
    plan = plan_outfits(
        [
            AssetFactory(kind="model", title=f"Model {number}", picture={"seed": number, "colour": "tan"})
            for number in range(models)
        ],
        [
            AssetFactory(kind="garment", title=f"Coat {number}", picture={"seed": 1000 + number})
            for number in range(garments)
        ],
        provider="gemini",
        manner=Manner(again=True),  # the pictures of another job are the same
    )
    assert plan.picture_count == items
    return create_job(plan, owner=None, in_background=False)


def run_night(
    job: GenerationJob,
    vendor: Vendor,
    workers: list[Process],
    start_worker: Callable[[], Process],
    redis: Redis,
    *,
    deaths: int,
    every: tuple[float, float],
    redis_deaths: int,
    limit: float,
    seed: int = 1,
) -> Outcome:
    """Run the job while workers are killed at random and replaced, and Redis dies and comes back.

    Args:
        every: the shortest and the longest time between two deaths, in seconds.
        limit: seconds after which it is given up.
    """
    draw = random.Random(seed)
    incidents = ["worker"] * deaths + ["redis"] * redis_deaths
    draw.shuffle(incidents)
    began = time.monotonic()
    next_sweep, next_death = began, began + draw.uniform(*every)
    while _goes_on(job) and time.monotonic() - began < limit:
        now = time.monotonic()
        if now >= next_sweep:
            with suppress(OperationalError):
                sweep.apply_async(expires=SWEEP_SECONDS)  # as beat does
            next_sweep = now + SWEEP_SECONDS
        if incidents and now >= next_death:
            if incidents.pop() == "redis":
                redis.kill()
                redis.start()
            else:
                victim = draw.randrange(len(workers))
                workers[victim].kill()
                workers[victim] = start_worker()
            next_death = time.monotonic() + draw.uniform(*every)
        for number, worker in enumerate(workers):
            if not worker.runs:  # as a supervisor does: Celery ends now and then when its broker comes back
                workers[number] = start_worker()
        time.sleep(0.1)
    return _outcome(job, vendor, time.monotonic() - began, deaths + redis_deaths - len(incidents))


def _goes_on(job: GenerationJob) -> bool:
    return not GenerationJob.objects.filter(pk=job.pk, state=JobState.FINISHED).exists()


def _outcome(job: GenerationJob, vendor: Vendor, seconds: float, deaths: int) -> Outcome:
    job.refresh_from_db()
    made = GenerationItem.objects.filter(job=job, state=ItemState.SUCCEEDED, output__isnull=False).count()
    entries = SpendEntry.objects.filter(job=job).exclude(state=SpendState.RELEASED)
    return Outcome(
        seconds=seconds,
        calls=len(vendor.calls),
        duplicate_calls=sum(count - 1 for count in vendor.calls_of_each.values()),
        lost_items=job.items.count() - made,
        unbooked_calls=len(vendor.calls) - entries.count(),
        assumed_calls=entries.filter(state=SpendState.ASSUMED).count(),
        deaths=deaths,
        books_balance=job.committed_micros == entries.aggregate(sum=Sum("amount_micros"))["sum"],
    )


def log_of(folder: Path, number: int) -> Path:
    """Where a worker's output goes."""
    return folder / f"worker-{number}.log"

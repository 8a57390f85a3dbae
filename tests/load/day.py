"""`python -m tests.load.day`: programs do what people do in a day, at a given rate; prints what came.

A process of its own: locust works with gevent, which changes the whole process that loads it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys

import gevent
from locust import HttpUser, constant_throughput, task
from locust.env import Environment

from tests.benchmarks.search import sentences
from tests.pictures import picture

WORDS = sentences(4_000, seed=11)
KINDS = ("garment", "product", "scene", "model", "prop")
# One number for each picture that was ever uploaded: no two runs upload the same.
NUMBERS = itertools.count()


class Person(HttpUser):
    """70 of 100 requests search, 20 look around, 5 upload, 5 plan and order pictures.

    Words are drawn as people's are: some again and again, most of them new.
    """

    wait_time = constant_throughput(1)
    token = ""
    models: tuple[str, ...] = ()
    garments: tuple[str, ...] = ()
    first_number = 0

    def on_start(self) -> None:
        self.client.headers["Authorization"] = f"Token {self.token}"

    def _words(self) -> str:
        return WORDS[min(int(random.paretovariate(0.6)), len(WORDS)) - 1]

    @task(56)
    def search(self) -> None:
        self.client.get("/api/v1/search/", params={"q": self._words()}, name="search")

    @task(14)
    def search_narrowed(self) -> None:
        narrowed = {"q": self._words(), "kind": random.choice(KINDS), "facets": "true"}
        self.client.get("/api/v1/search/", params=narrowed, name="search, narrowed, with counts")

    @task(10)
    def browse(self) -> None:
        self.client.get("/api/v1/assets/", params={"kind": random.choice(KINDS)}, name="list of assets")

    @task(10)
    def look(self) -> None:
        answer = self.client.get("/api/v1/assets/", params={"page_size": 1}, name="newest asset")
        if answer.ok and (found := answer.json()["results"]):
            self.client.get(f"/api/v1/assets/{found[0]['id']}/", name="one asset")

    @task(5)
    def upload(self) -> None:
        number = self.first_number + next(NUMBERS)
        file = (f"{number}.jpg", picture(size=(640, 480), seed=number), "image/jpeg")
        self.client.post("/api/v1/assets/", files={"file": file}, name="upload")

    @task(4)
    def plan(self) -> None:
        self.client.post("/api/v1/generation/plans/", json=self._order(), name="plan")

    @task(1)
    def order(self) -> None:
        self.client.post("/api/v1/generation/jobs/", json={**self._order(), "again": True}, name="order")

    def _order(self) -> dict[str, object]:
        return {
            "kind": "outfits", "provider": "board",
            "models": random.sample(self.models, 2), "garments": random.sample(self.garments, 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--rate", type=float, required=True, help="tasks a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--garments", required=True)
    parser.add_argument("--first-number", type=int, required=True)
    options = parser.parse_args()
    Person.host, Person.token, Person.first_number = options.host, options.token, options.first_number
    Person.models, Person.garments = tuple(options.models.split(",")), tuple(options.garments.split(","))
    people = max(1, round(options.rate))
    Person.wait_time = constant_throughput(options.rate / people)
    environment = Environment(user_classes=[Person])
    runner = environment.create_local_runner()
    runner.start(people, spawn_rate=people)
    gevent.sleep(min(5.0, options.seconds / 5))
    environment.stats.reset_all()  # the first requests of everybody come at once
    gevent.sleep(options.seconds)
    runner.quit()
    total = environment.stats.total
    came = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "rate": round(total.num_requests / options.seconds, 2),
        "p50_ms": total.get_response_time_percentile(0.5),
        "p95_ms": total.get_response_time_percentile(0.95),
        "p99_ms": total.get_response_time_percentile(0.99),
        "errors": {f"{e.name}: {e.error}"[:200]: e.occurrences for e in environment.stats.errors.values()},
        "by_name": {
            entry.name: {
                "requests": entry.num_requests,
                "p50_ms": entry.get_response_time_percentile(0.5),
                "p95_ms": entry.get_response_time_percentile(0.95),
            }
            for entry in environment.stats.entries.values()
        },
    }
    sys.stdout.write(json.dumps(came) + "\n")


if __name__ == "__main__":
    main()

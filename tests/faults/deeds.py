"""What people do while something goes wrong, as programs that try again like people do, and what they saw."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import requests

from tests.faults.injected import World
from tests.pictures import picture
from tests.stack import WAIT_SECONDS, Program

AGAIN_SECONDS = 1.0


@dataclass
class Deed:
    """One kind of work.

    Attributes:
        name: as the table has it.
        act: does some of it once; called again and again until `enough`.
        healed: whether all that was begun is done, as the database has it.
        lost: what is missing or there twice at the end, in words; empty for nothing.
        seen: answers that were no success, as people saw them, with how often.
    """

    name: str
    act: Callable[[], str | None]
    healed: Callable[[], bool]
    lost: Callable[[], str]
    pause: float = 0.5
    seen: Counter[str] = field(default_factory=Counter)
    healed_after: float | None = None

    def live(self, ended: threading.Event) -> None:
        """Act until told to end; what is not a success is noted, and tried again."""
        while not ended.is_set():
            try:
                problem = self.act()
            except requests.RequestException as error:
                problem = _in_words(error)
            if problem:
                self.seen[problem] += 1
                time.sleep(AGAIN_SECONDS)
            time.sleep(self.pause)


def _in_words(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer for {WAIT_SECONDS:.0f} s"
    return "no connection"


def said(answer: requests.Response) -> str:
    """The status with the problem's title, or what the body says."""
    try:
        problem = answer.json()
        return f"{answer.status_code}: {problem.get('detail') or problem.get('title')}"[:160]
    except ValueError:
        return str(answer.status_code)


class Day:
    """All that people do in one run.

    Args:
        world: where.
        program: in the name of an administrator.
        prepared: ids that stand ready: `models`, `garments`, `results` to be reviewed, `inbox` of files.

    Attributes:
        closing: no new upload is begun; what was begun goes on.
    """

    def __init__(self, world: World, program: Program, prepared: dict[str, Any]) -> None:
        self.world, self.program, self.prepared = world, program, prepared
        self._uploads: dict[str, str] = {}  # key of the request → id of the asset
        self._key = ""
        self._number = prepared["seed"]
        self._import = self._job = ""
        self._approved: list[str] = []
        self._reindexing = False
        self.closing = False
        self.deeds = [
            Deed("upload", self._upload, self._uploads_are_there, self._lost_uploads),
            Deed("import", self._start_import, self._import_is_done, self._lost_imports),
            Deed("index", lambda: None, self._index_is_level, lambda: ""),
            Deed("search", self._search, self._search_is_whole, lambda: ""),
            Deed("reindex", self._start_reindex, self._reindex_is_done, lambda: ""),
            Deed("job run", self._start_job, self._job_is_done, self._lost_pictures),
            Deed("review", self._approve, self._reviews_are_kept, self._lost_reviews),
        ]

    def ask_database(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.world.site.servers.postgres.url, connect_timeout=3) as client:
            return client.execute(query, values).fetchall()  # type: ignore[arg-type]

    # ── Uploads ──────────────────────────────────────────────────────────────────────────────────

    def _upload(self) -> str | None:
        """The same key until it is answered: so nothing is there twice, whatever was cut off."""
        if not self._key:
            if self.closing:
                return None
            self._key = uuid.uuid4().hex
            self._number += 1
        answer = self.program.send(
            "POST",
            "assets/",
            headers={"Idempotency-Key": self._key},
            data={"title": f"Upload {self._number}"},
            files={"file": (f"{self._number}.jpg", self._picture(), "image/jpeg")},
        )
        if answer.status_code != 201:
            return said(answer)
        self._uploads[self._key] = answer.json()["id"]
        self._key = ""
        return None

    def _picture(self) -> bytes:
        colour = f"hsl({self._number * 47 % 360}, 80%, 45%)"
        return picture(size=(240, 240), colour=colour, seed=self._number)

    def _uploads_are_there(self) -> bool:
        return not self._key and not self._lost_uploads()

    def _lost_uploads(self) -> str:
        ids = list(self._uploads.values())
        rows = self.ask_database("select count(*) from dam_asset where public_id = any(%s)", ids)
        missing = len(ids) - rows[0][0]
        twice = self.ask_database(
            "select count(*) from (select title from dam_asset where title like 'Upload %%'"
            " group by title having count(*) > 1) as twice"
        )[0][0]
        return _words(missing=missing, twice=twice)

    # ── An import of a folder ────────────────────────────────────────────────────────────────────

    def _start_import(self) -> str | None:
        if self._import:
            return None
        answer = self.program.send(
            "POST", "imports/", headers={"Idempotency-Key": f"import-{self.prepared['seed']}"},
            json={"folder": self.prepared["inbox"], "kind": "prop", "dry_run": False},
        )  # fmt: skip
        if answer.status_code != 201:
            return said(answer)
        self._import = answer.json()["id"]
        return None

    def _import_is_done(self) -> bool:
        rows = self.ask_database("select state from dam_import where public_id = %s", self._import or None)
        return [state for (state,) in rows] == ["done"]

    def _lost_imports(self) -> str:
        rows = self.ask_database(
            "select imported + duplicates, total from dam_import where public_id = %s", self._import or None
        )
        missing = self.prepared["files"] - (rows[0][0] if rows else 0)
        kept = self.ask_database(
            "select count(*) from dam_assetversion where original_name like %s",
            f"inbox-{self.prepared['seed']}-%",
        )[0][0]
        return _words(missing=missing, twice=max(0, kept - self.prepared["files"]))

    # ── Index and search ─────────────────────────────────────────────────────────────────────────

    def _index_is_level(self) -> bool:
        waiting = "select count(*) from search_indexentry where state in ('pending', 'working', 'failed')"
        return bool(self.ask_database(waiting)[0][0] == 0)

    def _search(self) -> str | None:
        answer = self.program.send("GET", "search/", params={"q": "red picture"})
        if answer.status_code != 200:
            return said(answer)
        degraded = answer.json()["degraded"]
        return f"200, by words alone, and says so: {degraded}"[:160] if degraded else None

    def _search_is_whole(self) -> bool:
        return self._search() is None

    def _start_reindex(self) -> str | None:
        """As an administrator does on the page, by the command of the same name."""
        if self._reindexing:
            return None
        try:
            self.world.site.manage("index", "--reindex", self.prepared["encoder"])
        except RuntimeError as error:
            return f"the command says: {str(error).strip().splitlines()[-1]}"[:160]
        self._reindexing = True
        return None

    def _reindex_is_done(self) -> bool:
        rows = self.ask_database("select encoder from search_space where state = 'live'")
        return [encoder for (encoder,) in rows] == [self.prepared["encoder"]]

    # ── Generation ───────────────────────────────────────────────────────────────────────────────

    def _start_job(self) -> str | None:
        if self._job:
            return None
        answer = self.program.send(
            "POST", "generation/jobs/", headers={"Idempotency-Key": f"job-{self.prepared['seed']}"},
            json={
                "kind": "outfits", "models": self.prepared["models"], "garments": self.prepared["garments"],
                "provider": "gemini", "budget": "100", "again": True,
            },
        )  # fmt: skip
        if answer.status_code != 201:
            return said(answer)
        self._job = answer.json()["id"]
        return None

    def _items(self) -> Counter[str]:
        rows = self.ask_database(
            "select item.state, count(*) from generation_generationitem item"
            " join generation_generationjob job on job.id = item.job_id where job.public_id = %s"
            " group by item.state",
            self._job or None,
        )
        return Counter(dict(rows))

    def _job_is_done(self) -> bool:
        states = self._items()
        return states.total() > 0 and set(states) == {"succeeded"}

    def _lost_pictures(self) -> str:
        cells = len(self.prepared["models"]) * len(self.prepared["garments"])
        made = self.ask_database(
            "select count(distinct item.output_id) from generation_generationitem item"
            " join generation_generationjob job on job.id = item.job_id where job.public_id = %s",
            self._job or None,
        )[0][0]
        return _words(missing=cells - made, twice=0)

    # ── Review ───────────────────────────────────────────────────────────────────────────────────

    def _approve(self) -> str | None:
        waiting = [item for item in self.prepared["results"] if item not in self._approved]
        if not waiting:
            return None
        key = {"Idempotency-Key": f"approve-{waiting[0]}"}
        answer = self.program.send("POST", f"generation/items/{waiting[0]}/approve/", headers=key, json={})
        if answer.status_code != 200:
            return said(answer)
        self._approved.append(waiting[0])
        return None

    def _reviews_are_kept(self) -> bool:
        return not self._lost_reviews()

    def _lost_reviews(self) -> str:
        rows = self.ask_database(
            "select count(*) from generation_generationitem item join dam_asset asset"
            " on asset.id = item.output_id where item.public_id = any(%s) and item.verdict = 'approved'"
            " and asset.state = 'approved'",
            self._approved,
        )
        return _words(missing=len(self._approved) - rows[0][0], twice=0)


def _words(*, missing: int, twice: int) -> str:
    parts = [f"{missing} missing"] * bool(missing) + [f"{twice} twice"] * bool(twice)
    return ", ".join(parts)

"""The outbox: every change of an asset becomes a row, and rows become vectors in Milvus.

Any number of workers may drain at once. Each step can be repeated: claiming is a conditional update
with a lease, vectors are kept by file content, Milvus is written by upsert, and an entry is done only
if it has not been changed since it was read.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, Value, When
from django.utils import timezone
from tqdm import tqdm

from dam import custom_fields
from dam.models import Asset, AssetVersion
from search.documents import document_for
from search.encoders.base import EncoderError
from search.index import Document, IndexUnavailable
from search.models import Embedding, IndexEntry, IndexState, Space
from search.pipeline import Encoded, Pipeline
from search.spaces import active_spaces, encoder_of, index_of, worked_spaces

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
MAX_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300
CHUNK = 500
BATCHES_AT_ONCE = 3  # one is written, one is encoded, one is decoded


@dataclass
class DrainReport:
    """What one drain did."""

    indexed: int = 0
    removed: int = 0
    failed: int = 0
    encoded: int = 0
    seconds: float = 0.0
    postponed: str = ""
    """Why the rest had to wait (Milvus or the encoder did not answer), or empty."""

    @property
    def pictures_per_second(self) -> float:
        return self.encoded / self.seconds if self.seconds else 0.0


def enqueue(asset_ids: Iterable[int], spaces: Sequence[Space] | None = None) -> None:
    """Note that these assets have to be looked at again, in every space that is being kept.

    Called inside the transaction that changed them: the note is there exactly if the change is.
    """
    ids = list(dict.fromkeys(asset_ids))
    now = timezone.now()
    for space in spaces if spaces is not None else active_spaces():
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            IndexEntry.objects.filter(space=space, asset_key__in=chunk).update(
                state=IndexState.PENDING,
                revision=F("revision") + 1,
                not_before=now,
                attempts=0,
                last_error="",
                leased_until=None,
            )
            IndexEntry.objects.bulk_create(
                [IndexEntry(space=space, asset_key=key) for key in chunk], ignore_conflicts=True
            )


def drain(space: Space | None = None, *, progress: bool = False, limit: int | None = None) -> DrainReport:
    """Work off what is due, in batches, until nothing is or Milvus or the encoder fails.

    Args:
        space: only this one; None: every space that is kept.
        progress: show a bar on standard error.
        limit: stop after about this many entries.
    """
    report = DrainReport()
    started = time.perf_counter()
    for one in [space] if space else worked_spaces():
        due = IndexEntry.objects.claimable().filter(space=one)
        with tqdm(total=due.count(), unit="asset", desc=str(one), disable=not progress) as bar:
            for size in _drain_space(one, report, limit):
                bar.update(size)
    report.seconds = time.perf_counter() - started
    return report


def _drain_space(space: Space, report: DrainReport, limit: int | None) -> Iterator[int]:
    """Batch after batch: while the oldest is written, the others are decoded and encoded."""
    done = claimed = 0
    waiting: deque[Batch] = deque()
    with Pipeline(lambda: encoder_of(space)) as pipeline:
        try:
            while True:
                while len(waiting) < BATCHES_AT_ONCE and (limit is None or claimed < limit):
                    entries = _claim(space, settings.SEARCH_BATCH_SIZE * 2)
                    if not entries:
                        break
                    claimed += len(entries)
                    waiting.append(Batch(entries))
                    _start(space, waiting[-1], pipeline)
                if not waiting:
                    break
                _finish(space, waiting, report)
                size = len(waiting.popleft().entries)
                done += size
                yield size
        except (IndexUnavailable, EncoderError) as error:
            for batch in waiting:
                _postpone(batch.entries, str(error))
            report.postponed = str(error)
            logger.warning("Indexing waits: %s", error)
    if done:
        try:
            index_of(space).flush()
        except IndexUnavailable as error:
            logger.warning("Flush after indexing failed: %s", error)


def _claim(space: Space, size: int) -> list[IndexEntry]:
    """Take up to `size` due entries for this worker; nobody else gets them while the lease lasts."""
    now = timezone.now()
    with transaction.atomic():
        due = IndexEntry.objects.claimable().filter(space=space).order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, no_key=True)
        entries = list(due[:size])
        IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
            state=IndexState.WORKING, leased_until=now + LEASE, attempts=F("attempts") + 1
        )
    return entries


def _postpone(entries: Sequence[IndexEntry], reason: str) -> None:
    """Put entries back because of an outage. It is not their fault, so it costs them no attempt."""
    attempts = max(entry.attempts for entry in entries)
    wait = min(LONGEST_WAIT_SECONDS, 2 ** min(attempts + 1, 10))
    IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.WORKING).update(
        state=IndexState.PENDING,
        last_error=reason,
        leased_until=None,
        not_before=timezone.now() + timedelta(seconds=wait),
    )


@dataclass
class Batch:
    """Entries that one worker has claimed, and the work under way for them."""

    entries: list[IndexEntry]
    assets: dict[int, Asset] = field(default_factory=dict)
    known: dict[str, np.ndarray] = field(default_factory=dict)
    """The vectors that were there, by file content."""
    encoding: Future[Encoded] | None = None

    @property
    def kept(self) -> list[IndexEntry]:
        return [entry for entry in self.entries if entry.asset_key in self.assets]

    @property
    def gone(self) -> list[IndexEntry]:
        return [entry for entry in self.entries if entry.asset_key not in self.assets]


def _start(space: Space, batch: Batch, pipeline: Pipeline) -> None:
    """Read the batch's rows and begin to encode those files that have no vector yet."""
    batch.assets = {
        asset.pk: asset
        for asset in Asset.objects.in_library()
        .filter(pk__in=[entry.asset_key for entry in batch.entries], current__isnull=False)
        .select_related("current")
        .prefetch_related("tags", "skus", "collection_links")
    }
    versions = {_sha256(asset): _version(asset) for asset in batch.assets.values()}
    batch.known = {
        row.sha256: np.frombuffer(row.vector, dtype="<f4")
        for row in Embedding.objects.filter(space=space, sha256__in=list(versions))
    }
    missing = [version for sha256, version in versions.items() if sha256 not in batch.known]
    batch.encoding = pipeline.encode(missing) if missing else None


def _finish(space: Space, waiting: Sequence[Batch], report: DrainReport) -> None:
    """The oldest batch: remove what is gone, keep new vectors, write the rest in one upsert."""
    batch = waiting[0]
    index_of(space).delete([entry.asset_key for entry in batch.gone])
    report.removed += _settle(batch.gone, IndexState.REMOVED)
    _forget_deleted(batch.gone)

    vectors = _vectors(space, waiting, report)
    ready = [entry for entry in batch.kept if entry.asset_key in vectors.found]
    fields = custom_fields.by_slug() if ready else {}
    documents: list[Document] = [document_for(batch.assets[entry.asset_key], fields) for entry in ready]
    if ready:
        index_of(space).upsert(documents, np.stack([vectors.found[entry.asset_key] for entry in ready]))
    hashes = {entry.pk: _sha256(batch.assets[entry.asset_key]) for entry in ready}
    report.indexed += _settle(ready, IndexState.INDEXED, hashes)
    report.failed += _fail(batch.kept, vectors.broken)


@dataclass
class _Vectors:
    found: dict[int, np.ndarray]
    broken: dict[int, str]


def _vectors(space: Space, waiting: Sequence[Batch], report: DrainReport) -> _Vectors:
    """The vector of each file of the oldest batch: from before, or new and kept from now on."""
    batch = waiting[0]
    encoded = _await(batch.encoding, waiting) if batch.encoding else Encoded()
    Embedding.objects.bulk_create(
        [
            Embedding(space=space, sha256=sha256, vector=vector.astype("<f4").tobytes())
            for sha256, vector in encoded.vectors.items()
        ],
        ignore_conflicts=True,
    )
    report.encoded += len(encoded.vectors)
    by_hash = batch.known | encoded.vectors
    sha256_of = {key: _sha256(asset) for key, asset in batch.assets.items()}
    return _Vectors(
        found={key: by_hash[sha256] for key, sha256 in sha256_of.items() if sha256 in by_hash},
        broken={key: encoded.broken[sha256] for key, sha256 in sha256_of.items() if sha256 in encoded.broken},
    )


def _await(encoding: Future[Encoded], waiting: Sequence[Batch]) -> Encoded:
    """Wait for the encoder; a slow one does not cost the lease of what waits behind it."""
    while True:
        try:
            return encoding.result(timeout=LEASE.total_seconds() / 4)
        except TimeoutError:
            if encoding.done():  # the encoder's own time-out, not ours
                raise
            _renew([entry for batch in waiting for entry in batch.entries])


def _renew(entries: Sequence[IndexEntry]) -> None:
    """Begin the lease anew of those that nobody has taken over or changed."""
    IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.WORKING).update(
        leased_until=timezone.now() + LEASE
    )


def _settle(entries: Sequence[IndexEntry], state: IndexState, hashes: dict[int, str] | None = None) -> int:
    """Close the entries that nobody changed since they were read; the others are to be done again.

    Doing again also mends the race in which another worker wrote newer data to Milvus before our
    older data arrived there.
    """
    now = timezone.now()
    content_hash: Case | Value = Value("")
    if hashes:
        content_hash = Case(*(When(pk=pk, then=Value(sha256)) for pk, sha256 in hashes.items()))
    settled = 0
    for revision in {entry.revision for entry in entries}:
        keys = [entry.pk for entry in entries if entry.revision == revision]
        unchanged = IndexEntry.objects.filter(pk__in=keys, revision=revision, state=IndexState.WORKING)
        count = unchanged.update(
            state=state,
            leased_until=None,
            last_error="",
            attempts=0,
            content_hash=content_hash,
            indexed_at=now if state == IndexState.INDEXED else None,
        )
        settled += count
        if count < len(keys):
            IndexEntry.objects.filter(pk__in=keys).exclude(revision=revision, state=state).update(
                state=IndexState.PENDING, revision=F("revision") + 1, leased_until=None
            )
    return settled


def _forget_deleted(entries: Sequence[IndexEntry]) -> None:
    """A deleted asset leaves no entry behind; one in the trash may come back."""
    removed = IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.REMOVED)
    removed.without_asset().delete()


def _fail(entries: Sequence[IndexEntry], broken: dict[int, str]) -> int:
    """Files that cannot be read: tried again a few times (storage may be away), then failed for good."""
    failed = 0
    for entry in entries:
        if entry.asset_key not in broken:
            continue
        final = entry.attempts + 1 >= MAX_ATTEMPTS
        failed += final
        IndexEntry.objects.filter(pk=entry.pk, revision=entry.revision, state=IndexState.WORKING).update(
            state=IndexState.FAILED if final else IndexState.PENDING,
            last_error=broken[entry.asset_key],
            leased_until=None,
            not_before=timezone.now() + timedelta(seconds=2 ** (entry.attempts + 1)),
        )
    return failed


def retry_failed() -> int:
    """Make failed entries pending again; how many."""
    return IndexEntry.objects.filter(state=IndexState.FAILED).update(
        state=IndexState.PENDING, attempts=0, not_before=timezone.now()
    )


def enqueue_missing(newest: int) -> int:
    """Enqueue assets without an entry among the `newest` ones (rows made past the signals)."""
    candidates = list(Asset.objects.in_library().order_by("-id").values_list("id", flat=True)[:newest])
    found = 0
    for space in active_spaces():
        known = set(
            IndexEntry.objects.filter(space=space, asset_key__in=candidates).values_list(
                "asset_key", flat=True
            )
        )
        missing = [key for key in candidates if key not in known]
        enqueue(missing, [space])
        found += len(missing)
    return found


def status() -> dict[str, object]:
    """Counts by state, for each space that is kept."""
    spaces = []
    for space in Space.objects.order_by("-state", "id"):
        counts = {
            row["state"]: row["n"] for row in space.entries.values("state").annotate(n=Count("id")).order_by()
        }
        spaces.append(
            {
                "space": space.slug,
                "encoder": space.encoder,
                "dimension": space.dimension,
                "state": space.state,
                **{state: counts.get(state, 0) for state in IndexState.values},
            }
        )
    failures = IndexEntry.objects.filter(~Q(last_error="")).order_by("-id")[:10]
    return {
        "spaces": spaces,
        "errors": [
            {"asset": entry.asset_key, "state": entry.state, "error": entry.last_error} for entry in failures
        ],
    }


def _version(asset: Asset) -> AssetVersion:
    if asset.current is None:  # the query that loads assets leaves out those without a file
        raise RuntimeError(f"Asset {asset.public_id} has no file.")
    return asset.current


def _sha256(asset: Asset) -> str:
    return _version(asset).sha256

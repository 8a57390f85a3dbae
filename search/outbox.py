"""The outbox: every change of an asset becomes a row, and rows become vectors in Milvus.

Any number of workers may drain at once. Each step can be repeated: claiming is a conditional update
with a lease, vectors are kept by file content, Milvus is written by upsert, and an entry is done only
if it has not been changed since it was read.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from tqdm import tqdm

from dam import clock, custom_fields
from dam.errors import StorageUnavailable
from dam.models import Asset, AssetVersion
from search import policy, spend, spend_report
from search.documents import document_for
from search.encoders.base import EncoderError
from search.encoders.paid import PaidEncoder
from search.index import Document, IndexMismatch, IndexUnavailable
from search.models import OPEN_STATES, Embedding, IndexEntry, IndexState, Space, SpaceState
from search.pipeline import Encoded, Pipeline
from search.spaces import active_spaces, encoder_of, index_of, retire_unchosen, worked_spaces

logger = logging.getLogger(__name__)
T = TypeVar("T")

LEASE = timedelta(seconds=45)  # renewed while a slow encoder is waited for
PAID_LEASE = timedelta(minutes=2)  # renewed by each answer: nobody else pays while one may still come
MAX_ATTEMPTS = 5
SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2, 300
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
    away: bool = False
    """Whether that was an outage: to go on at once would meet it again."""

    @property
    def pictures_per_second(self) -> float:
        return self.encoded / self.seconds if self.seconds else 0.0


def enqueue(asset_ids: Iterable[int], spaces: Sequence[Space] | None = None) -> None:
    """Note that these assets have to be looked at again, in every space that is being kept.

    A space of chosen assets gets new entries of those only that the policy chooses; entries that are there
    are looked at again whatever it says, so that what it chooses no longer leaves.

    An entry that a worker has at this moment keeps its lease: nobody else takes it before that worker has let
    go of it, so that two never write the same vector at once.

    Called inside the transaction that changed them: the note is there exactly if the change is.
    """
    ids = list(dict.fromkeys(asset_ids))
    for space in spaces if spaces is not None else active_spaces():
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            entering = policy.entering(space, chunk)
            IndexEntry.objects.bulk_create(
                [IndexEntry(space=space, asset_key=key) for key in entering], ignore_conflicts=True
            )
            # Behind that: PostgreSQL shows this statement what another transaction was just entering too, for
            # which the one above has waited.
            IndexEntry.objects.filter(space=space, asset_key__in=chunk).update(
                state=IndexState.PENDING,
                revision=F("revision") + 1,
                not_before=clock.Now(),
                attempts=0,
                last_error="",
                waits_for_budget=False,
            )


def drain(
    space: Space | None = None,
    *,
    progress: bool = False,
    limit: int | None = None,
    seconds: float = math.inf,
) -> DrainReport:
    """Work off what is due, in batches, until nothing is or Milvus or the encoder fails.

    Args:
        space: only this one; None: every space that is kept.
        progress: show a bar on standard error.
        limit: stop after about this many entries.
        seconds: begin no more batches of a space after so long; one is begun in any case.
    """
    report = DrainReport()
    started = time.perf_counter()
    for one in [space] if space else worked_spaces():
        due = IndexEntry.objects.claimable().filter(space=one)
        with tqdm(total=due.count(), unit="asset", desc=str(one), disable=not progress) as bar:
            for size in _drain_space(one, report, limit, seconds):
                bar.update(size)
    report.seconds = time.perf_counter() - started
    return report


def _drain_space(space: Space, report: DrainReport, limit: int | None, seconds: float) -> Iterator[int]:
    """Batch after batch: while the oldest is written, the others are decoded and encoded."""
    done = claimed = 0
    until = time.monotonic() + seconds
    most = math.inf if limit is None else limit
    waiting: deque[Batch] = deque()
    with Pipeline(lambda: encoder_of(space)) as pipeline:
        try:
            while True:
                while len(waiting) < BATCHES_AT_ONCE and claimed < most:
                    if claimed and time.monotonic() > until:
                        break
                    entries = _claim(space, _at_once(space))
                    if not entries:
                        break
                    claimed += len(entries)
                    waiting.append(Batch(entries))
                    _start(space, waiting[-1], pipeline)
                if not waiting:
                    break
                try:
                    _finish(space, waiting, pipeline, report)
                    _note_answer(space)
                except spend.BudgetExhausted as error:  # what stands behind may have been paid for before
                    _postpone(space, waiting[0].entries, error)
                    report.postponed = str(error)
                    logger.warning("Indexing waits: %s", error)
                entries = waiting.popleft().entries
                _let_go(entries)
                done += len(entries)
                yield len(entries)
        except (IndexMismatch, IndexUnavailable, EncoderError, StorageUnavailable) as error:
            for batch in waiting:
                _postpone(space, batch.entries, error)
                _let_go(batch.entries)
            report.postponed, report.away = str(error), True
            logger.warning("Indexing waits: %s", error)
    if done:
        try:
            index_of(space).flush()
        except IndexUnavailable as error:
            logger.warning("Flush after indexing failed: %s", error)


def _at_once(space: Space) -> int:
    """As many as its encoder is best given; where it has a complaint, that is noted with entries later."""
    try:
        return encoder_of(space).batch
    except EncoderError:
        return settings.SEARCH_BATCH_SIZE


def _claim(space: Space, size: int) -> list[IndexEntry]:
    """Take up to `size` due entries for this worker; nobody else gets them while the lease lasts."""
    with transaction.atomic():
        due = IndexEntry.objects.claimable().filter(space=space).order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, no_key=True)
        entries = list(due[:size])
        IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
            state=IndexState.WORKING, leased_until=clock.after(LEASE)
        )
    return entries


def _let_go(entries: Sequence[IndexEntry]) -> None:
    """Those that were changed while this worker had them may be claimed again."""
    changed = IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.PENDING)
    changed.filter(leased_until__isnull=False).update(leased_until=None)


def _postpone(space: Space, entries: Sequence[IndexEntry], error: Exception) -> None:
    """Put entries back because of an outage. It is not their fault, so it costs them no attempt."""
    until = error.until if isinstance(error, spend.NotPaid) else _after_outage(space, error)
    IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.WORKING).update(
        state=IndexState.PENDING,
        last_error=str(error),
        leased_until=None,
        not_before=until,
        waits_for_budget=isinstance(error, spend.BudgetExhausted),
    )


def _after_outage(space: Space, error: Exception) -> datetime:
    """When to ask again: after as long as the vendor wishes, or as long again as nothing has come."""
    now = clock.now()
    if space.away_since is None:
        Space.objects.filter(pk=space.pk, away_since=None).update(away_since=now)
        space.away_since = now
    asked = getattr(error, "retry_after", None) or (now - space.away_since).total_seconds()
    return now + timedelta(seconds=min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, asked)))


def _note_answer(space: Space) -> None:
    if space.away_since is not None:
        Space.objects.filter(pk=space.pk).update(away_since=None)
        space.away_since = None


@dataclass
class Batch:
    """Entries that one worker has claimed, and the work under way for them."""

    entries: list[IndexEntry]
    assets: dict[int, Asset] = field(default_factory=dict)
    known: dict[str, np.ndarray] = field(default_factory=dict)
    """The vectors that were there, by file content."""
    missing: dict[str, AssetVersion] = field(default_factory=dict)
    encoding: Future[Encoded] | None = None
    """What is under way for `missing`; an encoder that is paid by the call begins when its turn comes."""

    @property
    def kept(self) -> list[IndexEntry]:
        return [entry for entry in self.entries if entry.asset_key in self.assets]

    def by_asset(self, by_hash: dict[str, T]) -> dict[int, T]:
        """What is known of files, by the asset that has the file."""
        return {
            key: by_hash[sha256]
            for key, asset in self.assets.items()
            if (sha256 := _sha256(asset)) in by_hash
        }

    @property
    def gone(self) -> list[IndexEntry]:
        return [entry for entry in self.entries if entry.asset_key not in self.assets]


def _start(space: Space, batch: Batch, pipeline: Pipeline) -> None:
    """Read the batch's rows and begin to encode those files that have no vector yet."""
    batch.assets = {
        asset.pk: asset
        for asset in policy.belonging(space)
        .filter(pk__in=[entry.asset_key for entry in batch.entries], current__isnull=False)
        .select_related("current")
        .defer("current__metadata")
        .prefetch_related("tags", "skus", "collection_links")
    }
    versions = {_sha256(asset): _version(asset) for asset in batch.assets.values()}
    batch.known = {
        row.sha256: np.frombuffer(row.vector, dtype="<f4")
        for row in Embedding.objects.filter(space=space, sha256__in=list(versions))
    }
    batch.missing = {sha256: version for sha256, version in versions.items() if sha256 not in batch.known}
    if not batch.missing:
        return
    if isinstance(encoder_of(space), PaidEncoder):
        _renew(batch.entries, PAID_LEASE)
    else:
        batch.encoding = pipeline.encode(list(batch.missing.values()))


def _finish(space: Space, waiting: Sequence[Batch], pipeline: Pipeline, report: DrainReport) -> None:
    """The oldest batch: remove what is gone, keep new vectors, write the rest in one upsert."""
    batch = waiting[0]
    _follow(space)
    index_of(space).delete([entry.asset_key for entry in batch.gone])
    report.removed += _settle(space, batch.gone, IndexState.REMOVED)
    _forget_deleted(batch.gone)

    vectors = _vectors(space, waiting, pipeline, report)
    ready = [entry for entry in batch.kept if entry.asset_key in vectors.found]
    fields = custom_fields.by_slug() if ready else {}
    documents: list[Document] = [document_for(batch.assets[entry.asset_key], fields) for entry in ready]
    _follow(space)  # encoding may have taken long
    if ready:
        index_of(space).upsert(documents, np.stack([vectors.found[entry.asset_key] for entry in ready]))
    hashes = {entry.pk: _sha256(batch.assets[entry.asset_key]) for entry in ready}
    report.indexed += _settle(space, ready, IndexState.INDEXED, hashes)
    # By what they were before, they are found no more.
    index_of(space).delete([entry.asset_key for entry in batch.kept if _fails_for_good(entry, vectors)])
    report.failed += _fail(batch.kept, vectors.broken) + _refuse(batch.kept, vectors.refused)
    if vectors.stopped is not None:
        raise vectors.stopped  # those that have no vector yet are still this worker's, and are put back


def _follow(space: Space) -> None:
    """See which collection is the space's now: `search.upgrade` may have replaced it during this drain.

    Raises:
        IndexUnavailable: the space is being dropped.
    """
    kept = Space.objects.filter(pk=space.pk).exclude(state=SpaceState.DROPPING)
    collection = kept.values_list("collection", flat=True).first()
    if collection is None:
        raise IndexUnavailable(_("The space of this encoder is being dropped; try again in a minute."))
    space.collection = collection


@dataclass
class _Vectors:
    found: dict[int, np.ndarray]
    broken: dict[int, str]
    refused: dict[int, str] = field(default_factory=dict)
    stopped: EncoderError | None = None


def _vectors(space: Space, waiting: Sequence[Batch], pipeline: Pipeline, report: DrainReport) -> _Vectors:
    """The vector of each file of the oldest batch: from before, or new and kept from now on."""
    batch = waiting[0]
    new = _Vectors({}, {})
    if batch.encoding is not None:
        try:
            encoded = _await(batch.encoding, waiting)
        except EncoderError as error:  # what needs no encoder is written all the same
            encoded, new.stopped = Encoded(), error
        Embedding.objects.keep(space, encoded.vectors)
        by_hash, broken = batch.known | encoded.vectors, encoded.broken
    elif batch.missing and isinstance(encoder := encoder_of(space), PaidEncoder):
        bought = _buy(space, encoder, waiting, pipeline)
        by_hash, broken = batch.known | bought.vectors, bought.broken
        new.stopped = bought.stopped
        new.refused = batch.by_asset(bought.refused)
    else:
        by_hash, broken = batch.known, {}
    report.encoded += len(by_hash) - len(batch.known)
    new.found, new.broken = batch.by_asset(by_hash), batch.by_asset(broken)
    return new


@dataclass
class _Bought:
    vectors: dict[str, np.ndarray]
    broken: dict[str, str]
    refused: dict[str, str]
    stopped: EncoderError | None


def _buy(space: Space, encoder: PaidEncoder, waiting: Sequence[Batch], pipeline: Pipeline) -> _Bought:
    """Have the oldest batch's missing files encoded by a paid encoder, which keeps what it answers before all
    else. Each answer renews the lease, so that no other worker pays for the same once more.
    """
    batch = waiting[0]
    # Files are not opened in vain where nothing can be paid for.
    if (stopped := spend.refusal(encoder)) is not None:
        return _Bought({}, {}, {}, stopped)
    pictures, broken = pipeline.open(list(batch.missing.values()))
    if not pictures:
        return _Bought({}, broken, {}, None)
    keys = {_sha256(asset): asset.pk for asset in batch.assets.values()}
    entries = [entry for one in waiting for entry in one.entries]
    paid = spend.encode(space, encoder, pictures, keys, answered=lambda: _renew(entries, PAID_LEASE))
    return _Bought(paid.vectors, broken, paid.refused, paid.stopped)


def _await(encoding: Future[Encoded], waiting: Sequence[Batch]) -> Encoded:
    """Wait for the encoder; a slow one does not cost the lease of what waits behind it."""
    while True:
        try:
            return encoding.result(timeout=LEASE.total_seconds() / 4)
        except TimeoutError:
            if encoding.done():  # the encoder's own time-out, not ours
                raise
            _renew([entry for batch in waiting for entry in batch.entries], LEASE)


def _renew(entries: Sequence[IndexEntry], lease: timedelta) -> None:
    """Begin the lease anew, also of those that were changed meanwhile: they wait for this worker."""
    held = IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], leased_until__isnull=False)
    held.filter(state__in=OPEN_STATES).update(leased_until=clock.after(lease))


def _settle(
    space: Space, entries: Sequence[IndexEntry], state: IndexState, hashes: dict[int, str] | None = None
) -> int:
    """Close the entries that nobody changed since they were read; the others are to be done again, and so are
    all where the collection that was written to is not the space's any more.

    Doing again also mends the race in which another worker wrote newer data to Milvus before our
    older data arrived there.
    """
    now = timezone.now()
    content_hash: Case | Value = Value("")
    if hashes:
        content_hash = Case(*(When(pk=pk, then=Value(sha256)) for pk, sha256 in hashes.items()))
    # No join: PostgreSQL would not look at the revision again after it has waited for another's change.
    same = Space.objects.filter(pk=space.pk, collection=space.collection)
    settled = 0
    for revision in {entry.revision for entry in entries}:
        keys = [entry.pk for entry in entries if entry.revision == revision]
        unchanged = IndexEntry.objects.filter(
            pk__in=keys, revision=revision, state=IndexState.WORKING, space__in=same
        )
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


def _is_last_try(entry: IndexEntry) -> bool:
    return entry.attempts + 1 >= MAX_ATTEMPTS


def _fails_for_good(entry: IndexEntry, vectors: _Vectors) -> bool:
    return entry.asset_key in vectors.refused or (entry.asset_key in vectors.broken and _is_last_try(entry))


def _fail(entries: Sequence[IndexEntry], broken: dict[int, str]) -> int:
    """Files that cannot be read: tried again a few times (storage may be away), then failed for good."""
    failed = 0
    for entry in entries:
        if entry.asset_key not in broken:
            continue
        final = _is_last_try(entry)
        failed += final
        IndexEntry.objects.filter(pk=entry.pk, revision=entry.revision, state=IndexState.WORKING).update(
            state=IndexState.FAILED if final else IndexState.PENDING,
            attempts=entry.attempts + 1,
            last_error=broken[entry.asset_key],
            leased_until=None,
            not_before=clock.after(timedelta(seconds=2 ** (entry.attempts + 1))),
        )
    return failed


def _refuse(entries: Sequence[IndexEntry], refused: dict[int, str]) -> int:
    """Pictures that the encoder does not take: failed at once, since asking again costs and helps nothing."""
    count = 0
    for entry in entries:
        if entry.asset_key in refused:
            mine = IndexEntry.objects.filter(pk=entry.pk, revision=entry.revision, state=IndexState.WORKING)
            count += mine.update(
                state=IndexState.FAILED,
                attempts=entry.attempts + 1,
                last_error=refused[entry.asset_key],
                leased_until=None,
            )
    return count


def retry_failed() -> int:
    """Make failed entries pending again; how many."""
    return IndexEntry.objects.filter(state=IndexState.FAILED).update(
        state=IndexState.PENDING, attempts=0, not_before=clock.Now()
    )


def enqueue_missing(newest: int) -> int:
    """Enqueue assets without an entry among the `newest` ones (rows made past the signals), and what the
    policy moves into and out of spaces of chosen assets.
    """
    retire_unchosen()
    candidates = list(Asset.objects.in_library().order_by("-id").values_list("id", flat=True)[:newest])
    found = 0
    for space in active_spaces():
        if policy.governs(space):
            moved = policy.moved(space, newest)
            enqueue(moved, [space])
            found += len(moved)
            continue
        known = set(
            IndexEntry.objects.filter(space=space, asset_key__in=candidates).values_list(
                "asset_key", flat=True
            )
        )
        missing = [key for key in candidates if key not in known]
        enqueue(missing, [space])
        found += len(missing)
    return found


def mend_waits() -> None:
    """What a clock that was ahead has left: leases of the dead, and waits that nothing asks for."""
    waiting = IndexEntry.objects.filter(state__in=OPEN_STATES)
    clock.mend(waiting, "leased_until", PAID_LEASE)
    clock.mend(waiting.filter(waits_for_budget=False), "not_before", spend.USELESS_FOR)
    clock.mend(waiting.filter(last_error="", attempts=0), "not_before", timedelta(0))


def go_on_within_budget() -> int:
    """Entries that wait for a budget which has room again are due at once; how many."""
    waiting = IndexEntry.objects.filter(state=IndexState.PENDING, waits_for_budget=True)
    count = 0
    for space in Space.objects.filter(pk__in=waiting.values("space")):
        if spend.refusal(encoder_of(space)) is None:
            count += waiting.filter(space=space).update(not_before=clock.Now(), waits_for_budget=False)
    return count


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
                "coverage": space.coverage,
                **{state: counts.get(state, 0) for state in IndexState.values},
            }
        )
    kept = Space.objects.exclude(state__in=(SpaceState.RETIRED, SpaceState.DROPPING))
    failures = IndexEntry.objects.filter(~Q(last_error=""), space__in=kept).order_by("-id")[:10]
    return {
        "spaces": spaces,
        "spend": spend_report.summary(),
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

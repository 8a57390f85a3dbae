"""The outbox: every change of an asset becomes a row, and rows become vectors in Milvus.

Any number of workers may drain at once. Each step can be repeated: claiming is a conditional update
with a lease, vectors are kept by file content, Milvus is written by upsert, and an entry is done only
if it has not been changed since it was read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, Value, When
from django.utils import timezone
from PIL import Image
from tqdm import tqdm

from dam import custom_fields
from dam.models import Asset, AssetVersion
from search import policy, spend, spend_report
from search.documents import document_for
from search.encoders.base import EncoderError, Vectors
from search.encoders.paid import PaidEncoder
from search.index import Document, IndexUnavailable
from search.models import Embedding, IndexEntry, IndexState, Space
from search.pictures import PictureError, open_for_encoding
from search.spaces import active_spaces, encoder_of, index_of, retire_unchosen

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
MAX_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300
CHUNK = 500


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

    A space of chosen assets gets new entries of those only that the policy chooses; entries that are there
    are looked at again whatever it says, so that what it chooses no longer leaves.

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
                waits_for_budget=False,
            )
            entering = policy.entering(space, chunk)
            IndexEntry.objects.bulk_create(
                [IndexEntry(space=space, asset_key=key) for key in entering], ignore_conflicts=True
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
    for one in [space] if space else active_spaces():
        due = IndexEntry.objects.claimable().filter(space=one)
        with tqdm(total=due.count(), unit="asset", desc=str(one), disable=not progress) as bar:
            for size in _drain_space(one, report, limit):
                bar.update(size)
    report.seconds = time.perf_counter() - started
    return report


def _drain_space(space: Space, report: DrainReport, limit: int | None) -> Iterator[int]:
    done = 0
    while limit is None or done < limit:
        entries = _claim(space, settings.SEARCH_BATCH_SIZE * 2)
        if not entries:
            break
        try:
            _process(space, entries, report)
        except (IndexUnavailable, EncoderError) as error:
            _postpone(entries, error)
            report.postponed = str(error)
            logger.warning("Indexing waits: %s", error)
            if not isinstance(error, spend.BudgetExhausted):  # others may have been paid for before
                break
        done += len(entries)
        yield len(entries)
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


def _postpone(entries: Sequence[IndexEntry], error: Exception) -> None:
    """Put entries back because of an outage. It is not their fault, so it costs them no attempt."""
    attempts = max(entry.attempts for entry in entries)
    wait = getattr(error, "retry_after", None) or 2 ** min(attempts + 1, 10)
    until = timezone.now() + timedelta(seconds=min(LONGEST_WAIT_SECONDS, wait))
    IndexEntry.objects.filter(pk__in=[entry.pk for entry in entries], state=IndexState.WORKING).update(
        state=IndexState.PENDING,
        last_error=str(error),
        leased_until=None,
        not_before=getattr(error, "until", until),
        waits_for_budget=isinstance(error, spend.BudgetExhausted),
    )


def _process(space: Space, entries: Sequence[IndexEntry], report: DrainReport) -> None:
    """One batch: remove what is gone, encode what is new, write the rest in one upsert."""
    assets = {
        asset.pk: asset
        for asset in policy.belonging(space)
        .filter(pk__in=[entry.asset_key for entry in entries], current__isnull=False)
        .select_related("current")
        .prefetch_related("tags", "skus", "collection_links")
    }
    gone = [entry for entry in entries if entry.asset_key not in assets]
    kept = [entry for entry in entries if entry.asset_key in assets]
    index_of(space).delete([entry.asset_key for entry in gone])
    report.removed += _settle(gone, IndexState.REMOVED)
    _forget_deleted(gone)

    vectors = _vectors(space, [assets[entry.asset_key] for entry in kept], report)
    ready = [entry for entry in kept if entry.asset_key in vectors.found]
    fields = custom_fields.by_slug() if ready else {}
    documents: list[Document] = [document_for(assets[entry.asset_key], fields) for entry in ready]
    if ready:
        index_of(space).upsert(documents, np.stack([vectors.found[entry.asset_key] for entry in ready]))
    hashes = {entry.pk: _sha256(assets[entry.asset_key]) for entry in ready}
    report.indexed += _settle(ready, IndexState.INDEXED, hashes)
    report.failed += _fail(kept, vectors.broken) + _refuse(kept, vectors.refused)
    if vectors.stopped is not None:
        raise vectors.stopped  # those that have no vector yet are still this worker's, and are put back


@dataclass
class _Vectors:
    found: dict[int, np.ndarray]
    broken: dict[int, str]
    refused: dict[int, str] = field(default_factory=dict)
    stopped: EncoderError | None = None


def _vectors(space: Space, assets: Sequence[Asset], report: DrainReport) -> _Vectors:
    """The vector of each asset's file: kept from before, or encoded now and kept."""
    by_hash = {
        row.sha256: np.frombuffer(row.vector, dtype="<f4")
        for row in Embedding.objects.filter(space=space, sha256__in=[_sha256(asset) for asset in assets])
    }
    missing = [asset for asset in assets if _sha256(asset) not in by_hash]
    encoder = encoder_of(space) if missing else None
    stopped: EncoderError | None = spend.refusal(encoder)
    # Files are not opened in vain where nothing can be paid for.
    pictures, broken = _open_all([] if stopped else [_version(asset) for asset in missing])
    refused: dict[str, str] = {}
    if pictures and isinstance(encoder, PaidEncoder):
        paid = spend.encode(space, encoder, pictures, {_sha256(asset): asset.pk for asset in missing})
        by_hash.update(paid.vectors)
        refused, stopped = paid.refused, paid.stopped
        report.encoded += len(paid.vectors)
    elif pictures:
        hashes = list(pictures)
        encoded: Vectors = encoder_of(space).encode_images([pictures[sha256] for sha256 in hashes])
        Embedding.objects.bulk_create(
            [
                Embedding(space=space, sha256=sha256, vector=vector.astype("<f4").tobytes())
                for sha256, vector in zip(hashes, encoded, strict=True)
            ],
            ignore_conflicts=True,
        )
        by_hash.update(zip(hashes, encoded, strict=True))
        report.encoded += len(hashes)
    return _Vectors(
        found={asset.pk: by_hash[_sha256(asset)] for asset in assets if _sha256(asset) in by_hash},
        broken={asset.pk: broken[_sha256(asset)] for asset in missing if _sha256(asset) in broken},
        refused={asset.pk: refused[_sha256(asset)] for asset in missing if _sha256(asset) in refused},
        stopped=stopped,
    )


def _open_all(versions: Sequence[AssetVersion]) -> tuple[dict[str, Image.Image], dict[str, str]]:
    """Decode files side by side (Pillow leaves the interpreter's lock while it decodes)."""
    pictures: dict[str, Image.Image] = {}
    broken: dict[str, str] = {}

    def open_one(version: AssetVersion) -> None:
        try:
            pictures[version.sha256] = open_for_encoding(version)
        except PictureError as error:
            broken[version.sha256] = str(error)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(open_one, versions))
    return pictures, broken


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


def _refuse(entries: Sequence[IndexEntry], refused: dict[int, str]) -> int:
    """Pictures that the encoder does not take: failed at once, since asking again costs and helps nothing."""
    count = 0
    for entry in entries:
        if entry.asset_key in refused:
            mine = IndexEntry.objects.filter(pk=entry.pk, revision=entry.revision, state=IndexState.WORKING)
            count += mine.update(
                state=IndexState.FAILED, last_error=refused[entry.asset_key], leased_until=None
            )
    return count


def retry_failed() -> int:
    """Make failed entries pending again; how many."""
    return IndexEntry.objects.filter(state=IndexState.FAILED).update(
        state=IndexState.PENDING, attempts=0, not_before=timezone.now()
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


def go_on_within_budget() -> int:
    """Entries that wait for a budget which has room again are due at once; how many."""
    waiting = IndexEntry.objects.filter(state=IndexState.PENDING, waits_for_budget=True)
    count = 0
    for space in Space.objects.filter(pk__in=waiting.values("space")):
        if spend.refusal(encoder_of(space)) is None:
            count += waiting.filter(space=space).update(not_before=timezone.now(), waits_for_budget=False)
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
    failures = IndexEntry.objects.filter(~Q(last_error="")).order_by("-id")[:10]
    return {
        "spaces": spaces,
        "spend": spend_report.summary(),
        "errors": [
            {"asset": entry.asset_key, "state": entry.state, "error": entry.last_error} for entry in failures
        ],
    }


def _version(asset: Asset) -> AssetVersion:
    if asset.current is None:  # the query that loads assets leaves out those without a file
        raise PictureError(f"Asset {asset.public_id} has no file.")
    return asset.current


def _sha256(asset: Asset) -> str:
    return _version(asset).sha256

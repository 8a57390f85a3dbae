"""Blue-green change of the encoder: a new space is built beside the live one, compared, and switched to.

The database is the truth of what is live and how far a reindex is; Milvus's alias follows it. A reindex is
walked in pieces, each one transaction, by whoever is at hand: a worker, or the command in the foreground. A
process that is killed leaves a piece done or not begun, and entries whose lease runs out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from PIL import Image
from tqdm import tqdm

from dam import audit, clock
from dam.models import Asset
from dam.models.asset import AssetQuerySet
from search import policy
from search.encoders.base import EncoderError
from search.encoders.registry import get_encoder
from search.models import (
    OPEN_REINDEX,
    IndexEntry,
    IndexState,
    Reindex,
    ReindexState,
    Space,
    SpaceCoverage,
    SpaceState,
)
from search.outbox import DrainReport, drain, enqueue
from search.spaces import declare_space, encoder_of, index_of, live_alias, live_space
from search.upgrade import claim_collection

WAITING = (IndexState.PENDING, IndexState.WORKING)
PIECE_SECONDS = 5.0
SMALLEST_PIECE, LARGEST_PIECE = 64, 2_000
WINDOWS = 20
"""Windows of assets that are done already which one piece passes over."""
MEASURE_SECONDS = 2.0
BEHIND = 500
"""A space with more entries than this still to be written is not switched to."""
LOCK_TIMEOUT = "5s"
POLL_SECONDS = 0.5


class ReindexError(Exception):
    """What was asked for cannot be done now; the message says why and what to do. Search is untouched."""


@dataclass(frozen=True)
class Progress:
    """How a reindex stands: assets written and in all, how many a second, the seconds that are left."""

    done: int
    total: int
    failed: int
    rate: float
    seconds_left: float | None


def open_reindex() -> Reindex | None:
    """The one that still wants something."""
    return (
        Reindex.objects.filter(state__in=OPEN_REINDEX).select_related("space", "by").order_by("-pk").first()
    )


def start(encoder_id: str, *, actor: User | None = None, switch_when_complete: bool = False) -> Reindex:
    """Ask for a reindex. Nothing is made before a worker, or the command, has seen that the encoder loads.

    A reindex into the same space that is open already goes on.

    Raises:
        EncoderError: there is no such encoder, or its weights are missing.
        ReindexError: another one is open, or one with other weights; or the space is live already.
    """
    spec = get_encoder(encoder_id).space
    with spaces_change():
        known = Space.objects.filter(slug=spec.slug).first()
        if (run := open_reindex()) is not None:
            if run.encoder != encoder_id:
                raise ReindexError(
                    _("A reindex to %(encoder)s is open. Switch to it or cancel it first.")
                    % {"encoder": run.encoder}
                )
            if run.space is not None and run.space.slug != spec.slug:
                raise ReindexError(
                    _(
                        "The weights of %(encoder)s are others than when its reindex began. Cancel it, then "
                        "begin again."
                    )
                    % {"encoder": run.encoder}
                )
            return _go_on(run, switch_when_complete, actor)
        _require_free(known)
        run = Reindex.objects.create(
            encoder=encoder_id, by=actor, space=known, switch_when_complete=switch_when_complete
        )
        if known is not None and known.state == SpaceState.STANDBY:
            run.state, run.started, run.total = ReindexState.COMPLETE, timezone.now(), _assets().count()
            run.noted = run.total
            run.save()
        audit.record(actor, "reindex.started", run, encoder=encoder_id)
    return run


def _require_free(space: Space | None) -> None:
    if space is None:
        return
    if space.state == SpaceState.DROPPING:
        raise ReindexError(_("The space of this encoder is being dropped; try again in a minute."))
    chosen = space.coverage != SpaceCoverage.ALL  # for good, also of one that no policy wants any more
    if chosen and (space.state == SpaceState.LIVE or policy.governs(space)):
        raise ReindexError(
            _("This encoder serves the assets that a policy chooses. Take it out of the policy first.")
        )
    if space.state == SpaceState.LIVE:
        raise ReindexError(_("This encoder is the one that search uses."))


def _go_on(run: Reindex, switch_when_complete: bool, actor: User | None) -> Reindex:
    if switch_when_complete and not run.switch_when_complete:
        Reindex.objects.filter(pk=run.pk).update(switch_when_complete=True)
    if run.state in (ReindexState.PAUSED, ReindexState.FAILED):
        resume(run, actor=actor)
    run.refresh_from_db()
    return run


def pause(run: Reindex, *, actor: User | None = None) -> None:
    """Encode nothing more for it. What is changed meanwhile is noted and done afterwards.

    Raises:
        ReindexError: it is not running.
    """
    _move(run, (ReindexState.RUNNING,), ReindexState.PAUSED, actor, paused=timezone.now(), measured=None)


def resume(run: Reindex, *, actor: User | None = None) -> None:
    """Go on where it was.

    Raises:
        ReindexError: it is neither paused nor failed.
    """
    # One of a space that was there before has it from the beginning, and is not under way before its check.
    state = ReindexState.RUNNING if run.space_id and run.started else ReindexState.CHECKING
    before = (ReindexState.PAUSED, ReindexState.FAILED)
    _move(run, before, state, actor, paused=None, measured=None, last_error="")


def cancel(run: Reindex, *, actor: User | None = None) -> None:
    """Give it up. What was computed is kept until the space is dropped.

    Raises:
        ReindexError: it is over already.
    """
    with spaces_change():
        run.refresh_from_db()
        _move(run, OPEN_REINDEX, ReindexState.CANCELLED, actor, finished=timezone.now(), measured=None)
        if run.space is not None:
            built = Space.objects.filter(pk=run.space.pk, state=SpaceState.BUILDING)
            built.update(state=SpaceState.RETIRED)


@transaction.atomic
def _move(
    run: Reindex, before: tuple[ReindexState, ...], after: ReindexState, actor: User | None, **fields: object
) -> None:
    """From one of the states `before` into `after`, whoever else moves it at the same time."""
    if not Reindex.objects.filter(pk=run.pk, state__in=before).update(state=after, **fields):
        run.refresh_from_db()
        raise ReindexError(
            _("This cannot be done now: the reindex is “%(state)s”.") % {"state": run.get_state_display()}
        )
    run.refresh_from_db()
    audit.record(actor, f"reindex.{after}", run, encoder=run.encoder)


def retry_failed(run: Reindex) -> int:
    """Try again what failed in the new space; how many entries."""
    failed = IndexEntry.objects.filter(space=run.space_id, state=IndexState.FAILED)
    return failed.update(state=IndexState.PENDING, attempts=0, not_before=clock.Now())


def check(run: Reindex) -> None:
    """See that the encoder loads and answers with vectors of its dimension; then make its space. If that is
    not to be had, the reindex has failed and says why.

    Raises:
        EncoderError: it does not; the reindex has failed and says why.
    """
    try:
        encoder = get_encoder(run.encoder)
        encoder.encode_images([Image.new("RGB", (64, 64), "white")])
        encoder.encode_texts(["a red dress"])
    except EncoderError as error:
        Reindex.objects.filter(pk=run.pk, state=ReindexState.CHECKING).update(
            state=ReindexState.FAILED, last_error=str(error)
        )
        raise
    total = _assets().count()
    with spaces_change():
        if not Reindex.objects.filter(pk=run.pk, state=ReindexState.CHECKING).exists():
            return
        space = declare_space(run.encoder, SpaceState.BUILDING)
        try:
            _require_free(space)
        except ReindexError as error:  # a policy has taken it meanwhile
            Reindex.objects.filter(pk=run.pk).update(state=ReindexState.FAILED, last_error=str(error))
            return
        retired = Space.objects.filter(pk=space.pk, state=SpaceState.RETIRED)
        retired.update(state=SpaceState.BUILDING, coverage=SpaceCoverage.ALL)
        Reindex.objects.filter(pk=run.pk).update(
            state=ReindexState.RUNNING, space=space, total=total, started=timezone.now(), last_error=""
        )


@contextmanager
def spaces_change() -> Iterator[None]:
    """A transaction that changes which spaces are written to.

    Whoever notes a change of an asset asks for the spaces first. On PostgreSQL such a transaction may still
    be open and know the old ones: the lock waits for its end, so that none of them is missed. SQLite has
    one writer at a time.

    Raises:
        ReindexError: something else keeps writing.
    """
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    cursor.execute(f"LOCK TABLE {Space._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            yield
    except OperationalError as error:
        if "lock" not in str(error):
            raise
        raise ReindexError(
            _("The library is being written to by something long; try again in a minute.")
        ) from error


def piece_of(run: Reindex) -> int:
    """How many assets make about PIECE_SECONDS of work, so that new uploads wait no longer than that."""
    return int(min(LARGEST_PIECE, max(SMALLEST_PIECE, run.rate * PIECE_SECONDS)))


def advance(key: int) -> bool:
    """Note the next piece of the library for the new space; after the last one, complete the reindex.

    Returns:
        whether something was noted: there is work for the outbox.
    """
    with transaction.atomic():
        run = (
            Reindex.objects.select_for_update(of=("self",))
            .filter(pk=key, state=ReindexState.RUNNING)
            .select_related("space")
            .first()
        )
        if run is None or run.space is None:
            return False
        piece = piece_of(run)
        waiting = _waiting(run.space, 2 * piece + 1)
        _measure(run, waiting)
        noted = 0
        if waiting <= piece:
            noted = _note_assets(run, run.space, piece) or _note_leftovers(run, run.space)
        if not noted and not waiting:
            run.state, run.measured, run.finished = ReindexState.COMPLETE, None, timezone.now()
        run.save()
    switch_if_due(run)
    return bool(noted)


def switch_if_due(run: Reindex) -> None:
    """Switch to what was to be switched to when complete, and is, unless it would lose pictures.

    Raises:
        EncoderError, IndexUnavailable, ReindexError: see `switch`.
    """
    if run.state != ReindexState.COMPLETE or not run.switch_when_complete or run.space is None:
        return
    if run.space.state in (SpaceState.BUILDING, SpaceState.STANDBY) and not _worse(run.space):
        switch(run.space)


def _measure(run: Reindex, waiting: int) -> None:
    """The rate, smoothed; the first measurement counts alone."""
    now, done = timezone.now(), max(run.noted - waiting, 0)
    if run.measured is None:
        run.measured, run.measured_done = now, done
        return
    seconds = (now - run.measured).total_seconds()
    if seconds < MEASURE_SECONDS:
        return
    current = max(done - run.measured_done, 0) / seconds
    run.rate = 0.7 * run.rate + 0.3 * current if run.rate else current
    run.measured, run.measured_done = now, done


def _note_assets(run: Reindex, space: Space, piece: int) -> int:
    """Pass over what is there; note the first window in which something is missing."""
    for _window in range(WINDOWS):
        rows = list(
            _assets().filter(pk__gt=run.walked).order_by("pk").values_list("pk", "current__sha256")[:piece]
        )
        if not rows:
            return 0
        missing = _missing(run, space, dict(rows))
        enqueue(missing, [space])
        run.walked, run.noted = rows[-1][0], run.noted + len(rows)
        if missing:
            return len(missing)
    return 1


def _missing(run: Reindex, space: Space, files: dict[int, str]) -> list[int]:
    """Assets that the space does not hold as they are: what was written before the reindex began, and every
    change was noted for this space, may be of an earlier time.
    """
    entries = IndexEntry.objects.filter(space=space, asset_key__in=files)
    held = entries.filter(state=IndexState.INDEXED, indexed_at__gte=run.started)
    done = {key for key, sha256 in held.values_list("asset_key", "content_hash") if files[key] == sha256}
    done |= set(entries.filter(state__in=WAITING).values_list("asset_key", flat=True))
    return [key for key in files if key not in done]


def _note_leftovers(run: Reindex, space: Space) -> int:
    """Assets that have left the library while the space was not written to leave the index."""
    for _window in range(WINDOWS):
        rows = list(
            space.entries.filter(pk__gt=run.entries_walked)
            .order_by("pk")
            .values_list("pk", "asset_key", "state")[:LARGEST_PIECE]
        )
        if not rows:
            return 0
        keys = [key for _pk, key, state in rows if state not in (*WAITING, IndexState.REMOVED)]
        there = set(_assets().filter(pk__in=keys).values_list("pk", flat=True))
        gone = [key for key in keys if key not in there]
        enqueue(gone, [space])
        run.entries_walked = rows[-1][0]
        if gone:
            return len(gone)
    return 1


def _assets() -> AssetQuerySet:
    return Asset.objects.in_library().filter(current__isnull=False)


def _waiting(space: Space, most: int) -> int:
    """Entries still to be written, counted up to `most`."""
    return len(space.entries.filter(state__in=WAITING).values_list("pk")[:most])


def _worse(space: Space) -> int:
    """How many assets failed here and not in the live space."""
    failed_live = IndexEntry.objects.filter(space=live_space(), state=IndexState.FAILED).values("asset_key")
    failed = space.entries.filter(state=IndexState.FAILED)
    return failed.exclude(asset_key__in=failed_live).count()


def progress(run: Reindex) -> Progress:
    """Numbers for a page, in a constant and small number of index look-ups."""
    if run.space is None:
        return Progress(0, run.total, 0, 0.0, None)
    waiting = _waiting(run.space, LARGEST_PIECE * 5)
    total = max(run.total, run.noted)
    done = max(run.noted - waiting, 0)
    left = (total - done) / run.rate if run.rate and run.state == ReindexState.RUNNING else None
    failed = run.space.entries.filter(state=IndexState.FAILED).count()
    return Progress(done, total, failed, round(run.rate, 1), left)


def switch(space: Space, *, actor: User | None = None, despite_failures: bool = False) -> None:
    """Make `space` the live one, at once. The one before is kept up to date beside it, so that the way back
    is as short, until somebody lets it go.

    Raises:
        EncoderError: its encoder cannot be had any more.
        IndexUnavailable: Milvus does not answer.
        ReindexError: the space lacks something that the live one has.
    """
    encoder_of(space)
    claim_collection(space)
    with spaces_change():
        space.refresh_from_db()
        if space.state != SpaceState.LIVE:
            _require_ready(space, despite_failures)
            before = Space.objects.filter(state=SpaceState.LIVE, coverage=SpaceCoverage.ALL)
            before.exclude(pk=space.pk).update(state=SpaceState.STANDBY)
            Space.objects.filter(pk=space.pk).update(state=SpaceState.LIVE)
            runs = Reindex.objects.filter(space=space, state=ReindexState.COMPLETE)
            runs.update(state=ReindexState.SWITCHED, finished=timezone.now(), last_error="")
            audit.record(actor, "space.switched", space, encoder=space.encoder)
    space.refresh_from_db()
    repair_alias()


def _require_ready(space: Space, despite_failures: bool) -> None:
    complete = space.reindexes.filter(state=ReindexState.COMPLETE).exists()
    if space.state != SpaceState.STANDBY and not (space.state == SpaceState.BUILDING and complete):
        raise ReindexError(
            _("This space is not complete. Reindex to %(encoder)s first.") % {"encoder": space.encoder}
        )
    if _waiting(space, BEHIND + 1) > BEHIND:
        raise ReindexError(
            _("More than %(count)d changes are still to be written to this space; wait for the worker.")
            % {"count": BEHIND}
        )
    if not despite_failures and (worse := _worse(space)):
        raise ReindexError(
            ngettext(
                "%(count)d asset failed in this space and not in the live one. Retry, or switch anyway.",
                "%(count)d assets failed in this space and not in the live one. Retry, or switch anyway.",
                worse,
            )
            % {"count": worse}
        )


def repair_alias() -> bool:
    """Make Milvus's alias mean the space that is live; whether it meant another.

    Raises:
        IndexUnavailable: Milvus does not answer; the sweep tries again.
    """
    live = Space.objects.filter(state=SpaceState.LIVE, coverage=SpaceCoverage.ALL).order_by("-id").first()
    if live is None or index_of(live).carries_alias(live_alias()):
        return False
    index_of(live).point_alias(live_alias())
    return True


def reindex(
    encoder_id: str,
    *,
    progress: bool = False,
    switch_over: bool = True,
    despite_failures: bool = False,
    actor: User | None = None,
) -> tuple[Space, DrainReport]:
    """Encode the whole library into the space of `encoder_id` in the foreground and make it the live one.

    Search goes on in the old space meanwhile, and every change is written to both. Interrupted at any
    moment, the same call finishes: entries and vectors that are there are not made again. A worker that
    runs helps.

    Raises:
        EncoderError: the encoder is unknown or its weights cannot be had.
        IndexUnavailable: Milvus does not answer.
        ReindexError: another one is open, this one was paused or cancelled meanwhile, or some assets failed.
    """
    live = live_space()
    if get_encoder(encoder_id).space.slug == live.slug:
        repair_alias()
        return live, drain(live, progress=progress)
    # Should this process be killed, a worker switches in its place.
    run = start(encoder_id, actor=actor, switch_when_complete=switch_over)
    if run.state == ReindexState.CHECKING:
        check(run)
        run.refresh_from_db()
    report = DrainReport()
    _follow(run, report, shown=progress)
    run.refresh_from_db()
    if run.space is None or run.state not in (ReindexState.COMPLETE, ReindexState.SWITCHED):
        raise ReindexError(_stopped(run))
    if switch_over:
        switch(run.space, actor=actor, despite_failures=despite_failures)
    return run.space, report


def _stopped(run: Reindex) -> str:
    if run.state == ReindexState.PAUSED:
        return _("The reindex was paused; “manage.py index --resume” lets it go on.")
    return run.last_error or _("The reindex is “%(state)s”.") % {"state": run.get_state_display()}


def _follow(run: Reindex, report: DrainReport, *, shown: bool) -> None:
    """Work until it is complete, or somebody stops it."""
    began = time.perf_counter()
    with tqdm(total=run.total, unit="asset", desc=run.encoder, disable=not shown) as bar:
        while Reindex.objects.filter(pk=run.pk, state=ReindexState.RUNNING).exists():
            run.refresh_from_db()
            worked = work_on(run, report)
            now = progress(run)
            bar.total = now.total
            bar.update(now.done - bar.n)
            report.seconds = time.perf_counter() - began
            if report.postponed:
                raise ReindexError(
                    _("The new space is not complete: %(why)s Run the same command again.")
                    % {"why": report.postponed}
                )
            if not worked:
                time.sleep(POLL_SECONDS)  # another worker has the rest, or it waits for another try


def work_on(run: Reindex, report: DrainReport) -> bool:
    """New uploads first, then a piece of the new space; whether something was done."""
    drain(live_space())
    if run.space is None:
        return False
    done = drain(run.space, limit=piece_of(run))
    report.indexed += done.indexed
    report.removed += done.removed
    report.failed += done.failed
    report.encoded += done.encoded
    report.postponed = done.postponed
    if run.last_error != done.postponed:
        Reindex.objects.filter(pk=run.pk).update(last_error=done.postponed)
    noted = advance(run.pk)
    return noted or bool(done.indexed or done.removed or done.failed)


def recently_failed(run: Reindex, most: int = 20) -> list[IndexEntry]:
    """Entries of the new space that failed or wait for another try, with what went wrong."""
    entries = IndexEntry.objects.filter(space=run.space_id).filter(
        Q(state=IndexState.FAILED) | Q(state=IndexState.PENDING, attempts__gt=0)
    )
    return list(entries.exclude(last_error="").order_by("-pk")[:most])

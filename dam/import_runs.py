"""Imports in the background: checked, started, stopped, and taken up again where they ended."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from dam import audit, clock, upload_spool, uploads, workflow
from dam.archives import is_archive
from dam.import_sources import PictureSource, open_source
from dam.imports import Answer, ImportReport, Wanted, answers, checking, find_wanted, taking
from dam.ingest import AssetMetadata, is_own_arrival
from dam.leases import renewed
from dam.manifest import ImportProblem
from dam.models import (
    AT_WORK,
    AssetOrigin,
    Import,
    ImportOutcome,
    ImportRow,
    ImportSource,
    ImportState,
    UploadPurpose,
    UploadSession,
    UploadState,
)
from dam.roles import Role, has_role
from dam.s3_source import SCHEME, S3Source, parse_address
from dam.sniffing import HEAD_BYTES
from dam.tables import Row, write_errors

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)  # renewed while a worker is at it
BATCH = 100
MAX_ATTEMPTS = 5  # without a single batch between them
COUNTED = {
    ImportOutcome.IMPORTED: "imported",
    ImportOutcome.KNOWN: "duplicates",
    ImportOutcome.REJECTED: "rejected",
}


class NotNow(Exception):
    """The import is in a state that does not allow this; `str()` says which."""


class _Away(Exception):
    """The storage or the bucket does not answer; `str()` says why."""


class _Lost(Exception):
    """Another worker has the import now."""


class NotForThisRole(ImportProblem):
    """It may be imported from there, but not by an account of this role."""


def imports_of(user: Any) -> QuerySet[Import]:
    """All imports for administrators, for others their own."""
    runs = Import.objects.select_related("owner")
    return runs if has_role(user, Role.ADMINISTRATOR) else runs.filter(owner=user)


# ── What people do ────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def create_import(
    owner: User,
    *,
    source: str,
    location: str = "",
    upload: UploadSession | None = None,
    table: UploadSession | None = None,
    defaults: AssetMetadata | None = None,
    dry_run: bool = True,
) -> Import:
    """Note an import and, once that has committed, tell the workers.

    Args:
        source: which of ImportSource.
        location: an S3 address, or a folder on the server.
        upload: the complete archive, in place of a location.
        table: a complete manifest; an archive, a prefix or a folder may hold its own.
        dry_run: check it first, and wait for `start`.

    Raises:
        ImportProblem: it cannot be imported from there, or not by this account.
    """
    defaults = defaults or AssetMetadata()
    _require_state(owner, defaults, ImportProblem)
    if source == ImportSource.ARCHIVE:
        location = _archive_name(upload, owner)
    elif source == ImportSource.S3:
        upload = None
        location = _required_prefix(owner, location)
    else:
        upload = None
        _require_folder(owner, location)
    if table is not None:
        _require_complete(table, owner)
    run = Import.objects.create(
        owner=owner,
        source=source,
        location=location,
        upload=upload,
        table=table,
        options=defaults.to_plain(),
        language=translation.get_language() or settings.LANGUAGE_CODE,
        state=ImportState.CHECKING if dry_run else ImportState.RUNNING,
        started=None if dry_run else timezone.now(),
    )
    _keep_uploads(run)
    audit.record(owner, "import.created", run, source=source, location=location)
    _publish(run)
    return run


def start(run: Import, *, actor: User) -> None:
    """Take in what was checked.

    Raises:
        NotNow: it is not waiting for that.
    """
    _move(run, (ImportState.READY,), ImportState.RUNNING, actor, "import.started")


def stop(run: Import, *, actor: User) -> None:
    """End after the pictures that are under way; `resume` goes on.

    Raises:
        NotNow: it is not at work.
    """
    _move(run, AT_WORK, ImportState.STOPPED, actor, "import.stopped")


def resume(run: Import, *, actor: User) -> None:
    """Go on where it stopped or failed; one that was stopped while it was checked is checked anew.

    Raises:
        NotNow: it did not stop.
    """
    to = ImportState.RUNNING if run.started else ImportState.CHECKING
    _move(run, (ImportState.STOPPED, ImportState.FAILED), to, actor, "import.resumed")


def error_sheet(run: Import, to: Path) -> None:
    """Write the rejected rows with what is wrong, as the manifest's table; without one, file and problem.

    Raises:
        TableError: the file has another ending, or cannot be written.
    """
    rejected = run.rows.filter(outcome=ImportOutcome.REJECTED)
    if run.columns:
        rows = list(rejected.filter(number__gt=0).order_by("number", "id"))
        table = [Row(1, list(run.columns)), *(Row(row.number, list(row.cells)) for row in rows)]
        write_errors(table, {row.number: row.problem for row in rows}, to)
        return
    listed = list(enumerate(rejected, start=2))
    table = [Row(1, ["file"]), *(Row(number, [row.name]) for number, row in listed)]
    write_errors(table, {number: row.problem for number, row in listed}, to)


@transaction.atomic
def _move(run: Import, expected: Sequence[ImportState], to: ImportState, actor: User, action: str) -> None:
    held = Import.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.state not in expected:
        raise NotNow(_("The import is in the state “%(state)s”.") % {"state": held.get_state_display()})
    if to in AT_WORK:  # of the owner it is asked in every slice
        _require_state(actor, AssetMetadata.from_plain(held.options), workflow.NotPermitted)
    held.state, held.problem, held.attempts, held.finished = to, "", 0, None
    if to == ImportState.RUNNING and held.started is None:
        held.rows.all().delete()  # what was found while checking is found again
        held.started = timezone.now()
        held.total = held.imported = held.duplicates = held.rejected = 0
    held.save()
    audit.record(actor, action, held)
    _keep_uploads(held)
    if to in AT_WORK:
        _publish(held)
    run.refresh_from_db()


def _publish(run: Import) -> None:
    from dam.tasks import publish_import

    transaction.on_commit(lambda: publish_import(run.pk))


def _keep_uploads(run: Import) -> None:
    keys = [key for key in (run.upload_id, run.table_id) if key]
    kept_until = timezone.now() + timedelta(days=settings.DAM_IMPORT_DAYS)
    UploadSession.objects.filter(pk__in=keys).update(expires=kept_until)


# ── Where from ────────────────────────────────────────────────────────────────────────────────────


def _require_state(account: User, defaults: AssetMetadata, refusal: type[Exception]) -> None:
    if defaults.state not in workflow.first_states(account):
        raise refusal(_("You may not bring in assets in that state. Choose another one."))


def _require_complete(upload: UploadSession, owner: User) -> None:
    if upload.owner_id != owner.pk or upload.purpose != UploadPurpose.IMPORT:
        raise ImportProblem(_("That is no upload of yours to import from."))
    if upload.state != UploadState.KEPT:
        raise ImportProblem(_("The upload is not complete. Send the rest of it first."))


def _archive_name(upload: UploadSession | None, owner: User) -> str:
    if upload is None:
        raise ImportProblem(_("Upload the archive first, and give the id of that upload."))
    _require_complete(upload, owner)
    with upload_spool.path_of(upload.public_id).open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not is_archive(head):
        raise ImportProblem(
            _("“%(name)s” is no zip or tar archive. Pack the pictures as one of these.")
            % {"name": upload.name}
        )
    return upload.name


def _required_prefix(owner: User, address: str) -> str:
    """The address; with a slash where it is a place of the site's, since S3 lists what begins like it too."""
    bucket, prefix = parse_address(address)
    if not has_role(owner, Role.EDITOR):
        raise NotForThisRole(_("Importing from S3 takes the role “%(role)s”.") % {"role": Role.EDITOR.label})
    allowed = tuple(place.strip("/") + "/" for place in settings.DAM_IMPORT_S3)
    asked = f"{bucket}/{prefix}"
    if f"{asked}/" in allowed:
        return f"{SCHEME}{asked}/"
    if not asked.startswith(allowed):
        raise ImportProblem(
            _("This site imports from no such place in S3; possible are: %(places)s.")
            % {"places": ", ".join(settings.DAM_IMPORT_S3) or "–"}
        )
    return address


def _require_folder(owner: User, folder: str) -> None:
    if not has_role(owner, Role.ADMINISTRATOR):
        raise NotForThisRole(
            _("Importing from a folder on the server takes the role “%(role)s”.")
            % {"role": Role.ADMINISTRATOR.label}
        )
    path = Path(folder).resolve()
    if not any(path.is_relative_to(Path(place).resolve()) for place in settings.DAM_IMPORT_FOLDERS):
        raise ImportProblem(
            _("This site imports from no such folder; possible are: %(places)s.")
            % {"places": ", ".join(settings.DAM_IMPORT_FOLDERS) or "–"}
        )


def _open(run: Import) -> PictureSource:
    source: PictureSource
    if run.source == ImportSource.S3:
        source = S3Source(_required_prefix(run.owner, run.location))
    elif run.source == ImportSource.FOLDER:
        _require_folder(run.owner, run.location)
        source = open_source(Path(run.location))
    elif run.upload is None:
        raise ImportProblem(_("The archive is not kept any more. Upload it again."))
    else:
        source = open_source(upload_spool.path_of(run.upload.public_id), run.location)
    if run.table is not None:
        source.manifest = (run.table.name, upload_spool.path_of(run.table.public_id).open("rb"))
    return source


# ── What workers do ───────────────────────────────────────────────────────────────────────────────


def due() -> list[int]:
    """Imports that are at work with no worker on them: what a crash or a lost message left behind."""
    clock.mend(Import.objects.filter(state__in=AT_WORK), "leased_until", LEASE)
    free = Q(leased_until=None) | Q(leased_until__lt=clock.Now())
    return list(Import.objects.filter(free, state__in=AT_WORK).values_list("pk", flat=True))


def work(key: int, *, seconds: float) -> bool:
    """A worker's slice of an import, so that the worker's other tasks get through between two of them.

    Returns:
        Whether there is more to do.
    """
    run = _claim(key)
    if run is None:
        return False
    held = Import.objects.filter(pk=run.pk, claim=run.claim, state__in=AT_WORK, leased_until__isnull=False)
    with translation.override(run.language), renewed(held, LEASE):
        try:
            more = _Slice(run, seconds).go()
        except ImportProblem as problem:
            _end(run, ImportState.FAILED, str(problem))
            return False
        except _Away as away:
            _wait(run, str(away))
            return False
        except _Lost:
            return False
        except Exception:
            _release(run)  # what failed here may work a moment later: the sweep need not wait for the lease
            raise
    _release(run)
    return more


def _claim(key: int) -> Import | None:
    """By conditional update: of two workers, one gets it."""
    free = Q(leased_until=None) | Q(leased_until__lt=clock.Now())
    token = uuid.uuid4()
    taken = Import.objects.filter(free, pk=key, state__in=AT_WORK).update(
        claim=token, leased_until=clock.after(LEASE), attempts=F("attempts") + 1
    )
    if not taken:
        return None
    run = Import.objects.select_related("owner", "upload", "table").get(pk=key)
    if run.claim != token:
        return None
    if run.attempts > MAX_ATTEMPTS:
        _end(
            run, ImportState.FAILED, _("It was cut off again and again; the log has more. You can resume it.")
        )
        return None
    return run


def _release(run: Import) -> None:
    Import.objects.filter(pk=run.pk, claim=run.claim).update(leased_until=None)


def _wait(run: Import, reason: str) -> None:
    """What is away comes back without anybody's doing, and then the sweep goes on; it costs no attempt."""
    Import.objects.filter(pk=run.pk, claim=run.claim, state__in=AT_WORK).update(
        problem=_("It waits, and goes on by itself: %(reason)s") % {"reason": reason},
        attempts=0,
        leased_until=clock.after(LEASE),
    )


def _end(run: Import, state: ImportState, problem: str = "") -> None:
    """Unless somebody stopped it, or took it over, meanwhile."""
    ended = Import.objects.filter(pk=run.pk, claim=run.claim, state__in=AT_WORK).update(
        state=state, problem=problem, finished=timezone.now(), leased_until=None
    )
    if ended and state == ImportState.DONE:
        for upload in (run.upload, run.table):
            if upload is not None:
                uploads.discard(upload)


class _Slice:
    """One worker's turn at an import that it has claimed."""

    def __init__(self, run: Import, seconds: float) -> None:
        self.run = run
        self.checks = run.state == ImportState.CHECKING
        self.end = time.monotonic() + seconds
        self.report = ImportReport()

    def go(self) -> bool:
        """Whether there is more to do."""
        defaults = AssetMetadata.from_plain(self.run.options)
        _require_state(self.run.owner, defaults, ImportProblem)  # they may have lost the right since
        source = _open(self.run)
        wanted = find_wanted(source, None, defaults, self.report)
        if not wanted and not self.report.rejected:
            raise ImportProblem(_("There are no pictures in %(path)s.") % {"path": self.run.location})
        if self.checks:
            self._forget_earlier_check()
        done, noted = self._done()
        self._begin(len(wanted) + len(self.report.rejected), noted)
        wanted = {key: known for key, known in wanted.items() if key not in done}
        return self._take(source, wanted)

    def _forget_earlier_check(self) -> None:
        """Nothing was written, so a check that was cut off simply begins anew."""
        self.run.rows.all().delete()
        self._guarded().update(imported=0, duplicates=0, rejected=0)

    def _done(self) -> tuple[set[str], set[tuple[str, int]]]:
        """Keys of the pictures that are answered; names and numbers of what was rejected without one."""
        done, noted = set(), set()
        for key, name, number in self.run.rows.values_list("key", "name", "number").iterator():
            if key:
                done.add(key)
            else:
                noted.add((name, number))
        return done, noted

    def _begin(self, total: int, noted: set[tuple[str, int]]) -> None:
        """Note what is known before the first picture is looked at."""
        known_bad = [
            ImportRow(
                run=self.run,
                name=fault.file,
                number=fault.number,
                outcome=ImportOutcome.REJECTED,
                problem=fault.sentence,
            )
            for fault in self.report.refusals
            if (fault.file, fault.number) not in noted
        ]
        columns = self.report.table[0].cells if self.report.table else []
        self._write(known_bad, total=total, columns=columns, notices=self.report.notices)

    def _take(self, source: PictureSource, wanted: Mapping[str, Wanted]) -> bool:
        verdicts = checking if self.checks else taking(self.run.owner)
        batch: list[Answer] = []
        for answer in answers(source, wanted, verdicts):
            if answer.ends_import:
                self._save(batch)
                raise _Away(answer.reason)
            batch.append(answer)
            if len(batch) < BATCH:
                continue
            self._save(batch)
            batch = []
            if not self._is_wanted():
                return False
            if not self.checks and time.monotonic() > self.end:
                return True
        self._save(batch)
        _end(self.run, ImportState.READY if self.checks else ImportState.DONE)
        return False

    def _is_wanted(self) -> bool:
        """Whether nobody stopped it."""
        return self._guarded().filter(state__in=AT_WORK).exists()

    def _save(self, batch: Sequence[Answer]) -> None:
        own = self._own_arrivals(batch)
        rows = [
            ImportRow(
                run=self.run,
                key=answer.key,
                name=answer.name,
                number=answer.row,
                outcome=_outcome(answer, own),
                problem=answer.reason or answer.notice,
                asset=answer.asset,
            )
            for answer in batch
        ]
        self._write(rows)

    def _own_arrivals(self, batch: Sequence[Answer]) -> set[int]:
        """Known assets that this import took in before it was cut off, and could not note."""
        since = self.run.started
        if since is None:
            return set()
        keys = {
            answer.asset.pk
            for answer in batch
            if answer.asset
            and not answer.is_new
            and is_own_arrival(answer.asset, self.run.owner, AssetOrigin.IMPORTED, since)
        }
        noted = ImportRow.objects.filter(asset__in=keys, outcome=ImportOutcome.IMPORTED)
        in_batch = {answer.asset.pk for answer in batch if answer.asset and answer.is_new}
        return keys - set(noted.values_list("asset_id", flat=True)) - in_batch if keys else set()

    @transaction.atomic
    def _write(self, rows: Sequence[ImportRow], **changes: Any) -> None:
        """Rows and counters together; nothing, where another worker has the import now."""
        counts = {
            column: F(column) + sum(row.outcome == outcome for row in rows)
            for outcome, column in COUNTED.items()
        }
        went_on = {"attempts": 0, "problem": ""} if rows else {}
        kept = self._guarded().update(leased_until=clock.after(LEASE), **counts, **went_on, **changes)
        if not kept:
            raise _Lost
        cells = {row.number: row.cells for row in self.report.table}
        for row in rows:
            if row.outcome == ImportOutcome.REJECTED and row.number:
                row.cells = cells.get(row.number, [])
        ImportRow.objects.bulk_create(row for row in rows if not self.checks or row.problem)

    def _guarded(self) -> Any:
        return Import.objects.filter(pk=self.run.pk, claim=self.run.claim)


def _outcome(answer: Answer, own: set[int]) -> ImportOutcome:
    if answer.reason:
        return ImportOutcome.REJECTED
    if answer.is_new or (answer.asset and answer.asset.pk in own):
        return ImportOutcome.IMPORTED
    return ImportOutcome.KNOWN

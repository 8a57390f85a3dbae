"""Taking a file in piece by piece: opened, continued after breaks, and ingested when it is complete."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import editing, upload_spool, workflow
from dam.arrivals import base_name
from dam.errors import IngestError
from dam.ingest import AssetMetadata, IngestResult, ingest, is_own_arrival
from dam.models import (
    Asset,
    AssetOrigin,
    AssetState,
    Collection,
    UploadPurpose,
    UploadSession,
    UploadState,
)
from dam.upload_spool import Busy, Checksum, ChecksumMismatch, Displaced, Missing

__all__ = [
    "Busy",
    "Checksum",
    "ChecksumMismatch",
    "Displaced",
    "Missing",
    "UploadRefused",
    "append",
    "compare_spool",
    "discard",
    "offset_of",
    "open_upload",
    "receive",
    "sweep",
]

log = logging.getLogger(__name__)
SPARE_BYTES = 64 * 1024 * 1024  # what an upload leaves free where it is spooled


class UploadRefused(Exception):
    """An upload that cannot begin or go on; `str()` says why and what to do.

    Attributes:
        code: "too_large", "too_many" or "no_room".
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def largest(purpose: str) -> int:
    """Bytes that one upload may have."""
    if purpose == UploadPurpose.IMPORT:
        return int(settings.DAM_MAX_ARCHIVE_BYTES)
    return int(settings.DAM_MAX_FILE_BYTES)


@transaction.atomic
def open_upload(
    owner: User,
    *,
    name: str,
    length: int,
    purpose: str = UploadPurpose.ASSET,
    metadata: Mapping[str, Any] | None = None,
    collection: Collection | None = None,
    sent_metadata: str = "",
) -> UploadSession:
    """Begin an upload of so many bytes.

    Args:
        metadata: what ingest shall be told, as `AssetMetadata` names it.
        collection: where the asset goes.
        sent_metadata: what the client said, to be told again when it asks.

    Raises:
        UploadRefused: it is too large, or the account has too many open, or the disk is full.
    """
    _check(owner, length, purpose)
    upload = UploadSession.objects.create(
        owner=owner,
        purpose=purpose,
        name=base_name(name) or "upload",
        length=length,
        metadata=dict(metadata or {}),
        collection=collection,
        sent_metadata=sent_metadata,
        expires=_expiry(),
    )
    upload_spool.create(upload.public_id)
    return upload


def offset_of(upload: UploadSession) -> int:
    """How many of its bytes are here.

    Raises:
        Missing: its spooled file is gone; it has to begin anew.
    """
    return upload_spool.still_size_of(upload.public_id) if upload.is_receiving else upload.length


def append(
    upload: UploadSession, offset: int, read: Callable[[int], bytes], size: int, checksum: Checksum | None
) -> int:
    """Add the next piece; with the last one, the file is taken in. What came before a break stays.

    Args:
        upload: gets its outcome, if it is complete.
        offset: where the piece begins.
        read: gives at most so many of the piece's bytes.
        size: of the piece, as announced.

    Returns:
        Where the next piece begins.

    Raises:
        Displaced, ChecksumMismatch, Missing: see there.
        UploadRefused: the piece goes beyond the end, or the disk is full.
    """
    if not upload.is_receiving:
        return _answered(upload, offset, size)
    if offset + size > upload.length:
        raise UploadRefused("too_large", _("These are more bytes than the upload announced."))
    try:
        there = upload_spool.append(upload.public_id, offset, read, size, checksum)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room() from error
        raise
    except Missing:
        upload.refresh_from_db()
        if upload.is_receiving:
            raise
        return _answered(upload, offset, size)  # another request brought it to its end
    UploadSession.objects.filter(pk=upload.pk).update(expires=_expiry())
    if there == upload.length:
        _finish(upload)
    return there


def receive(owner: User, file: File, purpose: str) -> UploadSession:
    """A file that came whole, as forms without script send it.

    Raises:
        UploadRefused: see `open_upload`.
    """
    size = file.size or 0
    upload = open_upload(owner, name=file.name or "", length=size, purpose=purpose)
    append(upload, 0, file.read, size, None)
    return upload


def discard(upload: UploadSession) -> None:
    """End it and free what it holds; an asset that came of it stays.

    Raises:
        Busy: it is being taken in at this moment.
    """
    with suppress(Missing), upload_spool.held(upload.public_id, wait=False):
        upload_spool.remove(upload.public_id)
    upload.delete()


def sweep() -> None:
    """Finish what was cut off after its last byte, and remove what nobody continued in time."""
    for upload in UploadSession.objects.filter(state=UploadState.RECEIVING).iterator():
        try:
            with suppress(Missing):
                if upload_spool.size_of(upload.public_id) == upload.length:
                    _finish(upload)
        except Exception:  # whatever this one meets, the others do not wait for it
            log.exception("The upload %s could not be finished", upload.public_id)
    for upload in UploadSession.objects.filter(expires__lt=timezone.now()).iterator():
        with suppress(Busy):
            discard(upload)
    _remove_orphans()


def compare_spool(*, fix: bool = False) -> tuple[int, int]:
    """How many spooled files no upload names, which go with `fix`; and how many uploads have lost theirs.

    Such an upload is begun anew by its client, who is told so, and is removed after its time.
    """
    counts = len(_orphans()), _count_without_bytes()
    if fix:
        _remove_orphans()
    return counts


# ── Beginning ─────────────────────────────────────────────────────────────────────────────────────


def _check(owner: User, length: int, purpose: str) -> None:
    limit = largest(purpose)
    if length > limit:
        raise UploadRefused(
            "too_large",
            _("The file is larger than %(limit)s MB. Make it smaller and upload it again.")
            % {"limit": f"{limit / 1024**2:g}"},
        )
    # Locked, so that two requests at once do not both take the last place.
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    count = UploadSession.objects.filter(owner=owner, state=UploadState.RECEIVING).count()
    if count >= settings.DAM_OPEN_UPLOADS:
        raise UploadRefused(
            "too_many",
            _("You have %(count)s uploads that are not complete. Continue or delete some of them first.")
            % {"count": count},
        )
    if upload_spool.room() - SPARE_BYTES < length:
        raise _no_room()


def _expiry() -> Any:
    return timezone.now() + timedelta(hours=settings.DAM_UPLOAD_HOURS)


def _no_room() -> UploadRefused:
    return UploadRefused("no_room", _("The server has no room for this file at the moment. Try again later."))


# ── Going on ──────────────────────────────────────────────────────────────────────────────────────


def _answered(upload: UploadSession, offset: int, size: int) -> int:
    """A complete upload takes nothing, at its end, as often as it is asked."""
    if offset != upload.length or size:
        raise Displaced(upload.length)
    return upload.length


# ── The end ───────────────────────────────────────────────────────────────────────────────────────


def _finish(upload: UploadSession) -> None:
    """Take the complete file in, unless somebody else was faster."""
    try:
        with upload_spool.held(upload.public_id):
            upload.refresh_from_db()
            if upload.is_receiving:
                _settle(upload)
    except Missing:
        upload.refresh_from_db()


def _settle(upload: UploadSession) -> None:
    """Ingest the complete file. While the storage is away it waits, and the sweep tries again."""
    if upload.purpose == UploadPurpose.IMPORT:
        _end(upload, UploadState.KEPT)
        return
    try:
        result = ingest(
            upload_spool.path_of(upload.public_id),
            filename=upload.name,
            owner=upload.owner,
            origin=AssetOrigin.UPLOADED,
            metadata=_metadata(upload),
        )
    except IngestError as error:
        upload.problem_code, upload.problem = error.code, str(error)
        _end(upload, UploadState.RECEIVING if error.code == "storage" else UploadState.REFUSED)
    else:
        _welcome(upload, result)
    if not upload.is_receiving:
        upload_spool.remove(upload.public_id)


def _welcome(upload: UploadSession, result: IngestResult) -> None:
    asset = result.asset
    created = result.created or _is_of(upload, asset)
    upload.problem_code = upload.problem = ""
    if Asset.objects.visible_to(upload.owner).filter(pk=asset.pk).exists():
        upload.asset = asset
        if result.notice:
            upload.problem_code, upload.problem = "incomplete", result.notice
        if upload.collection:
            editing.add_to_collection(upload.collection, [asset], actor=upload.owner)
    else:
        upload.problem_code = "duplicate"
        upload.problem = _("This file is in the library already, and it is not yours to open.")
    _end(upload, UploadState.CREATED if created else UploadState.KNOWN)


def _is_of(upload: UploadSession, asset: Asset) -> bool:
    """Whether the asset came of this upload, which was cut off before that was noted."""
    claimed = UploadSession.objects.filter(asset=asset, state=UploadState.CREATED)
    return is_own_arrival(asset, upload.owner, AssetOrigin.UPLOADED, upload.created) and not claimed.exists()


def _metadata(upload: UploadSession) -> AssetMetadata:
    """As it was sent; the state only if the account may still give it."""
    known = dict(upload.metadata)
    if known.get("state") not in workflow.first_states(upload.owner):
        known["state"] = AssetState.DRAFT
    return AssetMetadata.from_plain(known)


def _end(upload: UploadSession, state: UploadState) -> None:
    upload.state, upload.expires = state, _expiry()
    upload.save(update_fields=["state", "asset", "problem_code", "problem", "expires"])


def _orphans() -> list[Path]:
    """Files that no row names: their account was deleted, or their row was never committed."""
    files = dict(upload_spool.files())
    known = set(UploadSession.objects.filter(public_id__in=list(files)).values_list("public_id", flat=True))
    # A row may be about to be committed.
    old = timezone.now() - timedelta(hours=settings.DAM_UNNAMED_FILE_HOURS)
    return [
        path
        for public_id, path in files.items()
        if public_id not in known and path.exists() and path.stat().st_mtime < old.timestamp()
    ]


def _remove_orphans() -> None:
    for path in _orphans():
        log.info("Removing %s, which no upload names", path)
        path.unlink(missing_ok=True)


def _count_without_bytes() -> int:
    """Those whose bytes should be here, and are not: nobody can continue them, nor import from them."""
    kept = UploadSession.objects.filter(state__in=(UploadState.RECEIVING, UploadState.KEPT))
    names = kept.values_list("public_id", flat=True)
    return sum(not upload_spool.path_of(name).exists() for name in names.iterator())

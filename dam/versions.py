"""New files for an asset that is there: adding a version, and going back to one."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam import audit, workflow
from dam.arrivals import Arrival, Source, aspect_of
from dam.audit import Actor
from dam.colours import main_family
from dam.errors import IngestError
from dam.ingest import note_put_back
from dam.models import Asset, AssetState, AssetVersion, DuplicatePair, PairState
from dam.provenance.keeping import making_of
from dam.roles import Role, has_role, sees_library
from dam.signals import assets_changed

ATTEMPTS = 5  # somebody else may add a version at the same moment


def add_version(asset: Asset, source: Source, *, filename: str, actor: Actor) -> AssetVersion:
    """Make this file the asset's current one; those before stay, and can be restored.

    A file that the library has is refused, unless the storage has lost it: then it is put back, and if it is
    a version of this asset that version is the answer.

    What is approved was approved with another file: unless the actor could approve it, it goes back to
    review.

    Raises:
        IngestError: the file was refused, or the library has it already; nothing of it was kept.
        NotPermitted: the asset is not the actor's to change, or lies in the trash.
    """
    workflow.check_changing(actor, [asset])
    workflow.check_kept(asset)
    arrival = Arrival(source, filename)
    kept = False
    try:
        arrival.receive()
        if back := _put_back(asset, arrival, actor):
            return back
        for attempt in range(ATTEMPTS):
            _refuse_known(asset, arrival.sha256, actor)
            arrival.prepare(asset, _next_number(asset))
            try:
                version = _write(asset, arrival, actor)
            except IntegrityError:
                arrival.discard()
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            kept = True
            return version
        raise AssertionError("The last attempt returns or raises.")
    finally:
        arrival.close()
        if not kept:
            arrival.discard()


@transaction.atomic
def restore_version(asset: Asset, number: int, *, actor: Actor) -> AssetVersion:
    """Make an earlier (or later) file the current one again.

    Raises:
        AssetVersion.DoesNotExist: the asset has no such version.
        NotPermitted: the asset is not the actor's to change, or lies in the trash.
    """
    locked = Asset.objects.select_for_update(no_key=True).get(pk=asset.pk)
    workflow.check_changing(actor, [locked])
    workflow.check_kept(locked)
    version = locked.versions.get(number=number)
    before = locked.current.number if locked.current else None
    if before != number:
        _make_current(locked, version, actor)
        AssetVersion.objects.filter(pk=version.pk).update(near_looked_for=False)
        audit.record(actor, "asset.version_restored", locked, before=before, after=number)
        assets_changed.send(sender=Asset, asset_ids=[locked.pk])
    return version


def _put_back(asset: Asset, arrival: Arrival, actor: Actor) -> AssetVersion | None:
    """The asset's own version with this file, if the storage had lost it."""
    known = AssetVersion.objects.filter(sha256=arrival.sha256).select_related("asset").first()
    if known is None or not arrival.put_back(known):
        return None
    note_put_back(known, actor)
    return known if known.asset_id == asset.pk else None


def _refuse_known(asset: Asset, sha256: str, actor: Actor) -> None:
    known = AssetVersion.objects.filter(sha256=sha256).select_related("asset").first()
    if known is None:
        return
    if known.asset_id == asset.pk:
        raise IngestError(
            "known_version",
            _("This file is version %(number)s of the asset already. Restore that version instead."),
            number=known.number,
        )
    if not (sees_library(actor) or Asset.objects.visible_to(actor).filter(pk=known.asset_id).exists()):
        raise IngestError("duplicate", _("This file is in the library already, and it is not yours to open."))
    raise IngestError(
        "duplicate",
        _("This file is in the library already, as “%(title)s”."),
        title=known.asset.display_title,
    )


def _next_number(asset: Asset) -> int:
    return (asset.versions.aggregate(last=Max("number"))["last"] or 0) + 1


@transaction.atomic
def _write(asset: Asset, arrival: Arrival, actor: Actor) -> AssetVersion:
    version, thumbnail = arrival.version, arrival.thumbnail
    assert version is not None  # noqa: S101  prepared before
    assert thumbnail is not None  # noqa: S101
    locked = Asset.objects.select_for_update(no_key=True).get(pk=asset.pk)
    workflow.check_kept(locked)  # its state of before would come back with it, given to another file
    version.asset, version.created_by = locked, actor if isinstance(actor, User) else None
    version.save(force_insert=True)
    thumbnail.version = version
    thumbnail.save(force_insert=True)
    _make_current(locked, version, actor)
    story = {"version": version.number, "file": version.original_name, "sha256": version.sha256}
    audit.record(actor, "asset.version_added", locked, **story)
    assets_changed.send(sender=Asset, asset_ids=[locked.pk])
    return version


def _make_current(asset: Asset, version: AssetVersion, actor: Actor) -> None:
    # What looked like the file before is looked for again; what people said of it stays.
    of_the_file_before = DuplicatePair.objects.filter(Q(first=asset) | Q(second=asset), state=PairState.OPEN)
    of_the_file_before.delete()
    asset.current = version
    asset.colour_family = main_family(version.colours)
    asset.aspect = aspect_of(version.width, version.height)
    asset.making = making_of(version) or ""
    asset.updated = timezone.now()
    if asset.state == AssetState.APPROVED and not has_role(actor, Role.REVIEWER):
        asset.state = AssetState.IN_REVIEW
        audit.record(actor, "asset.state", asset, before=AssetState.APPROVED, after=AssetState.IN_REVIEW)
    asset.save(update_fields=["current", "colour_family", "aspect", "making", "state", "updated"])

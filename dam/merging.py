"""Merging duplicates: one asset stays and takes over what was known and linked of the others."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, editing, rights, workflow
from dam.audit import Actor
from dam.models import Asset, AssetSKU, CollectionItem, DuplicatePair, Lineage, ModelRelease, PairState
from dam.roles import Role
from dam.signals import assets_changed, assets_merged

# What the asset that stays takes over where it knows nothing itself.
FILLED = (
    "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh", "rights_holder",
    "licence", "credit",
)  # fmt: skip

RIGHTS = ("rights_expire_on", "territories", "model_release", "release_expires_on")
STRICTEST_FIRST = (ModelRelease.MISSING, ModelRelease.SIGNED, ModelRelease.NOT_NEEDED)


class MergeError(ValueError):
    """These cannot be merged; `str()` says why."""


@transaction.atomic
def merge(kept: Asset, others: Sequence[Asset], *, actor: Actor) -> Asset:
    """Give `kept` the tags, SKUs, collections and lineage of the others, and move those to the trash.

    Where words and custom fields are missing they come from the others, the first first; of rights, what
    allows less counts. The others remember into which asset they went, and can be restored.

    Raises:
        MergeError: nothing to merge, or one of them lies in the trash.
        NotPermitted: the account is no editor.
    """
    workflow.check_role(actor, Role.EDITOR)
    rows = {asset.pk: asset for asset in editing.lock([kept, *others])}
    if kept.pk not in rows or len(rows) != len({kept.pk, *(other.pk for other in others)}):
        raise MergeError(_("One of these assets was deleted meanwhile. Load the page again."))
    kept, merged = rows.pop(kept.pk), [rows[other.pk] for other in others if other.pk in rows]
    _check(kept, merged)
    keys = [asset.pk for asset in merged]
    _fill(kept, merged)
    _move_tags(kept, keys)
    _move_skus(kept, keys)
    _move_collections(kept, keys)
    _move_lineage(kept, keys)
    DuplicatePair.objects.filter(Q(first__in=keys) | Q(second__in=keys)).update(state=PairState.MERGED)
    Asset.objects.filter(pk__in=keys).update(merged_into=kept)
    editing.trash(merged, actor=actor)
    names = [str(asset.public_id) for asset in merged]
    audit.record(actor, "asset.merged", kept, merged=names)
    assets_merged.send(sender=Asset, kept_id=kept.pk, merged_ids=keys)
    assets_changed.send(sender=Asset, asset_ids=sorted({kept.pk, *rights.settle([kept.pk])}))
    return kept


def _check(kept: Asset, merged: Sequence[Asset]) -> None:
    if not merged:
        raise MergeError(_("Choose at least two different assets to merge."))
    for asset in (kept, *merged):
        if asset.is_trashed:
            raise MergeError(
                _("“%(title)s” is in the trash; restore it first.") % {"title": asset.display_title}
            )
    if _covered((kept, *merged)) == set():
        raise MergeError(
            _(
                "The licences of these assets have no territory in common, so nobody could use the merged "
                "one. Say on one of them where the picture may be used, then merge."
            )
        )


def _fill(kept: Asset, merged: Sequence[Asset]) -> None:
    for name in FILLED:
        known = (getattr(asset, name) for asset in (kept, *merged))
        setattr(kept, name, next((value for value in known if value), ""))
    ends = [asset.rights_expire_on for asset in (kept, *merged) if asset.rights_expire_on]
    kept.rights_expire_on = min(ends, default=None)
    kept.territories = sorted(_covered((kept, *merged)) or ())
    _take_release(kept, merged)
    kept.custom = {slug: value for asset in (*reversed(merged), kept) for slug, value in asset.custom.items()}
    kept.updated = timezone.now()
    kept.save(update_fields=[*FILLED, *RIGHTS, "custom", "updated"])


def _covered(assets: Sequence[Asset]) -> set[str] | None:
    """Where all of their licences hold; None: everywhere."""
    bounded = [codes for asset in assets if (codes := rights.own_territories(asset)) is not None]
    return set(frozenset.intersection(*bounded)) if bounded else None


def _take_release(kept: Asset, merged: Sequence[Asset]) -> None:
    """What asks for more counts: one that is missing, then one that was signed, with the earliest end."""
    said = {asset.model_release for asset in (kept, *merged)}
    kept.model_release = next(one for one in STRICTEST_FIRST if one in said)
    ends = [asset.release_expires_on for asset in (kept, *merged) if asset.release_expires_on]
    kept.release_expires_on = min(ends, default=None)


def _move_tags(kept: Asset, keys: Sequence[int]) -> None:
    through = Asset.tags.through
    tags = set(through.objects.filter(asset__in=keys).values_list("tag_id", flat=True))
    through.objects.bulk_create(
        (through(asset_id=kept.pk, tag_id=tag) for tag in sorted(tags)), ignore_conflicts=True
    )


def _move_skus(kept: Asset, keys: Sequence[int]) -> None:
    links = set(AssetSKU.objects.filter(asset__in=keys).values_list("sku_id", "role"))
    AssetSKU.objects.bulk_create(
        (AssetSKU(asset=kept, sku_id=sku, role=role) for sku, role in sorted(links)), ignore_conflicts=True
    )


def _move_collections(kept: Asset, keys: Sequence[int]) -> None:
    """The asset that stays stands where the first of the others stood; those leave the collection."""
    items = CollectionItem.objects.filter(asset__in=keys)
    places = list(items.order_by("position", "pk").values_list("collection_id", "position"))
    CollectionItem.objects.bulk_create(
        (
            CollectionItem(collection_id=collection, asset=kept, position=position)
            for collection, position in reversed(dict(reversed(places)).items())
        ),
        ignore_conflicts=True,
    )
    items.delete()


def _move_lineage(kept: Asset, keys: Sequence[int]) -> None:
    """Both ways, without links of the asset to itself."""
    links = list(Lineage.objects.filter(Q(parent__in=keys) | Q(child__in=keys)))
    moved = []
    for link in links:
        parent = kept.pk if link.parent_id in keys else link.parent_id
        child = kept.pk if link.child_id in keys else link.child_id
        if parent != child:
            moved.append(Lineage(parent_id=parent, child_id=child, role=link.role, position=link.position))
    Lineage.objects.filter(pk__in=[link.pk for link in links]).delete()
    Lineage.objects.bulk_create(moved, ignore_conflicts=True)

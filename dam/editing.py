"""Every change of assets that are in the library: checked, audited and told to whoever listens.

Each verb is one transaction and takes the same number of queries for one asset as for ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, cast

from django.db import transaction
from django.db.models import F, Field, Max, Min, Model, ProtectedError, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import audit, custom_fields, field_rules, removal, rights, tagging, usage, workflow
from dam.audit import Actor
from dam.custom_values import PREFIX, merged
from dam.models import (
    SKU,
    Asset,
    AssetSKU,
    AssetState,
    AssetVersion,
    Collection,
    CollectionItem,
    Lineage,
    Rendition,
    SKURole,
)
from dam.roles import Role, has_role
from dam.signals import assets_changed, assets_deleted

Assets = Iterable[Asset]
NAMED = 3  # assets that a refusal names
# What `update_assets` may write, beside custom fields; state, files and links have verbs of their own.
EDITABLE = frozenset(
    {
        "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh", "kind", "owner",
        "focal_x", "focal_y", "rights_holder", "licence", "credit", "rights_expire_on", "model_release",
        "release_expires_on", "territories",
    }
)  # fmt: skip


class AssetsInUse(ProtectedError):
    """Assets cannot be deleted for good, since something depends on them; `str()` says what and what to do.

    Attributes:
        asset_ids: the keys of those assets.
    """

    def __init__(self, sentence: str, dependants: set[Any], asset_ids: set[int]) -> None:
        super().__init__(sentence, dependants)
        self.asset_ids = asset_ids

    def __str__(self) -> str:
        return str(self.args[0])


class NotCollected(Exception):
    """Assets are not in the collection; `str()` names the first of them."""


@transaction.atomic
def update_assets(
    assets: Assets,
    *,
    actor: Actor,
    changes: dict[str, Any],
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
    action: str = "asset.updated",
) -> int:
    """Set the same fields, and add and remove the same tags, on all of them.

    Args:
        changes: values by field name; the names in EDITABLE, and those of custom fields (“custom.season”),
            which None or an empty value empties.
        add_tags: slugs or labels; unknown ones are created.
        remove_tags: slugs or labels; unknown ones are no error.

    Returns:
        How many assets there were to change.

    Raises:
        BadValues: a custom field does not take its value; nothing was changed.
        Incomplete: one of them would lack what its state asks for; nothing was changed.
        NotPermitted: one of them is not the actor's to change; nothing was changed.
    """
    given = {name.removeprefix(PREFIX): value for name, value in changes.items() if name.startswith(PREFIX)}
    changes = {name: value for name, value in changes.items() if not name.startswith(PREFIX)}
    if unknown := changes.keys() - EDITABLE:
        raise ValueError(f"Not fields that can be edited: {', '.join(sorted(unknown))}")
    chosen = lock(assets)
    workflow.check_changing(actor, chosen)
    guard = field_rules.Guard(chosen)
    # Foreign keys are logged by what they name, so the new owner is compared by id as well.
    columns = {cast(Field, Asset._meta.get_field(name)).attname: name for name in changes}
    new = {attname: getattr(changes[name], "pk", changes[name]) for attname, name in columns.items()}
    custom = _new_custom(chosen, given, changes.get("kind"))
    stories: list[tuple[Asset, dict[str, Any]]] = []
    for asset in chosen:
        before = {columns[name]: getattr(asset, name) for name in new if getattr(asset, name) != new[name]}
        after = {columns[name]: new[name] for name in new if columns[name] in before}
        for name, was, becomes in _custom_changes(asset, custom):
            before[name], after[name] = was, becomes
        stories.append(
            (asset, _without_empty(before=before, after=after, tags=add_tags, untagged=remove_tags))
        )
    _all(chosen).update(**new, updated=timezone.now())
    _write_custom(custom)
    _add_tags(chosen, add_tags)
    _remove_tags(chosen, remove_tags)
    guard.check({asset.pk: _edited(asset, new, custom) for asset in guard.assets})
    if changes.keys() & rights.FIELDS:
        _settle_rights([asset.pk for asset in chosen])
    return _tell(chosen, actor, action, stories)


@contextmanager
def moving(assets: Assets, *, actor: Actor, state: str) -> Iterator[None]:
    """Move assets into a state around an edit of them: `with moving(…): update_assets(…)`.

    Back before the edit, which then may empty what the state before asked for; on after it, when what the
    new state asks for has been filled. An empty state leaves them in theirs.

    Raises:
        Incomplete, NotPermitted: see `set_state`; the edit is undone too.
    """
    if not state:
        yield
        return
    with transaction.atomic():
        before = lock(assets)
        back = [asset for asset in before if field_rules.is_step_back(asset.state, state)]
        set_state(back, actor=actor, state=state)
        yield
        gone_back = {asset.pk for asset in back}
        set_state([asset for asset in before if asset.pk not in gone_back], actor=actor, state=state)


@transaction.atomic
def set_state(assets: Assets, *, actor: Actor, state: str) -> int:
    """Move through the review; what lies in the trash is restored first, by `restore`.

    Raises:
        Incomplete: one of them lacks a field that the state asks for; nothing was changed.
        NotPermitted: there is no such step, or it is not the actor's to take; nothing was changed.
    """
    if state == AssetState.TRASHED:
        return trash(assets, actor=actor)
    state = AssetState(state)
    chosen = [asset for asset in lock(assets) if asset.state not in (state, AssetState.TRASHED)]
    workflow.check_steps(actor, chosen, state)
    field_rules.check_entering(chosen, state)
    stories = [(asset, {"before": asset.state, "after": state}) for asset in chosen]
    _all(chosen).update(state=state, updated=timezone.now())
    return _tell(chosen, actor, "asset.state", stories, state_changed=True)


@transaction.atomic
def trash(assets: Assets, *, actor: Actor) -> int:
    """Take out of the library; `restore` brings back.

    Raises:
        NotPermitted: one of them is not the actor's to throw away; nothing was changed.
    """
    chosen = [asset for asset in lock(assets) if not asset.is_trashed]
    workflow.check_steps(actor, chosen, AssetState.TRASHED)
    now = timezone.now()
    _all(chosen).update(state_before_trash=F("state"), state=AssetState.TRASHED, trashed_at=now, updated=now)
    stories = [(asset, {"before": asset.state}) for asset in chosen]
    return _tell(chosen, actor, "asset.trashed", stories, state_changed=True)


@transaction.atomic
def restore(assets: Assets, *, actor: Actor) -> int:
    """Bring back from the trash, in the state before it; as drafts where they lack what that one asks for.

    What was approved is reviewed again where contributors bring it back: an editor may have thrown it away
    to take it off the storefront.

    Raises:
        NotPermitted: one of them is not the actor's; nothing was changed.
    """
    chosen = [asset for asset in lock(assets) if asset.is_trashed]
    workflow.check_changing(actor, chosen)
    if not has_role(actor, Role.EDITOR):
        _review_again(chosen)
    _rules, lacking = field_rules.lacking_for_return(chosen)
    drafts = [asset.pk for asset in chosen if asset.pk in lacking or not asset.state_before_trash]
    Asset.objects.filter(pk__in=drafts).update(state_before_trash=AssetState.DRAFT)
    _all(chosen).update(
        state=F("state_before_trash"),
        state_before_trash="",
        trashed_at=None,
        merged_into=None,
        updated=timezone.now(),
    )
    stories: list[tuple[Asset, dict[str, Any]]] = []
    for asset in chosen:
        after = AssetState.DRAFT if asset.pk in drafts else asset.state_before_trash
        stories.append((asset, _without_empty(after=after, missing=lacking.get(asset.pk))))
    return _tell(chosen, actor, "asset.restored", stories, state_changed=True)


def _review_again(thrown_away: Sequence[Asset]) -> None:
    approved = [asset for asset in thrown_away if asset.state_before_trash == AssetState.APPROVED]
    for asset in approved:
        asset.state_before_trash = AssetState.IN_REVIEW
    _all(approved).update(state_before_trash=AssetState.IN_REVIEW)


@transaction.atomic
def delete_forever(assets: Assets, *, actor: Actor) -> int:
    """Delete rows and, once that has committed, all their files (`dam.removal`).

    What lay in the trash when the caller looked and has been restored since stays.

    Raises:
        AssetsInUse: others that stay were made from one of them, or are planned with it; nothing was deleted.
        NotPermitted: only administrators and the sweep of the trash delete for good.
    """
    workflow.check_role(actor, workflow.DELETING)
    seen = list(assets)
    thrown_away = {asset.pk for asset in seen if asset.is_trashed}
    chosen = [asset for asset in lock(seen) if asset.is_trashed or asset.pk not in thrown_away]
    keys = [asset.pk for asset in chosen]
    names = _file_names(keys)
    audit.record_many(actor, "asset.deleted", [(asset, {"title": asset.title}) for asset in chosen])
    assets_deleted.send(sender=Asset, asset_ids=keys)
    Lineage.objects.filter(child__in=keys).delete()
    try:
        _all(chosen).delete()
    except ProtectedError as error:
        raise _in_use(chosen, error.protected_objects) from error
    removal.note(names)
    return len(chosen)


@transaction.atomic
def add_to_collection(collection: Collection, assets: Assets, *, actor: Actor) -> int:
    """Append them in the order given; those in it already stay where they are. Returns how many were new."""
    ordered = list(dict.fromkeys(asset.pk for asset in assets))
    locked = {asset.pk: asset for asset in _lock_keys(ordered)}
    # Locking the collection keeps two people who add at the same moment from using one position twice.
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    present = set(collection.items.filter(asset__in=ordered).values_list("asset_id", flat=True))
    chosen = [locked[key] for key in ordered if key in locked and key not in present]
    last = collection.items.aggregate(last=Max("position"))["last"]
    start = 0 if last is None else last + 1
    CollectionItem.objects.bulk_create(
        CollectionItem(collection=collection, asset=asset, position=position)
        for position, asset in enumerate(chosen, start)
    )
    return _tell(
        chosen, actor, "asset.collected", _same(chosen, collection=str(collection), id=collection.pk)
    )


@transaction.atomic
def remove_from_collection(collection: Collection, assets: Assets, *, actor: Actor) -> int:
    """Take them out of the collection; they stay in the library. Returns how many were in it."""
    chosen = list(_all(lock(assets)).filter(collection_links__collection=collection))
    collection.items.filter(asset__in=chosen).delete()
    return _tell(
        chosen, actor, "asset.uncollected", _same(chosen, collection=str(collection), id=collection.pk)
    )


@transaction.atomic
def order_collection(collection: Collection, assets: Assets, *, actor: Actor) -> None:
    """Put these first, in the order given; the others follow in the order they were in.

    Raises:
        NotCollected: one of them is not in it; nothing was changed.
    """
    wanted = list({asset.pk: asset for asset in assets}.values())
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    items = {item.asset_id: item for item in collection.items.filter(asset__in=wanted)}
    if absent := [asset for asset in wanted if asset.pk not in items]:
        raise NotCollected(_not_collected(collection, absent))
    rest = collection.items.exclude(asset__in=wanted)
    lowest = rest.aggregate(lowest=Min("position"))["lowest"]
    moved = [item for place, asset in enumerate(wanted) if (item := items[asset.pk]).position != place]
    if lowest is not None and lowest < len(wanted):
        rest.update(position=F("position") + len(wanted) - lowest)
    elif not moved:
        return
    for place, asset in enumerate(wanted):
        items[asset.pk].position = place
    CollectionItem.objects.bulk_update(moved, ["position"])
    audit.record(actor, "collection.ordered", collection, first=[str(asset.public_id) for asset in wanted])


@transaction.atomic
def link_sku(asset: Asset, sku: SKU | str, role: str = SKURole.PACKSHOT, *, actor: Actor) -> bool:
    """Say that the asset shows the SKU (or the one with this code, created when absent) in this role.

    Returns:
        Whether that is new.
    """
    role = SKURole(role)
    workflow.check_changing(actor, [asset])
    known = sku if isinstance(sku, SKU) else tagging.ensure_skus([sku])[sku.strip()]
    _link, created = AssetSKU.objects.get_or_create(asset=asset, sku=known, role=role)
    if created:
        _tell([asset], actor, "asset.sku_linked", _same([asset], sku=known.code, role=role))
    return created


@transaction.atomic
def link_assets(sku: SKU, assets: Assets, role: str, *, actor: Actor) -> int:
    """Say that all of these assets show the SKU in this role. Returns of how many that is new.

    Raises:
        NotPermitted: one of them is not the actor's to change; nothing was changed.
    """
    role = SKURole(role)
    chosen = lock(assets)
    workflow.check_changing(actor, chosen)
    keys = [asset.pk for asset in chosen]
    linked = set(
        AssetSKU.objects.filter(sku=sku, role=role, asset__in=keys).values_list("asset_id", flat=True)
    )
    new = [asset for asset in chosen if asset.pk not in linked]
    # `link_sku` does not lock the asset, so the same link may come from there at this moment.
    AssetSKU.objects.bulk_create(
        [AssetSKU(asset=asset, sku=sku, role=role) for asset in new], ignore_conflicts=True
    )
    return _tell(new, actor, "asset.sku_linked", _same(new, sku=sku.code, role=role))


@transaction.atomic
def unlink_sku(asset: Asset, sku: SKU, role: str, *, actor: Actor) -> bool:
    """Undo `link_sku`. Returns whether there was something to undo.

    Raises:
        Incomplete: it is the asset's last one, and its state asks for one.
        NotPermitted: the asset is not the actor's to change.
    """
    workflow.check_changing(actor, [asset])
    guard = field_rules.Guard(lock([asset]))
    deleted, _rows = AssetSKU.objects.filter(asset=asset, sku=sku, role=role).delete()
    if deleted:
        guard.check()
        _tell([asset], actor, "asset.sku_unlinked", _same([asset], sku=sku.code, role=role))
    return bool(deleted)


@transaction.atomic
def link_pictures(links: Iterable[tuple[Asset, SKU, str]], *, actor: Actor) -> list[AssetSKU]:
    """Say of many assets which SKUs they show, each in its role. Returns the links that are new.

    Raises:
        NotPermitted: one of the assets is not the actor's to change; nothing was changed.
    """
    wanted = {(asset.pk, sku.pk, SKURole(role)): sku for asset, sku, role in links}
    chosen = _lock_keys([asset for asset, _sku, _role in wanted])
    workflow.check_changing(actor, chosen)
    assets = {asset.pk: asset for asset in chosen}
    rows = AssetSKU.objects.filter(asset__in=assets)
    present = set(rows.values_list("asset_id", "sku_id", "role"))
    new = [key for key in wanted if key not in present and key[0] in assets]
    # `link_sku` does not lock the asset, so the same link may come from there at this moment.
    AssetSKU.objects.bulk_create(
        [AssetSKU(asset_id=asset, sku_id=sku, role=role) for asset, sku, role in new], ignore_conflicts=True
    )
    stories = [(assets[key[0]], {"sku": wanted[key].code, "role": key[2]}) for key in new]
    _tell_of_links(stories, actor, "asset.sku_linked")
    return [row for row in rows if (row.asset_id, row.sku_id, row.role) in set(new)]


@transaction.atomic
def unlink_pictures(links: Iterable[AssetSKU], *, actor: Actor) -> int:
    """Undo `link_pictures`. Returns how many of the links were still there.

    Raises:
        Incomplete: it is an asset's last one, and its state asks for one; nothing was changed.
        NotPermitted: one of the assets is not the actor's to change; nothing was changed.
    """
    rows = AssetSKU.objects.filter(pk__in=[link.pk for link in links]).select_related("sku")
    assets = {asset.pk: asset for asset in _lock_keys(sorted({row.asset_id for row in rows}))}
    workflow.check_changing(actor, assets.values())
    guard = field_rules.Guard(assets.values())
    stories = [(assets[row.asset_id], {"sku": row.sku.code, "role": row.role}) for row in rows]
    rows.delete()
    guard.check()
    _tell_of_links(stories, actor, "asset.sku_unlinked")
    return len(stories)


def lock(assets: Assets) -> list[Asset]:
    """The rows as they are now, held until the end of the transaction."""
    if isinstance(assets, QuerySet):
        return _lock_keys(list(assets.values_list("pk", flat=True)))
    return _lock_keys([asset.pk for asset in assets])


def _lock_keys(keys: Sequence[int]) -> list[Asset]:
    # In one order, so that two people who edit the same assets wait for each other, not for ever.
    return list(Asset.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))


def _all(assets: Sequence[Asset]) -> QuerySet[Asset]:
    return Asset.objects.filter(pk__in=[asset.pk for asset in assets])


def _settle_rights(keys: Sequence[int]) -> None:
    """What was made from them changes with them, in the index too."""
    below = set(rights.settle(keys)) - set(keys)
    if below:
        assets_changed.send(sender=Asset, asset_ids=sorted(below))


def _new_custom(
    assets: Sequence[Asset], given: dict[str, Any], new_kind: str | None
) -> dict[int, dict[str, Any]]:
    """Key → values of the custom fields after the change, of those assets that it changes."""
    if not given:
        return {}
    fields = custom_fields.held(given)
    found = {asset.pk: merged(asset.custom, given, fields, new_kind or asset.kind) for asset in assets}
    return {asset.pk: found[asset.pk] for asset in assets if found[asset.pk] != asset.custom}


def _custom_changes(asset: Asset, custom: dict[int, dict[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Name, value before and value after of each custom field that changes."""
    after = custom.get(asset.pk, asset.custom)
    for slug in sorted({*asset.custom, *after}):
        if asset.custom.get(slug) != after.get(slug):
            yield f"{PREFIX}{slug}", asset.custom.get(slug), after.get(slug)


def _write_custom(custom: dict[int, dict[str, Any]]) -> None:
    """Each asset's own, in one statement for five hundred."""
    rows = [Asset(pk=key, custom=values) for key, values in custom.items()]
    Asset.objects.bulk_update(rows, ["custom"], batch_size=500)


def _edited(asset: Asset, new: dict[str, Any], custom: dict[int, dict[str, Any]]) -> Asset:
    """The asset as the edit leaves it; not saved."""
    edited = copy(asset)
    for attname, value in {**new, "custom": custom.get(asset.pk, asset.custom)}.items():
        setattr(edited, attname, value)
    return edited


def _tell(
    assets: Sequence[Asset],
    actor: Actor,
    action: str,
    stories: Iterable[tuple[Asset, dict[str, Any]]],
    *,
    state_changed: bool = False,
) -> int:
    if assets:
        audit.record_many(actor, action, stories)
        keys = [asset.pk for asset in assets]
        assets_changed.send(sender=Asset, asset_ids=keys, state_changed=state_changed)
    return len(assets)


def _tell_of_links(stories: Sequence[tuple[Asset, dict[str, Any]]], actor: Actor, action: str) -> None:
    """An asset may have several of them."""
    if stories:
        audit.record_many(actor, action, stories)
        keys = sorted({asset.pk for asset, _details in stories})
        assets_changed.send(sender=Asset, asset_ids=keys)


def _same(assets: Sequence[Asset], **details: Any) -> list[tuple[Asset, dict[str, Any]]]:
    return [(asset, details) for asset in assets]


def _named(collection: Collection) -> dict[str, Any]:
    return {"collection": collection.name, "collection_id": collection.pk}


def _not_collected(collection: Collection, absent: Sequence[Asset]) -> str:
    sentence = _("Not in the collection “%(collection)s”: %(titles)s.")
    titles = ", ".join(f"“{asset}”" for asset in absent[:NAMED])
    if (more := len(absent) - NAMED) > 0:
        titles = _("%(names)s and %(more)d more") % {"names": titles, "more": more}
    return sentence % {"collection": collection, "titles": titles}


def _without_empty(**details: Any) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value}


def _add_tags(assets: Sequence[Asset], words: Sequence[str]) -> None:
    through = Asset.tags.through
    through.objects.bulk_create(
        [
            through(asset_id=asset.pk, tag_id=tag)
            for tag in sorted({tag.pk for tag in tagging.ensure_tags(words).values()})
            for asset in assets
        ],
        ignore_conflicts=True,
    )


def _remove_tags(assets: Sequence[Asset], words: Sequence[str]) -> None:
    tags = tagging.find_tags(words).values()
    Asset.tags.through.objects.filter(asset__in=assets, tag__in=tags).delete()


def _in_use(assets: Sequence[Asset], dependants: Iterable[Model]) -> AssetsInUse:
    """Name what stands in the way of the first assets, and say what to do."""
    rows = set(dependants)
    keys = {
        getattr(row, column.attname)
        for row in rows
        for column in row._meta.concrete_fields
        if column.related_model is Asset
    }
    used = [asset for asset in assets if asset.pk in keys]
    refusals = [found.refusal for found in usage.of(used[:NAMED], None) if found]
    if (more := len(used) - NAMED) > 0:
        sentence = ngettext("%(count)d more is in use as well.", "%(count)d more are in use as well.", more)
        refusals.append(sentence % {"count": more})
    return AssetsInUse(" ".join(refusals), rows, {asset.pk for asset in used})


def _file_names(keys: Sequence[int]) -> list[str]:
    # The keys of versions are locked too: from here on nobody adds a rendition that would not be in the list.
    versions = AssetVersion.objects.select_for_update().filter(asset__in=keys).order_by("pk")
    names = list(versions.values_list("file", flat=True))
    return names + list(Rendition.objects.filter(version__asset__in=keys).values_list("file", flat=True))

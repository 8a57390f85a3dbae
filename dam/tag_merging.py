"""Merging tags: one stays, takes over what the others had, and is found by their words from then on."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _

from dam import audit, saved_searches, workflow
from dam.audit import Actor
from dam.models import Asset, Tag
from dam.roles import Role
from dam.signals import assets_changed

TAG_FILTER = "tags__id__exact"  # in the address of the list of assets


class CannotMerge(ValueError):
    """These tags cannot be merged; `str()` says why."""


@transaction.atomic
def merge(kept: Tag, others: Sequence[Tag], *, actor: Actor) -> int:
    """Give `kept` the assets, the tags below and the words of the others, and remove those.

    Their slugs, labels and synonyms become synonyms; where `kept` has no label in a language, it takes
    theirs, the first first. A tag that goes into one below itself is replaced by it, so that no tag comes
    to lie below itself. The number of queries does not depend on how many there are of anything.

    Returns:
        How many assets carry the tag now.

    Raises:
        CannotMerge: nothing to merge, or one of them was deleted meanwhile.
        NotPermitted: the account is no editor.
    """
    workflow.check_role(actor, Role.EDITOR)
    rows = _locked([kept, *others])
    stays = rows.pop(kept.pk)
    merged = [rows[key] for key in dict.fromkeys(other.pk for other in others) if key in rows]
    if not merged:
        raise CannotMerge(_("Choose at least two different tags to merge."))
    keys = [tag.pk for tag in merged]
    _move_assets(stays, keys)
    stays.parent_id = _place_of(stays, set(keys))
    _take_words(stays, merged)
    stays.save()
    saved_searches.replace(TAG_FILTER, keys, stays.pk)
    Tag.objects.filter(parent__in=keys).exclude(pk__in=[stays.pk, *keys]).update(parent=stays)
    Tag.objects.filter(pk__in=keys).update(parent=None)  # those among them that lie below each other
    Tag.objects.filter(pk__in=keys).delete()
    audit.record(actor, "tag.merged", stays, label=str(stays), merged=[tag.slug for tag in merged])
    carriers = Asset.tags.through.objects.filter(tag=stays)
    asset_ids = list(carriers.order_by("asset_id").values_list("asset_id", flat=True))
    if asset_ids:
        assets_changed.send(sender=Tag, asset_ids=asset_ids)
    return len(asset_ids)


def _locked(tags: Sequence[Tag]) -> dict[int, Tag]:
    keys = {tag.pk for tag in tags}
    # Keys too: whoever is tagging an asset with one of them is waited for, or waits.
    rows = {tag.pk: tag for tag in Tag.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    if len(rows) != len(keys):
        raise CannotMerge(_("One of these tags was deleted meanwhile. Load the page again."))
    return rows


def _move_assets(kept: Tag, keys: Sequence[int]) -> None:
    """One link of each asset that has not the tag yet is turned to it; the others are taken away."""
    links = Asset.tags.through.objects
    has_it = links.filter(tag=kept).values("asset_id")
    of_others = links.filter(tag__in=keys)
    turned = of_others.exclude(asset__in=has_it).order_by().values("asset_id").annotate(one=Min("pk"))
    links.filter(pk__in=turned.values("one")).update(tag=kept)
    of_others.delete()


def _place_of(kept: Tag, merged: set[int]) -> int | None:
    """The tag above `kept` afterwards: its own, or the one above the highest of the merged over it."""
    parents = dict(Tag.objects.values_list("pk", "parent_id"))
    place, above, passed = kept.parent_id, kept.parent_id, {kept.pk}
    while above is not None and above not in passed:
        passed.add(above)
        if above in merged:
            place = parents[above]
        above = parents[above]
    return place


def _take_words(kept: Tag, merged: Sequence[Tag]) -> None:
    """Labels where there are none, and everything else that the others were called as synonyms."""
    for name in ("label", "label_zh"):
        known = (getattr(tag, name) for tag in (kept, *merged))
        setattr(kept, name, next((label for label in known if label), ""))
    said = {kept.slug, kept.label, kept.label_zh}
    words = [*kept.synonyms]
    for tag in merged:
        words += [tag.slug, tag.label, tag.label_zh, *tag.synonyms]
    kept.synonyms = [word for word in dict.fromkeys(words) if word and word not in said]

"""What orders the library: tags, SKUs, collections; who is shown which, and each change with its audit entry.

Putting assets into collections or linking them to SKUs changes the assets: `dam.editing` does that.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam import audit
from dam.models import SKU, Asset, Collection, Tag
from dam.roles import sees_library
from dam.signals import assets_changed

Organiser = Tag | SKU | Collection
RELATIONS = {Tag: "tags", SKU: "skus", Collection: "collections"}
# By what assets that carry it are found.
WORDS: dict[type, tuple[str, ...]] = {
    Tag: ("slug", "label", "label_zh", "synonyms"),
    SKU: ("code", "name", "name_zh"),
    Collection: ("name", "name_zh"),
}
CIRCLE = gettext_lazy("A tag cannot lie below itself.")


def shown_to(user: Any, kind: type[Tag] | type[SKU], relation: str) -> QuerySet:
    """All of them for editors; for others those on an asset that they may see.

    Whether what such a one lies below is shown to them too says its attribute `parent_shown`.
    """
    if sees_library(user):
        return kind.objects.all()

    def carried(thing: str) -> Exists:
        return Exists(Asset.objects.visible_to(user).filter(**{relation: OuterRef(thing)}))

    return kind.objects.filter(carried("pk")).annotate(parent_shown=carried("parent"))


@transaction.atomic
def save(thing: Organiser, *, actor: User | None) -> None:
    """Create or update; assets that carry it count as changed where what they are found by has."""
    created = thing.pk is None
    before = None if created else type(thing)._default_manager.filter(pk=thing.pk).first()
    thing.save()
    audit.record(actor, f"{_name(thing)}.{'created' if created else 'updated'}", thing, label=str(thing))
    if before is not None and any(
        getattr(before, name) != getattr(thing, name) for name in WORDS[type(thing)]
    ):
        _tell_assets(thing)


@transaction.atomic
def delete(thing: Organiser, *, actor: User | None) -> None:
    """Remove it from the library; the assets that carried it stay.

    Raises:
        django.db.models.ProtectedError: a tag that still has tags below it.
    """
    carried_by = _carried_by(thing)
    audit.record(actor, f"{_name(thing)}.deleted", thing, label=str(thing))
    thing.delete()
    if carried_by:
        assets_changed.send(sender=type(thing), asset_ids=carried_by)


def would_circle(tag: Tag, parent: Tag | None) -> bool:
    """Whether the tag would lie below itself under this parent."""
    above = parent
    while above is not None and above != tag:
        above = above.parent
    return above is not None


def parent_problem(sku: SKU, parent: SKU | None) -> str:
    """Why the SKU cannot be a variant of this one, as a sentence; empty where it can. One level only."""
    if parent is None:
        return ""
    if parent.code == sku.code:
        return _("A SKU cannot be a variant of itself.")
    if parent.parent_id is not None:
        return _("“%(parent)s” is a variant itself; choose the article that it is a variant of.") % {
            "parent": parent.code
        }
    if sku.pk is not None and sku.variants.exists():
        return _("“%(code)s” has variants of its own; it cannot be one.") % {"code": sku.code}
    return ""


def _tell_assets(thing: Organiser) -> None:
    if asset_ids := _carried_by(thing):
        assets_changed.send(sender=type(thing), asset_ids=asset_ids)


def _carried_by(thing: Organiser) -> list[int]:
    carriers = Asset.objects.filter(**{RELATIONS[type(thing)]: thing}).order_by("pk")
    return list(carriers.values_list("pk", flat=True).distinct())


def _name(thing: Organiser) -> str:
    return str(thing._meta.model_name)

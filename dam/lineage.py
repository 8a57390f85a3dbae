"""What an asset was made from and what was made from it, as far as an account may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from dam import rights
from dam.models import Asset, AssetKind, AssetState, Lineage
from dam.roles import sees_library

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


@dataclass(frozen=True)
class Relative:
    """An asset at the other end of a link, with the role of what went in."""

    asset: Asset
    role: str

    @property
    def why_unusable(self) -> str:
        """A sentence; empty where its rights allow its use."""
        return rights.why_unusable(self.asset)

    @property
    def is_usable(self) -> bool:
        return not self.why_unusable


def role_label(role: str) -> str:
    """As what something went in, in words; most roles are kinds of assets, and named so."""
    names = {**dict(AssetKind.choices), "reference": _("Reference")}
    return str(names.get(role, role))


def made_from(asset: Asset, viewer: User | AnonymousUser) -> QuerySet[Lineage]:
    """The links to its parents, in the order in which they went in.

    Whoever sees the library is told of those in the trash too: what a picture was made from stays so.
    """
    shown = Asset.objects.visible_to(viewer)
    if sees_library(viewer):
        shown = shown | Asset.objects.filter(state=AssetState.TRASHED)
    return asset.parent_links.filter(parent__in=shown).select_related("parent__current")


def used_in(asset: Asset, viewer: User | AnonymousUser) -> QuerySet[Lineage]:
    """The links to its children, the newest first."""
    shown = asset.children_links.filter(child__in=Asset.objects.visible_to(viewer))
    return shown.select_related("child__current").order_by("-pk")

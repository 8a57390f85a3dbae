"""The library's own ways to use an asset: SKUs, collections, lineage, presets, assignments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dam import lineage
from dam.models import (
    Asset,
    AssetSKU,
    Assignment,
    CollectionItem,
    Lineage,
    RenditionPreset,
    ShareLink,
)
from dam.roles import Role, has_role
from dam.usage import Source, Use, Viewer


def day_of(day: date) -> str:
    """The day as the reader writes it, such as “25 December” of this year."""
    this_year = day.year == timezone.localdate().year
    return date_format(day, "MONTH_DAY_FORMAT" if this_year else "DATE_FORMAT")


def _sku_rows(keys: Sequence[int]) -> QuerySet:
    return AssetSKU.objects.filter(asset__in=keys).select_related("sku")


def _collection_rows(keys: Sequence[int]) -> QuerySet:
    live = ShareLink.objects.filter(
        collection=OuterRef("collection_id"), revoked_at=None, expires_at__gt=timezone.now()
    )
    until = Subquery(live.order_by("-expires_at").values("expires_at")[:1])
    rows = CollectionItem.objects.filter(asset__in=keys).select_related("collection")
    return rows.annotate(shared_until=until)


def _made_rows(keys: Sequence[int]) -> QuerySet:
    return Lineage.objects.filter(parent__in=keys).select_related("child")


def _preset_rows(keys: Sequence[int]) -> QuerySet:
    return RenditionPreset.objects.filter(watermark_asset__in=keys)


def _assignment_rows(keys: Sequence[int]) -> QuerySet:
    return Assignment.objects.filter(asset__in=keys, done_at=None).select_related("assignee")


def _own_collections(rows: QuerySet, viewer: Viewer) -> QuerySet:
    return rows.filter(collection__owner=viewer) if isinstance(viewer, User) else rows.none()


def _own_assignments(rows: QuerySet, viewer: Viewer) -> QuerySet:
    if not isinstance(viewer, User) or not has_role(viewer, Role.CONTRIBUTOR):
        return rows.none()
    return rows.filter(Q(assignee=viewer) | Q(assigned_by=viewer))


def _collection_use(row: Any) -> Use:
    if row.shared_until is None:
        return Use(row.collection, str(row.collection))
    day = day_of(timezone.localdate(row.shared_until))
    detail = _("shared by link until %(day)s") % {"day": day}
    return Use(row.collection, str(row.collection), detail, breaks=True)


def _made_use(row: Lineage) -> Use:
    role = lineage.role_label(row.role)
    detail = _("%(role)s, in the trash") % {"role": role} if row.child.is_trashed else role
    return Use(row.child, str(row.child), detail, breaks=True)


def _says_skus(count: int, names: str) -> str:
    sentence = ngettext("is a picture of the SKU %(names)s", "is a picture of the SKUs %(names)s", count)
    return sentence % {"names": names}


def _says_collections(count: int, names: str) -> str:
    sentence = ngettext("is in the collection %(names)s", "is in the collections %(names)s", count)
    return sentence % {"names": names}


def _says_made(count: int, names: str) -> str:
    sentence = ngettext(
        "%(count)d picture was made from it: %(names)s",
        "%(count)d pictures were made from it: %(names)s",
        count,
    )
    return sentence % {"count": count, "names": names}


def _says_presets(count: int, names: str) -> str:
    sentence = ngettext(
        "is the watermark of the preset %(names)s", "is the watermark of the presets %(names)s", count
    )
    return sentence % {"names": names}


def _says_assignments(count: int, names: str) -> str:
    sentence = ngettext("has an open assignment: %(names)s", "has open assignments: %(names)s", count)
    return sentence % {"names": names}


SOURCES = (
    Source(
        kind="skus",
        label=gettext_lazy("SKUs"),
        asset="asset_id",
        rows=_sku_rows,
        seen=lambda rows, viewer: rows,  # whoever sees the asset sees what it shows
        use=lambda row: Use(row.sku, row.sku.code, str(row.get_role_display())),
        says=_says_skus,
        order=("sku__code", "role"),
    ),
    Source(
        kind="collections",
        label=gettext_lazy("Collections"),
        asset="asset_id",
        rows=_collection_rows,
        seen=_own_collections,
        use=_collection_use,
        says=_says_collections,
        order=(F("shared_until").desc(nulls_last=True), "pk"),
    ),
    Source(
        kind="made_from_it",
        label=gettext_lazy("Made from it"),
        asset="parent_id",
        rows=_made_rows,
        seen=lambda rows, viewer: rows.filter(child__in=Asset.objects.visible_to(viewer)),
        use=_made_use,
        says=_says_made,
        remedy=gettext_lazy("Delete for good what was made from it first, or leave it in the trash."),
        order=("-pk",),
    ),
    Source(
        kind="watermarks",
        label=gettext_lazy("Watermark of presets"),
        asset="watermark_asset_id",
        rows=_preset_rows,
        seen=lambda rows, viewer: rows.none(),  # presets are for editors
        use=lambda row: Use(row, row.slug, breaks=True),
        says=_says_presets,
        remedy=gettext_lazy("Choose another watermark there first."),
    ),
    Source(
        kind="assignments",
        label=gettext_lazy("Open assignments"),
        asset="asset_id",
        rows=_assignment_rows,
        seen=_own_assignments,
        use=lambda row: Use(row, row.task, str(row.assignee)),
        says=_says_assignments,
    ),
)

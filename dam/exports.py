"""The words of assets as a table: the manifest's columns and what tells each asset, to be edited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet

from dam import custom_fields
from dam.custom_values import Fields, text_of
from dam.manifest import COLUMNS, SEPARATORS, TEXTS
from dam.models import Asset, Tag

EXPORTED = ("id", "sha256", *COLUMNS)
BATCH = 500


def metadata_table(
    assets: QuerySet[Asset], user: AbstractBaseUser | AnonymousUser | None
) -> Iterator[list[str]]:
    """The names of the columns, then a row for each asset, the oldest first.

    Assets are read five hundred at a time, so that a million takes no more memory than a page.

    Args:
        user: for whom; those below contributor get the columns of public custom fields only.
    """
    fields = custom_fields.shown_to(user)
    columns = columns_with(fields)
    yield columns
    last = 0
    ordered = assets.order_by("pk").with_listing()  # type: ignore[attr-defined]  # AssetQuerySet's own
    while batch := list(ordered.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        for asset in batch:
            cells = cells_of(asset, fields)
            yield [cells[column] for column in columns]


def columns_with(fields: Fields) -> list[str]:
    """The columns of a library that has these fields of its own, retired ones among them."""
    return [*EXPORTED, *(field.name for field in fields.values())]


def cells_of(asset: Asset, fields: Fields) -> dict[str, str]:
    """Column → what a manifest would say of the asset, whose tags, SKUs and version are loaded."""
    return {
        "id": str(asset.public_id),
        "sha256": asset.current.sha256 if asset.current else "",
        "file": asset.current.original_name if asset.current else "",
        **{column: getattr(asset, column.removesuffix("_en")) for column in TEXTS},
        "kind": asset.kind,
        "tags": "; ".join(sorted(_word(tag) for tag in asset.tags.all())),
        "skus": "; ".join(sorted(f"{link.sku.code}:{link.role}" for link in asset.sku_links.all())),
        "rights_expire_on": _date(asset.rights_expire_on),
        "model_release": asset.model_release,
        "release_expires_on": _date(asset.release_expires_on),
        "territories": "; ".join(sorted(asset.territories)),
        **{field.name: text_of(asset.custom.get(slug)) for slug, field in fields.items()},
    }


def _word(tag: Tag) -> str:
    """Its label, or its slug where the label would be taken for two words."""
    return tag.slug if not tag.label or tag.label.translate(SEPARATORS).count(";") else tag.label


def _date(value: Any) -> str:
    return value.isoformat() if value else ""

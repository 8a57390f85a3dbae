"""What the index is told about an asset."""

from __future__ import annotations

from datetime import date

from dam.custom_values import Fields, words_of
from dam.models import Asset
from search.index import Document
from search.index.palette import cells_of

EPOCH = date(1970, 1, 1)
NEVER = 10_000_000  # days: rights without an end


def days(day: date | None) -> int:
    """Days since 1970-01-01, or NEVER."""
    return NEVER if day is None else (day - EPOCH).days


def document_for(asset: Asset, fields: Fields) -> Document:
    """The asset as the index knows it. Expects its version, tags, SKUs and collections to be loaded.

    Args:
        fields: the library's custom fields; only public ones are taken, since the shop asks the index too.
    """
    public = {slug: field for slug, field in fields.items() if field.public}
    tags = list(asset.tags.all())
    skus = list(asset.skus.all())
    words = [asset.title, asset.title_zh, asset.alt_text, asset.alt_text_zh]
    for tag in tags:
        words += [tag.label, tag.label_zh, *tag.synonyms]
    for sku in skus:
        words += [sku.code, sku.name, sku.name_zh]
    words += [asset.description, asset.description_zh, *words_of(asset.custom, public)]
    return Document(
        id=asset.pk,
        kind=asset.kind,
        state=asset.state,
        origin=asset.origin,
        owner=asset.owner_id or 0,
        colour_family=asset.colour_family,
        aspect=asset.aspect,
        created=int(asset.created.timestamp()),
        rights_expire=days(asset.usable_until),
        tags=[tag.slug for tag in tags],
        skus=[sku.code for sku in skus],
        collections=[link.collection_id for link in asset.collection_links.all()],
        palette=cells_of(asset.current.colours if asset.current else ()),
        text=" ".join(word for word in words if word),
    )

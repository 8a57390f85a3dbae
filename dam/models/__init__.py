"""State and invariants of the library."""

from dam.models.asset import (
    Asset,
    AssetKind,
    AssetOrigin,
    AssetState,
    AssetVersion,
    Lineage,
    ModelRelease,
    Rendition,
)
from dam.models.audit import AuditEntry
from dam.models.browsing import AssetCount, AssetWords, SavedSearch
from dam.models.duplicates import DuplicatePair, PairState
from dam.models.organisation import SKU, AssetSKU, Collection, CollectionItem, SKURole, Tag

__all__ = [
    "SKU",
    "Asset",
    "AssetCount",
    "AssetKind",
    "AssetOrigin",
    "AssetSKU",
    "AssetState",
    "AssetVersion",
    "AssetWords",
    "AuditEntry",
    "Collection",
    "CollectionItem",
    "DuplicatePair",
    "Lineage",
    "ModelRelease",
    "PairState",
    "Rendition",
    "SKURole",
    "SavedSearch",
    "Tag",
]

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
from dam.models.collaboration import Assignment, Comment, Notice, NoticeKind
from dam.models.duplicates import DuplicatePair, PairState
from dam.models.organisation import (
    SKU,
    AssetSKU,
    Collection,
    CollectionItem,
    SKURole,
    SKUStatus,
    Tag,
)
from dam.models.presets import Fit, MarkPosition, RenditionFormat, RenditionPreset
from dam.models.sharing import ShareLink

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
    "Assignment",
    "AuditEntry",
    "Collection",
    "CollectionItem",
    "Comment",
    "DuplicatePair",
    "Fit",
    "Lineage",
    "MarkPosition",
    "ModelRelease",
    "Notice",
    "NoticeKind",
    "PairState",
    "Rendition",
    "RenditionFormat",
    "RenditionPreset",
    "SKURole",
    "SKUStatus",
    "SavedSearch",
    "ShareLink",
    "Tag",
]

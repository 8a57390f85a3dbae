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
from dam.models.duplicates import DuplicatePair, PairState
from dam.models.imports import AT_WORK, Import, ImportOutcome, ImportRow, ImportSource, ImportState
from dam.models.organisation import SKU, AssetSKU, Collection, CollectionItem, SKURole, Tag
from dam.models.uploads import UploadPurpose, UploadSession, UploadState

__all__ = [
    "AT_WORK",
    "SKU",
    "Asset",
    "AssetKind",
    "AssetOrigin",
    "AssetSKU",
    "AssetState",
    "AssetVersion",
    "AuditEntry",
    "Collection",
    "CollectionItem",
    "DuplicatePair",
    "Import",
    "ImportOutcome",
    "ImportRow",
    "ImportSource",
    "ImportState",
    "Lineage",
    "ModelRelease",
    "PairState",
    "Rendition",
    "SKURole",
    "Tag",
    "UploadPurpose",
    "UploadSession",
    "UploadState",
]

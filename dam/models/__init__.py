"""State and invariants of the library."""

from dam.models.api_keys import ApiKey, Scope
from dam.models.asset import (
    Asset,
    AssetKind,
    AssetOrigin,
    AssetState,
    AssetVersion,
    Lineage,
    Making,
    ModelRelease,
    Rendition,
    on_storefront,
)
from dam.models.audit import AuditEntry
from dam.models.browsing import AssetCount, AssetWords, SavedSearch
from dam.models.bulk import BulkEdit, BulkEditItem, BulkOutcome, BulkState
from dam.models.collaboration import Assignment, Comment, Notice, NoticeKind
from dam.models.duplicates import DuplicatePair, PairState
from dam.models.fields import CustomField, FieldRule, FieldType
from dam.models.imports import AT_WORK, Import, ImportOutcome, ImportRow, ImportSource, ImportState
from dam.models.kept_answers import KeptAnswer
from dam.models.organisation import (
    SKU,
    AssetSKU,
    Collection,
    CollectionItem,
    SKURole,
    SKUStatus,
    Tag,
)
from dam.models.presets import AIMark, Fit, MarkPosition, RenditionFormat, RenditionPreset
from dam.models.removal import PendingRemoval, RemovalHold
from dam.models.sharing import ShareLink
from dam.models.suggestions import AltTextSuggestion, SuggestionState
from dam.models.uploads import UploadPurpose, UploadSession, UploadState
from dam.models.webhooks import (
    TEST_EVENT,
    DeliveryState,
    ToldExpiry,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

__all__ = [
    "AT_WORK",
    "SKU",
    "TEST_EVENT",
    "AIMark",
    "AltTextSuggestion",
    "ApiKey",
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
    "BulkEdit",
    "BulkEditItem",
    "BulkOutcome",
    "BulkState",
    "Collection",
    "CollectionItem",
    "Comment",
    "CustomField",
    "DeliveryState",
    "DuplicatePair",
    "FieldRule",
    "FieldType",
    "Fit",
    "Import",
    "ImportOutcome",
    "ImportRow",
    "ImportSource",
    "ImportState",
    "KeptAnswer",
    "Lineage",
    "Making",
    "MarkPosition",
    "ModelRelease",
    "Notice",
    "NoticeKind",
    "PairState",
    "PendingRemoval",
    "RemovalHold",
    "Rendition",
    "RenditionFormat",
    "RenditionPreset",
    "SKURole",
    "SKUStatus",
    "SavedSearch",
    "Scope",
    "ShareLink",
    "SuggestionState",
    "Tag",
    "ToldExpiry",
    "UploadPurpose",
    "UploadSession",
    "UploadState",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "on_storefront",
]

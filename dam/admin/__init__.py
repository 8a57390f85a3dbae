"""The library in the admin: one module per thing that is managed."""

from dam.admin import (
    api_keys,
    assets,
    audit,
    bulk_edits,
    collections,
    duplicates,
    fields_and_rules,
    imports,
    presets,
    skus,
    tags,
    webhooks,
)

__all__ = [
    "api_keys",
    "assets",
    "audit",
    "bulk_edits",
    "collections",
    "duplicates",
    "fields_and_rules",
    "imports",
    "presets",
    "skus",
    "tags",
    "webhooks",
]

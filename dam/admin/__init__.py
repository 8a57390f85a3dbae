"""The library in the admin: one module per thing that is managed."""

from dam.admin import (
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

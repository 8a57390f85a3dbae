"""The groups that give people their role, each with the pages it needs; made by `migrate`."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from dam.roles import Role

_MANAGED = ("dam", "search", "generation")
_CONTRIBUTED = (
    "view_asset", "add_asset", "change_asset", "delete_asset", "view_tag", "view_sku", "view_import",
    "add_import",
)  # fmt: skip


def ensure_groups(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Give each role's group the permissions of one application; what was added by hand stays."""
    if sender.label not in (*_MANAGED, "auth"):
        return
    managed = Q(content_type__app_label=sender.label)
    granted = {
        Role.STOREFRONT: Q(pk__in=[]),
        Role.CONTRIBUTOR: managed & Q(codename__in=_CONTRIBUTED),
        Role.EDITOR: managed & ~Q(content_type__app_label="auth"),
        Role.REVIEWER: managed & ~Q(content_type__app_label="auth"),
        Role.ADMINISTRATOR: managed,
    }
    for role, permissions in granted.items():
        group, _created = Group.objects.using(using).get_or_create(name=role.value)
        group.permissions.add(*Permission.objects.using(using).filter(permissions))

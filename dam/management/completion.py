"""Values of the library that a command line is completed with: few of each, those that begin as typed."""

from __future__ import annotations

from django.contrib.auth.models import User

from dam.models import SKU, Collection, Tag

SHOWN = 50


def collections(prefix: str) -> dict[str, str]:
    """Keys of collections, by which commands name them."""
    rows = Collection.objects.order_by("-pk").values_list("pk", "name")
    return {str(key): name for key, name in rows.filter(pk__startswith=prefix)[:SHOWN]}


def tags(prefix: str) -> dict[str, str]:
    """Slugs of tags."""
    found = Tag.objects.filter(slug__startswith=prefix).order_by("slug")
    return dict(found.values_list("slug", "label")[:SHOWN])


def skus(prefix: str) -> dict[str, str]:
    """Codes of SKUs."""
    found = SKU.objects.filter(code__startswith=prefix).order_by("code")
    return dict(found.values_list("code", "name")[:SHOWN])


def accounts(prefix: str) -> dict[str, str]:
    """Names of accounts."""
    found = User.objects.filter(is_active=True, username__startswith=prefix).order_by("username")
    return {user.username: user.get_full_name() for user in found[:SHOWN]}


def account_keys(prefix: str) -> dict[str, str]:
    """Keys of accounts, where a command names them so."""
    found = User.objects.filter(is_active=True, pk__startswith=prefix).order_by("pk")
    return {str(key): name for key, name in found.values_list("pk", "username")[:SHOWN]}


def selection(prefix: str) -> dict[str, str]:
    """What names many assets at once: `collection:KEY` and `sku:CODE`."""
    found = {"collection": collections, "sku": skus}
    name, colon, begun = prefix.partition(":")
    if not colon:
        return {f"{kind}:": "" for kind in found}
    values = found[name](begun) if name in found else {}
    return {f"{name}:{value}": word for value, word in values.items()}

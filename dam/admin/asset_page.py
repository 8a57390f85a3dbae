"""What the page of one asset shows beside its form."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dam import duplicates, rights, workflow
from dam.admin import asset_renditions, talk
from dam.admin.filters import FAMILY_FACES
from dam.admin.metadata_panel import panel_for
from dam.admin.verbs import offered_for
from dam.fingerprints import HASH_BITS
from dam.forms import collections_of
from dam.models import Asset, AssetKind, AssetVersion, AuditEntry, Lineage
from dam.roles import sees_library

SHOWN_RELATIVES = 24
SHOWN_DEEDS = 12


def context_for(asset: Asset, user: User) -> dict[str, Any]:
    """Everything around the form: preview, facts, colours, renditions, relatives, collections, history."""
    is_theirs = workflow.may_change(user, asset)
    may_change = is_theirs and not asset.is_trashed
    versions = asset.versions.select_related("created_by").order_by("-number")
    children = asset.children_links.filter(child__in=Asset.objects.visible_to(user))
    parents = asset.parent_links.filter(parent__in=Asset.objects.visible_to(user))
    return {
        "asset": asset,
        "verbs": offered_for(asset, user),
        "facts": facts(asset),
        "colours": colours(asset.current),
        "metadata": panel_for(asset, user),
        "versions": versions if is_theirs else versions.filter(current_of__isnull=False),
        "may_change": may_change,
        **talk.context_for(asset, user, may_change),
        "unusable": rights.why_unusable(asset),
        "alike": _alike(asset, user),
        "made_from": _relatives(parents.select_related("parent__current"), "parent"),
        "used_in": _relatives(children.select_related("child__current"), "child"),
        "used_in_count": children.count(),
        "in_collections": list(collections_of(user).filter(assets=asset)),
        "history": _history(asset) if is_theirs else None,
        "history_url": history_url(asset) if sees_library(user) else "",
        **asset_renditions.context_for(asset, user),
    }


def history_url(asset: Asset) -> str:
    """Where the audit log tells of the asset."""
    return f"{reverse('admin:dam_auditentry_changelist')}?q={asset.public_id}"


def _history(asset: Asset) -> list[AuditEntry]:
    entries = AuditEntry.objects.filter(target_id=str(asset.public_id))
    return list(entries.select_related("actor")[:SHOWN_DEEDS])


def _alike(asset: Asset, user: User) -> list[tuple[Asset, str]]:
    """What looks like it and the account may see, with how alike it is."""
    if asset.current is None:
        return []
    found = {one.asset_id: one.nearness.distance for one in duplicates.alike(asset.current)[:SHOWN_RELATIVES]}
    shown = Asset.objects.visible_to(user).filter(pk__in=found).select_related("current")
    return [(other, likeness(found[other.pk])) for other in sorted(shown, key=lambda other: found[other.pk])]


def likeness(distance: int) -> str:
    """How many of the hash's bits agree, in percent."""
    return _("%(percent)d %%") % {"percent": round(100 * (HASH_BITS - distance) / HASH_BITS)}


def _relatives(links: Any, end: str) -> list[tuple[Asset, str]]:
    """The asset at the other end of each link, with its role; most roles are kinds, and named so."""
    found: list[Lineage] = list(links[:SHOWN_RELATIVES])
    names = dict(AssetKind.choices)
    return [(getattr(link, end), str(names.get(link.role, link.role))) for link in found]


def facts(asset: Asset) -> list[tuple[str, str]]:
    """The file in words."""
    version = asset.current
    if version is None:
        return []
    rows = [
        (_("File"), version.original_name),
        (_("Size"), file_line(version)),
        (_("Type"), version.mime + (f" · {_('transparent')}" if version.has_alpha else "")),
        (_("Origin"), asset.get_origin_display()),
        (_("Owner"), str(asset.owner or "")),
        ("SHA-256", version.sha256),
        (_("Id"), str(asset.public_id)),
    ]
    return [(label, value) for label, value in rows if value]


def file_line(version: AssetVersion) -> str:
    """Pixels and bytes in one line."""
    return f"{version.width} × {version.height} · {filesizeformat(version.size)}"


def colours(version: AssetVersion | None) -> list[dict[str, Any]]:
    """Dominant colours, each with its place in a bar that is 100 wide."""
    found = version.colours if version else []
    total = sum(colour["share"] for colour in found) or 1
    widths = [100 * colour["share"] / total for colour in found]
    starts = [0.0, *accumulate(widths)]
    return [
        {
            "hex": colour["hex"],
            "family": FAMILY_FACES[colour["family"]][1],
            "percent": round(100 * colour["share"]),
            "x": f"{start:.2f}",
            "width": f"{width:.2f}",
        }
        for colour, start, width in zip(found, starts, widths, strict=False)
    ]


def render_picture(asset: Asset) -> SafeString:
    """The small picture of a table's row."""
    return render_to_string("dam/row_picture.html", {"asset": asset})


def change_url(asset: Asset) -> str:
    """The asset's page in the admin."""
    return reverse(f"{admin.site.name}:dam_asset_change", args=(asset.pk,))


def link_to(asset: Asset) -> SafeString:
    """The title as a link to the asset's page."""
    return format_html('<a href="{}">{}</a>', change_url(asset), asset.display_title)

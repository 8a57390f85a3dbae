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

from dam import custom_fields, custom_values, duplicates, field_rules, lineage, rights, usage, workflow
from dam.admin import alt_suggestions, asset_provenance, asset_renditions, talk
from dam.admin.filters import FAMILY_FACES
from dam.admin.metadata_panel import panel_for
from dam.admin.verbs import offered_for
from dam.fingerprints import HASH_BITS
from dam.models import Asset, AssetState, AssetVersion, AuditEntry, Lineage
from dam.roles import sees_library

SHOWN_RELATIVES = 24
SHOWN_DEEDS = 12


def context_for(asset: Asset, user: User) -> dict[str, Any]:
    """Everything around the form: preview, facts, colours, renditions, relatives, collections, history."""
    is_theirs = workflow.may_change(user, asset)
    may_change = is_theirs and not asset.is_trashed
    files = asset.versions.select_related("created_by").order_by("-number")
    versions = list(files if is_theirs else files.filter(current_of__isnull=False))
    return {
        "asset": asset,
        "verbs": offered_for(asset, user),
        "facts": facts(asset),
        "colours": colours(asset.current),
        "metadata": panel_for(asset, user),
        "versions": versions,
        "compared": _compared(asset, versions),
        "may_change": may_change,
        **alt_suggestions.context_for(asset, may_change),
        **talk.context_for(asset, user, may_change),
        "unusable": rights.why_unusable(asset),
        "missing": _missing(asset) if may_change else None,
        "alike": _alike(asset, user),
        "made_from": _relatives(lineage.made_from(asset, user), "parent"),
        "used": usage.of([asset], user)[0],
        "used_in": _relatives(lineage.used_in(asset, user), "child"),
        "provenance": asset_provenance.panel_for(asset, user),
        "history": _history(asset) if is_theirs else None,
        "history_url": history_url(asset) if sees_library(user) else "",
        **asset_renditions.context_for(asset, user),
    }


def _compared(asset: Asset, versions: list[AssetVersion]) -> tuple[int, int] | None:
    """The numbers that the form for comparing has chosen: the current one, and the one before it."""
    if len(versions) < 2 or asset.current is None:
        return None
    numbers = sorted(version.number for version in versions)
    place = numbers.index(asset.current.number)
    return numbers[place - 1 if place else 1], asset.current.number


def _missing(asset: Asset) -> tuple[str, str] | None:
    """The next step that something is missing for, and what that is; None where nothing is."""
    rules = field_rules.load()
    lacks = field_rules.missing_by_step(
        asset, rules, has_tags=bool(asset.tags.all()), has_skus=bool(asset.sku_links.all())
    )
    review, approval = (rules.labels(lacks[step]) for step in field_rules.STEPS)
    if asset.state == AssetState.APPROVED:
        return (_("Approved before this was asked for; it still needs:"), approval) if approval else None
    if review and asset.state != AssetState.IN_REVIEW:
        return _("To send to review it still needs:"), review
    return (_("To be approved it still needs:"), approval) if approval else None


def history_url(asset: Asset) -> str:
    """Where the audit log tells of the asset."""
    return f"{reverse('admin:dam_auditentry_changelist')}?q={asset.public_id}"


def _history(asset: Asset) -> list[AuditEntry]:
    entries = AuditEntry.objects.filter(target_id=str(asset.public_id))
    return list(entries.select_related("actor")[:SHOWN_DEEDS])


def _alike(asset: Asset, user: User) -> list[tuple[Asset, str]]:
    """What looks like it and the account may see, with how alike it is: as the worker has found, or looked
    for now where it has not come to that yet."""
    if asset.current is None:
        return []
    if asset.current.near_looked_for:
        found = duplicates.known_alike(asset, SHOWN_RELATIVES)
    else:
        near = duplicates.alike(asset.current)[:SHOWN_RELATIVES]
        found = {one.asset_id: one.nearness.distance for one in near}
    shown = Asset.objects.visible_to(user).filter(pk__in=found).select_related("current")
    return [(other, likeness(found[other.pk])) for other in sorted(shown, key=lambda other: found[other.pk])]


def likeness(distance: int) -> str:
    """How many of the hash's bits agree, in percent."""
    return _("%(percent)d %%") % {"percent": round(100 * (HASH_BITS - distance) / HASH_BITS)}


def _relatives(links: Any, end: str) -> list[tuple[Asset, str]]:
    """The asset at the other end of each link, with its role."""
    found: list[Lineage] = list(links[:SHOWN_RELATIVES])
    return [(getattr(link, end), lineage.role_label(link.role)) for link in found]


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


def own_facts(asset: Asset) -> list[tuple[str, str]]:
    """The values of the library's own fields in words."""
    fields = custom_fields.by_slug() if asset.custom else {}
    return [
        (str(field), custom_values.shown(field, asset.custom[slug]))
        for slug, field in fields.items()
        if slug in asset.custom
    ]


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

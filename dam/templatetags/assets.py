"""What templates ask of an asset: the addresses of its pictures, and words for those who see none."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from dam import deeds, trashed
from dam.addresses import original_url, rendition_url, sidecar_url, thumbnail_url, written_url
from dam.languages import in_language
from dam.models import Asset, AssetVersion, AuditEntry
from dam.usage import Use
from dam.usage_sources import day_of

register = template.Library()

NARROWEST, WIDEST = 7, 24  # tenths; atelier.css has a class for each


@register.filter
def thumbnail(asset: Asset) -> str:
    """`{{ asset|thumbnail }}`: address of the small picture."""
    return thumbnail_url(asset)


@register.filter
def rendition(asset: Asset, preset: str) -> str:
    """`{{ asset|rendition:"web" }}`: address of the picture in a preset."""
    return rendition_url(asset, preset)


@register.filter
def original(asset: Asset) -> str:
    """`{{ asset|original }}`: address that downloads the original."""
    return original_url(asset)


@register.filter
def written(asset: Asset) -> str:
    """`{{ asset|written }}`: address that downloads the original with the asset's fields written in."""
    return written_url(asset)


@register.filter
def sidecar(asset: Asset) -> str:
    """`{{ asset|sidecar }}`: address of the XMP packet to lie beside the file."""
    return sidecar_url(asset)


@register.filter
def thumbnail_of(version: AssetVersion) -> str:
    """`{{ version|thumbnail_of }}`: address of this version's small picture."""
    return rendition_url(version.asset, "thumbnail", version)


@register.filter
def web_of(version: AssetVersion) -> str:
    """`{{ version|web_of }}`: address of this version's picture for screens."""
    return rendition_url(version.asset, "web", version)


@register.filter
def download(version: AssetVersion) -> str:
    """`{{ version|download }}`: address that downloads this version."""
    return original_url(version.asset, version)


@register.filter
def deed(entry: AuditEntry) -> str:
    """`{{ entry|deed }}`: what was done, in words."""
    return deeds.deed(entry)


@register.filter
def ratio_class(asset: Asset) -> str:
    """A class that tells the style sheet the picture's ratio to a tenth; strips and towers are bounded."""
    if asset.current is None or not asset.current.height:
        return "at-r-10"
    tenths = round(10 * asset.current.width / asset.current.height)
    return f"at-r-{min(max(tenths, NARROWEST), WIDEST)}"


@register.filter
def alt(asset: Asset) -> str:
    """The alternative text in the reader's language, or the other one, or the title."""
    return in_language(asset.alt_text, asset.alt_text_zh) or asset.display_title


@register.filter
def leaving(asset: Asset) -> str:
    """`{{ asset|leaving }}`: when the trash will have lost it, in words; empty: it stays."""
    day = trashed.leaves_on(asset)
    return _("will be deleted for good on %(day)s") % {"day": day_of(day)} if day else ""


@register.filter
def admin_page(use: Use) -> str:
    """`{{ use|admin_page }}`: address of the page of what uses an asset; empty where it has none."""
    meta = use.thing._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(use.thing.pk,))
    except NoReverseMatch:
        return ""


@register.filter
def entry(mapping: dict[Any, Any], key: Any) -> Any:
    """`{{ mapping|entry:key }}`: what a dictionary has under this key, or nothing."""
    return mapping.get(key, "")

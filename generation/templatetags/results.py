"""Filters for templates: what becomes of a result."""

from __future__ import annotations

from datetime import date

from django import template

from dam.addresses import original_url
from dam.models import Asset
from generation import retention
from generation.models import GenerationItem

register = template.Library()

SHOWN_BY_BROWSERS = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})


@register.filter
def leaves_on(item: GenerationItem) -> date | None:
    """`{{ item|leaves_on }}`: the day on which a rejected picture goes to the trash, if it does."""
    return retention.leaves_on(item)


@register.filter
def every_pixel(asset: Asset) -> str:
    """`{{ asset|every_pixel }}`: address of its file where a browser can show that; else nothing."""
    known = asset.current and asset.current.mime in SHOWN_BY_BROWSERS
    return original_url(asset) if known else ""

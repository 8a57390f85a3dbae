"""What the page of one asset shows of its renditions: one row for each preset, made or not."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext as _

from dam import links, presets, workflow
from dam.addresses import rendition_url
from dam.admin.presets import format_line, frame_line
from dam.models import Asset, AssetVersion, Rendition
from dam.presets import Preset
from dam.renditions import frame_of

HOUR, DAY = 3600, 86_400


def context_for(asset: Asset, user: User) -> dict[str, Any]:
    """Rows of the panel, and crops for the focal point's editor; nothing is made for it."""
    version = asset.current
    if version is None:
        return {"renditions": [], "crops": []}
    version.asset = asset  # its focal point is this one's; saves a query for each crop
    offered = presets.open_to(user, asset, presets.active())
    made = {row.recipe: row for row in Rendition.objects.filter(version=version)}
    return {
        "renditions": [_row(asset, version, preset, made) for preset in offered],
        "crops": [_crop(preset) for preset in offered if preset.depends_on_focal_point],
        "links_url": reverse("asset-links", args=(asset.public_id,)),
        "may_link": workflow.may_change(user, asset) and not links.why_withheld(asset),
        "link_times": _link_times(),
        "original_name": links.ORIGINAL,
    }


def _row(asset: Asset, version: AssetVersion, preset: Preset, made: dict[str, Rendition]) -> dict[str, Any]:
    kept = made.get(preset.recipe(asset))
    width, height = (kept.width, kept.height) if kept else frame_of(version, preset).canvas
    return {
        "slug": preset.slug,
        "title": presets.title_of(preset),
        "frame": frame_line(preset.width, preset.height, preset.fit),
        "format": format_line(preset),
        "pixels": f"{width} × {height}",
        "size": kept.size if kept else None,
        "public": preset.public,
        "url": rendition_url(asset, preset),
    }


def _crop(preset: Preset) -> dict[str, Any]:
    return {"title": presets.title_of(preset), "width": preset.width, "height": preset.height}


def _link_times() -> list[tuple[int, str]]:
    """For how long a link is offered, as far as the installation allows it."""
    choices = [
        (HOUR, _("1 hour")),
        (DAY, _("1 day")),
        (7 * DAY, _("7 days")),
        (30 * DAY, _("30 days")),
    ]
    longest = links.longest().total_seconds()
    return [choice for choice in choices if choice[0] <= longest] or choices[:1]

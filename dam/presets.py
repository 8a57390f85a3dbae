"""Which presets there are: two built in, and those that administrators made; each with its recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam import audit, matting, workflow
from dam.audit import Actor
from dam.languages import reads_chinese
from dam.models import Asset, AssetVersion, Fit, MarkPosition, RenditionFormat, RenditionPreset
from dam.roles import Role, sees_library
from dam.typeface import has_typeface, missing_characters

# Raised when the way in which renditions are made changes for all of them.
MAKING = 3
MANAGING = Role.ADMINISTRATOR


class NoSuchPreset(LookupError):
    """There is no preset of this name; `str()` names those that there are."""

    def __init__(self, slug: str, known: Iterable[str] = ()) -> None:
        super().__init__(slug)
        self.slug = slug
        self.known = sorted(known)

    def __str__(self) -> str:
        return _("There is no preset “%(preset)s”; there are %(known)s.") % {
            "preset": self.slug,
            "known": ", ".join(self.known),
        }


@dataclass(frozen=True)
class Preset:
    """How a rendition is made; a change of any parameter is a new recipe, and so a new address and file.

    Attributes:
        background: "#rrggbb" under transparent pixels and around padded pictures; empty: transparent.
        effort: how long WebP searches for a smaller file, 0 to 6.
        watermark: the version of an asset that is laid over the picture.
        ai_mark: one of AIMark; only pictures that AI has made get it.
        keep_metadata: what the file's XMP says goes into the rendition, but for the place.
        public: everybody may open the renditions of approved assets.
    """

    slug: str
    title: str = ""
    title_zh: str = ""
    width: int | None = None
    height: int | None = None
    fit: str = Fit.CONTAIN
    background: str = ""
    format: str = RenditionFormat.WEBP
    quality: int = 82
    effort: int = 4
    cutout: bool = False
    watermark_text: str = ""
    watermark: AssetVersion | None = None
    watermark_position: str = MarkPosition.BOTTOM_RIGHT
    watermark_opacity: int = 60
    watermark_size: int = 30
    ai_mark: str = ""
    keep_metadata: bool = False
    public: bool = False
    active: bool = True

    # The API shows presets beside rows of `RenditionPreset`, which have this; what is built in has no mark.
    watermark_asset = None

    def __str__(self) -> str:
        return str((self.title_zh if reads_chinese() else self.title) or self.title or self.slug)

    @property
    def extension(self) -> str:
        return ".jpg" if self.format == RenditionFormat.JPEG else f".{self.format}"

    @property
    def mime(self) -> str:
        return f"image/{self.format}"

    @property
    def depends_on_focal_point(self) -> bool:
        return self.fit == Fit.COVER

    def recipe(self, asset: Asset | None = None) -> str:
        """What a rendition depends on besides its file, as a short hash.

        Args:
            asset: whose focal point counts; needed only where `depends_on_focal_point`.
        """
        focal: tuple[float, float] | None = None
        if self.depends_on_focal_point:
            if asset is None:
                raise ValueError(f"The recipe of “{self.slug}” depends on an asset.")
            focal = (round(asset.focal_x, 4), round(asset.focal_y, 4))
        return _short_hash(
            MAKING, self.slug, self.width, self.height, self.fit, self.background.lower(), self.format,
            self.quality, self.effort, settings.DAM_MATTING if self.cutout else "", self._mark(), focal,
            self.ai_mark, self.keep_metadata,
        )  # fmt: skip

    def _mark(self) -> tuple[Any, ...] | None:
        what = self.watermark.sha256 if self.watermark else self.watermark_text
        placed = (self.watermark_position, self.watermark_opacity, self.watermark_size)
        return (what, *placed) if what else None


@lru_cache(maxsize=1_000)
def _short_hash(*parameters: Any) -> str:
    """A list asks it for each picture in each preset, and few of them differ."""
    return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()[:12]


BUILT_IN = {
    preset.slug: preset
    for preset in (
        Preset("thumbnail", width=320, height=320, quality=80, effort=2, public=True),
        Preset("web", width=1600, height=1600, quality=84, public=True),
    )
}
TITLES = {"thumbnail": gettext_lazy("Thumbnail"), "web": gettext_lazy("Web")}


def title_of(preset: Preset) -> str:
    """What people call it, in the reader's language."""
    return str(TITLES.get(preset.slug, preset))


def preset_of(row: RenditionPreset) -> Preset:
    """The preset that an administrator made."""
    shared = {
        name: getattr(row, name)
        for name in Preset.__dataclass_fields__
        if name not in ("effort", "watermark")
    }
    return Preset(**shared, watermark=row.watermark_asset.current if row.watermark_asset else None)


def find(slug: str) -> Preset:
    """The preset of this name; costs a query unless it is built in.

    Raises:
        NoSuchPreset: there is none, or it is switched off.
    """
    if slug in BUILT_IN:
        return BUILT_IN[slug]
    row = _rows().filter(slug=slug, active=True).first()
    if row is None:
        raise NoSuchPreset(slug, (preset.slug for preset in active()))
    return preset_of(row)


def active() -> list[Preset]:
    """All presets in use, those built in first; one query, two more where one has a picture as its mark."""
    return [*BUILT_IN.values(), *map(preset_of, _rows().filter(active=True))]


def open_to(user: Any, asset: Asset, among: Iterable[Preset]) -> list[Preset]:
    """Those in which this caller may see an asset that is theirs to see: the public ones, and all of them
    for editors and for the asset's owner."""
    if sees_library(user) or (asset.owner_id is not None and asset.owner_id == getattr(user, "pk", None)):
        return list(among)
    return [preset for preset in among if preset.public]


def known() -> dict[str, Preset]:
    """All presets by name, those switched off among them."""
    return BUILT_IN | {row.slug: preset_of(row) for row in _rows()}


@transaction.atomic
def save(row: RenditionPreset, *, actor: Actor) -> None:
    """Create or update; renditions of before are taken away by the sweep, their addresses lead to the new.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    action = "preset.created" if row.pk is None else "preset.updated"
    row.save()
    audit.record(actor, action, row, **_story(row))


@transaction.atomic
def delete(row: RenditionPreset, *, actor: Actor) -> None:
    """Remove it; its renditions are taken away by the sweep.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    audit.record(actor, "preset.deleted", row, **_story(row))
    row.delete()


def problems_with(row: RenditionPreset) -> dict[str, str]:
    """What this installation cannot do of what the preset asks for, by field."""
    problems: dict[str, str] = {}
    if row.cutout and (sentence := matting.problem()):
        problems["cutout"] = sentence
    if row.ai_mark and not has_typeface():
        problems["ai_mark"] = _(
            "The typeface is not installed, so that the mark cannot be drawn. "
            "Run: pip install manimgx-fonts-cjk"
        )
    if row.watermark_text:
        try:
            missing = missing_characters(row.watermark_text)
        except OSError:
            problems["watermark_text"] = _(
                "The typeface is not installed, so that text cannot be drawn. "
                "Run: pip install manimgx-fonts-cjk; or use a picture as the watermark."
            )
        else:
            if missing:
                problems["watermark_text"] = _(
                    "The typeface has no “%(characters)s”. Leave them out, or use a picture as the watermark."
                ) % {"characters": missing}
    if row.watermark_asset and row.watermark_asset.current is None:
        problems["watermark_asset"] = _("This asset has no file. Choose another one.")
    return problems


def _rows() -> Any:
    return RenditionPreset.objects.prefetch_related("watermark_asset__current").order_by("slug")


def _story(row: RenditionPreset) -> dict[str, Any]:
    return {
        "width": row.width,
        "height": row.height,
        "fit": row.fit,
        "format": row.format,
        "quality": row.quality,
        "ai_mark": row.ai_mark,
        "keep_metadata": row.keep_metadata,
        "public": row.public,
        "active": row.active,
    }

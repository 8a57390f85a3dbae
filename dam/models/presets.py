"""Presets: how renditions are made that the library's administrators thought of."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dam.languages import reads_chinese

MAX_SIDE = 8000
# Words that stand in the place of a preset in an address, and the presets that are built in.
RESERVED_SLUGS = frozenset({"original", "thumbnail", "web"})


class Fit(models.TextChoices):
    """What happens where the picture's ratio is not the preset's."""

    CONTAIN = "contain", _("Contain: the whole picture, no side longer")
    COVER = "cover", _("Cover: cropped around the focal point")
    PAD = "pad", _("Pad: the whole picture on a canvas of this size")


class RenditionFormat(models.TextChoices):
    WEBP = "webp", "WebP"
    AVIF = "avif", "AVIF"
    JPEG = "jpeg", "JPEG"
    PNG = "png", "PNG"


class MarkPosition(models.TextChoices):
    CENTRE = "centre", _("Centre")
    TOP_LEFT = "top_left", _("Top left")
    TOP_RIGHT = "top_right", _("Top right")
    BOTTOM_LEFT = "bottom_left", _("Bottom left")
    BOTTOM_RIGHT = "bottom_right", _("Bottom right")
    TILED = "tiled", _("All over")


class AIMark(models.TextChoices):
    """The words that are put on pictures made by AI."""

    NONE = "", _("No mark")
    CHINESE = "zh", "AI生成"
    ENGLISH = "en", "AI generated"
    BOTH = "both", "AI生成 · AI generated"


def _percent() -> list[Any]:
    return [MinValueValidator(1), MaxValueValidator(100)]


def _side() -> list[Any]:
    return [MinValueValidator(1), MaxValueValidator(MAX_SIDE)]


class RenditionPreset(models.Model):
    """How one kind of rendition is made, beside the presets that are built in (`dam.presets`)."""

    slug = models.SlugField(
        _("slug"), max_length=32, unique=True, help_text=_("Its name in addresses, such as “shop-card”.")
    )
    title = models.CharField(_("title (English)"), max_length=80, blank=True)
    title_zh = models.CharField(_("title (Chinese)"), max_length=80, blank=True)
    width = models.PositiveIntegerField(
        _("width"), null=True, blank=True, validators=_side(), help_text=_("Pixels; empty: as it comes.")
    )
    height = models.PositiveIntegerField(
        _("height"), null=True, blank=True, validators=_side(), help_text=_("Pixels; empty: as it comes.")
    )
    fit = models.CharField(_("fit"), max_length=8, choices=Fit.choices, default=Fit.CONTAIN)
    background = models.CharField(
        _("background"),
        max_length=7,
        blank=True,
        validators=[
            RegexValidator(
                re.compile(r"^#[0-9a-fA-F]{6}\Z"),
                _("Give the colour as “#” and six hexadecimal digits, such as #f4f1ea."),
            )
        ],
        help_text=_("A colour such as #ffffff; empty: transparent."),
    )
    format = models.CharField(
        _("format"), max_length=4, choices=RenditionFormat.choices, default=RenditionFormat.WEBP
    )
    quality = models.PositiveSmallIntegerField(
        _("quality"), default=82, validators=_percent(), help_text=_("1 to 100; PNG loses nothing anyway.")
    )
    cutout = models.BooleanField(
        _("remove the background"),
        default=False,
        help_text=_("Takes a matting model; pictures that are transparent already stay as they are."),
    )
    watermark_text = models.CharField(_("watermark: text"), max_length=80, blank=True)
    watermark_asset = models.ForeignKey(
        "dam.Asset",
        verbose_name=_("watermark: picture"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    watermark_position = models.CharField(
        _("watermark: position"),
        max_length=12,
        choices=MarkPosition.choices,
        default=MarkPosition.BOTTOM_RIGHT,
    )
    watermark_opacity = models.PositiveSmallIntegerField(
        _("watermark: opacity"), default=60, validators=_percent(), help_text=_("Percent.")
    )
    watermark_size = models.PositiveSmallIntegerField(
        _("watermark: width"), default=30, validators=_percent(), help_text=_("Percent of the picture's.")
    )
    ai_mark = models.CharField(
        _("mark on pictures made by AI"),
        max_length=4,
        choices=AIMark.choices,
        blank=True,
        default=AIMark.NONE,
        help_text=_("In a lower corner, as high as GB 45438-2025 asks; other pictures stay without it."),
    )
    keep_metadata = models.BooleanField(
        _("keep metadata"),
        default=False,
        help_text=_(
            "What the file's XMP says goes into the rendition, but for the place. What says that a picture "
            "was made by AI is always kept."
        ),
    )
    public = models.BooleanField(
        _("public"),
        default=False,
        help_text=_("Everybody may open it of approved assets; otherwise it takes an editor or a link."),
    )
    active = models.BooleanField(_("active"), default=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("rendition preset")
        verbose_name_plural = _("rendition presets")
        ordering = ["slug"]

    def __str__(self) -> str:
        return (self.title_zh if reads_chinese() else self.title) or self.title or self.slug

    def clean(self) -> None:
        """What single fields cannot tell: parameters that contradict each other."""
        problems: dict[str, Any] = {}
        if self.slug in RESERVED_SLUGS:
            problems["slug"] = _("This name is taken by the library itself; choose another one.")
        if self.fit == Fit.CONTAIN and not (self.width or self.height):
            problems["width"] = _("Give a width, a height or both.")
        if self.fit in (Fit.COVER, Fit.PAD) and not (self.width and self.height):
            problems["width"] = _("Cropping and padding take both a width and a height.")
        if self.format == RenditionFormat.JPEG and not self.background:
            problems["background"] = _("JPEG knows no transparency; give a background colour, or use WebP.")
        if self.watermark_text and self.watermark_asset_id:
            problems["watermark_text"] = _("Give the watermark as text or as a picture, not as both.")
        if problems:
            raise ValidationError(problems)

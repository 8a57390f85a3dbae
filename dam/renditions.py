"""Derived files: made on demand from a version by a preset, and kept."""

from __future__ import annotations

import hashlib
import io
from dataclasses import astuple, dataclass
from typing import IO, cast

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from PIL import Image

from dam import pictures
from dam.models import AssetVersion, Rendition


@dataclass(frozen=True)
class Preset:
    """How a rendition is made; a change of any parameter is a new recipe, and so a new file.

    Attributes:
        side: no side is longer; smaller originals are not enlarged.
        quality: WebP quality, 0 to 100.
        effort: how long WebP searches for a smaller file, 0 to 6.
    """

    side: int
    quality: int
    effort: int
    extension: str = ".webp"
    mime: str = "image/webp"

    @property
    def recipe(self) -> str:
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:12]


PRESETS = {
    "thumbnail": Preset(side=320, quality=80, effort=2),
    "web": Preset(side=1600, quality=84, effort=4),
}


def rendition_for(version: AssetVersion, preset: str) -> Rendition:
    """The rendition of a version, made now if nobody has needed it before.

    Raises:
        KeyError: there is no such preset.
        FileNotFoundError: the storage has lost the original.
        IngestError: the original can no longer be decoded.
    """
    chosen = PRESETS[preset]
    kept = Rendition.objects.filter(version=version, recipe=chosen.recipe).first()
    if kept is not None:
        return kept
    with version.file.open("rb") as original:
        picture = pictures.read(cast(IO[bytes], original), at_most=chosen.side)
    rendition = make_rendition(version, preset, picture.image)
    try:
        with transaction.atomic():
            rendition.version = version
            rendition.save(force_insert=True)
    except IntegrityError:  # another request made the same one meanwhile
        return _give_way(rendition)
    return rendition


def make_rendition(version: AssetVersion, preset: str, image: Image.Image) -> Rendition:
    """Encode and store a rendition of a decoded picture; its row is left for the caller to write."""
    chosen = PRESETS[preset]
    small = image
    if max(image.size) > chosen.side:
        small = image.copy()
        small.thumbnail((chosen.side, chosen.side), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=chosen.quality, method=chosen.effort)
    rendition = Rendition(
        version=version,
        preset=preset,
        recipe=chosen.recipe,
        extension=chosen.extension,
        mime=chosen.mime,
        size=encoded.tell(),
        width=small.width,
        height=small.height,
    )
    rendition.file.save(f"{preset}{chosen.extension}", ContentFile(encoded.getvalue()), save=False)
    return rendition


def _give_way(loser: Rendition) -> Rendition:
    """Use the winner's rendition; a storage that overwrites holds both under one name."""
    winner = Rendition.objects.get(version=loser.version, recipe=loser.recipe)
    if loser.file.name != winner.file.name:
        loser.file.delete(save=False)
    return winner

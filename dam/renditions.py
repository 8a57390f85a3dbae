"""Derived files: made on demand from a version by a preset, and kept."""

from __future__ import annotations

import io
import math
import time
from typing import IO, Any, cast

from django.core.files.base import ContentFile, File
from django.db import IntegrityError, transaction
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dam import downloads, matting, pictures, watermarks
from dam.framing import Frame, frame
from dam.models import AssetVersion, Rendition, RenditionFormat
from dam.presets import Preset
from dam.provenance import visible_mark
from dam.provenance.keeping import is_of_ai, kept_labels
from dam.provenance.writing import packet
from dam.workload import renditions_in_work, seconds_left

PAPER = "#ffffff"  # under transparent pixels where the format knows none
PNG_LEVEL = 6
AVIF_SPEED = 6  # 0 (slow, small) to 10
JPEG_PACKET = 65_000  # bytes of XMP that fit into one segment


def rendition_for(version: AssetVersion, preset: Preset, patience: float | None = None) -> Rendition:
    """The rendition of a version, made now if nobody has needed it before.

    Args:
        version: with its asset, whose focal point may count.
        patience: seconds to wait while other pictures are in work; None: as long as it takes.

    Raises:
        FileNotFoundError: the storage has lost the original, or the preset's watermark.
        IngestError: the original can no longer be decoded.
        MattingUnavailable: the preset removes backgrounds, and nothing here can.
        Busy: patience ran out.
    """
    recipe = _recipe(version, preset)
    if kept := _kept(version, recipe):
        return kept
    deadline = None if patience is None else time.monotonic() + patience
    with renditions_in_work.making((version.pk, recipe), patience):
        return _kept(version, recipe) or _make_and_keep(version, preset, deadline)


def open_rendition(
    version: AssetVersion, preset: Preset, patience: float | None = None
) -> tuple[Rendition, File]:
    """A rendition and its open file; one that the storage has lost is made again.

    Raises: as `rendition_for`.
    """
    rendition = rendition_for(version, preset, patience)
    try:
        return rendition, rendition.file.open("rb")
    except FileNotFoundError:
        Rendition.objects.filter(pk=rendition.pk).delete()
    rendition = rendition_for(version, preset, patience)
    return rendition, rendition.file.open("rb")


def make_rendition(
    version: AssetVersion, preset: Preset, image: Image.Image, deadline: float | None = None
) -> Rendition:
    """Encode and store a rendition of a decoded picture; its row is left for the caller to write."""
    finished = _finished(version, preset, image, deadline)
    encoded = _encoded(finished, preset, _packet(version, preset))
    rendition = Rendition(
        version=version,
        preset=preset.slug,
        recipe=_recipe(version, preset),
        extension=preset.extension,
        mime=preset.mime,
        size=len(encoded),
        width=finished.width,
        height=finished.height,
    )
    rendition.file.save(f"{preset.slug}{preset.extension}", ContentFile(encoded), save=False)
    return rendition


def frame_of(version: AssetVersion, preset: Preset) -> Frame:
    """What the preset does to this version: sizes and crop."""
    focal = (version.asset.focal_x, version.asset.focal_y)
    return frame((version.width, version.height), preset.fit, preset.width, preset.height, focal)


def _recipe(version: AssetVersion, preset: Preset) -> str:
    return preset.recipe(version.asset if preset.depends_on_focal_point else None)


def _kept(version: AssetVersion, recipe: str) -> Rendition | None:
    return Rendition.objects.filter(version=version, recipe=recipe).first()


def _make_and_keep(version: AssetVersion, preset: Preset, deadline: float | None) -> Rendition:
    needed = max(frame_of(version, preset).scaled)
    with version.file.open("rb") as original:
        image = pictures.pixels(cast(IO[bytes], original), needed, seconds_left(deadline))
    rendition = make_rendition(version, preset, image, deadline)
    try:
        with transaction.atomic():
            rendition.save(force_insert=True)
    except IntegrityError:  # another process made the same one meanwhile
        return _give_way(rendition)
    return rendition


def _finished(
    version: AssetVersion, preset: Preset, image: Image.Image, deadline: float | None
) -> Image.Image:
    """Cut out, framed, on its background, with its marks: in this order, so that no mark is cut away."""
    if preset.cutout and image.mode != "RGBA":
        image = matting.without_background(image)
    image = _framed(image, frame_of(version, preset))
    image = _on_background(image, preset)
    mark = _mark_of(preset, image.width, deadline)
    if mark is not None:
        image = watermarks.marked(
            image, mark, preset.watermark_position, preset.watermark_opacity, preset.watermark_size
        )
    if preset.ai_mark and is_of_ai(version):
        image = visible_mark.marked(image, preset.ai_mark, preset.watermark_position if mark else "")
    return image


def _framed(image: Image.Image, wanted: Frame) -> Image.Image:
    if image.size != wanted.scaled:
        image = image.resize(wanted.scaled, Image.Resampling.LANCZOS)
    if wanted.crop != (0, 0, *wanted.scaled):
        image = image.crop(wanted.crop)
    if image.size == wanted.canvas:
        return image
    canvas = Image.new("RGBA", wanted.canvas, (0, 0, 0, 0))
    canvas.paste(image, ((wanted.canvas[0] - image.width) // 2, (wanted.canvas[1] - image.height) // 2))
    return canvas


def _on_background(image: Image.Image, preset: Preset) -> Image.Image:
    background = preset.background or (PAPER if preset.format == RenditionFormat.JPEG else "")
    if image.mode != "RGBA" or not background:
        return image
    paper = Image.new("RGB", image.size, background)
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _mark_of(preset: Preset, width: int, deadline: float | None) -> Image.Image | None:
    if preset.watermark is None:
        return watermarks.text_mark(preset.watermark_text) if preset.watermark_text else None
    at_most = max(1, math.ceil(width * preset.watermark_size / 100))
    ratio = preset.watermark.height / preset.watermark.width
    with preset.watermark.file.open("rb") as file:
        longer = math.ceil(at_most * max(1.0, ratio))
        return pictures.pixels(cast(IO[bytes], file), longer, seconds_left(deadline))


def _packet(version: AssetVersion, preset: Preset) -> bytes:
    """What the rendition says of itself: how the picture was made, and more where the preset keeps that."""
    labels = kept_labels(version)
    if not preset.keep_metadata:
        return packet(labels)
    with version.file.open("rb") as original:
        present = downloads.packet_without_place(cast(IO[bytes], original), version.mime)
    full = packet(labels, present)
    fits = preset.format != RenditionFormat.JPEG or len(full) <= JPEG_PACKET
    return full if fits else packet(labels)


def _encoded(image: Image.Image, preset: Preset, said: bytes) -> bytes:
    """Pixels, and an XMP packet (empty: none): whatever else the original said stays with the original."""
    image.info = {}
    encoded = io.BytesIO()
    packed: dict[str, Any] = {"xmp": said} if said else {}
    if preset.format == RenditionFormat.WEBP:
        image.save(encoded, "WEBP", quality=preset.quality, method=preset.effort, **packed)
    elif preset.format == RenditionFormat.AVIF:
        image.save(encoded, "AVIF", quality=preset.quality, speed=AVIF_SPEED, **packed)
    elif preset.format == RenditionFormat.JPEG:
        image.save(encoded, "JPEG", quality=preset.quality, optimize=True, progressive=True, **packed)
    else:
        texts = PngInfo()
        if said:
            texts.add_itxt("XML:com.adobe.xmp", said.decode())
        image.save(encoded, "PNG", compress_level=PNG_LEVEL, pnginfo=texts)
    return encoded.getvalue()


def _give_way(loser: Rendition) -> Rendition:
    """Use the winner's rendition; a storage that overwrites holds both under one name."""
    winner = _kept(loser.version, loser.recipe)
    if winner is None or loser.file.name != winner.file.name:
        loser.file.delete(save=False)
    if winner is None:
        raise FileNotFoundError(f"Version {loser.version_id} was deleted while its rendition was made.")
    return winner

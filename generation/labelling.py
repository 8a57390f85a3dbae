"""The answer as the library takes it in: labelled with how it was made, and signed where that is configured.

The same answer of two items is one picture, though labels name items: it carries the label of the item that
had it first. A label is the same whenever it is written; a signature is not, so that what was signed takes
the answer's place before it goes on. Whatever is cut off when, taking it in again finds the same file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Q

from dam import removal
from dam.decoder import manifests
from dam.errors import IngestError
from dam.models import AssetVersion, Making
from dam.provenance import credentials
from dam.provenance.labels import OF_AI, Label, declared
from dam.provenance.writing import labelled
from generation.models import GenerationItem, ItemInput, ItemState
from generation.providers.registry import get_provider

logger = logging.getLogger(__name__)

SIGNED = "signed"  # in an item's `answer_details`: its kept answer has its label and its signature
FIRST_VERSION = 1


def labelled_answer(item: GenerationItem, inputs: Sequence[ItemInput]) -> bytes:
    """The bytes of the item's kept answer, labelled; as they are where they are no picture.

    Raises:
        OSError: the storage has lost the answer.
    """
    with item.answer.open("rb") as file:
        answer = file.read()
    if item.answer_details.get(SIGNED) or AssetVersion.objects.filter(sha256=item.answer_sha256).exists():
        return answer  # labelled before, or a file that the library had without this
    first = _first_with(item)
    if first is not None and (stored := _stored(first)) is not None:
        return stored
    label = label_of(first) if first is not None else label_of(item, inputs)
    try:
        picture, mime = labelled(answer, label)
    except IngestError:  # the library will say why
        return answer
    return _signed(item, label, picture, mime, answer)


def label_of(item: GenerationItem, inputs: Sequence[ItemInput] | None = None) -> Label:
    """What the picture of this item says of how it was made."""
    if inputs is None:
        inputs = list(item.inputs.select_related("asset"))
    making = making_of(item, inputs)
    return Label(
        making=making,
        provider=item.job.provider,
        model=item.model,
        item=str(item.public_id),
        made_at=item.answered_at or item.created,
        prompt_sha256=hashlib.sha256(item.prompt.encode()).hexdigest() if making == Making.AI else "",
        prompt_kept=f"the exact prompt is kept with generation item {item.public_id}",
        parents=[(link.role, str(link.asset.public_id)) for link in inputs],
    )


def making_of(item: GenerationItem, inputs: Sequence[ItemInput]) -> Making:
    """A picture model makes every pixel anew; a board arranges pictures, which AI may have made."""
    if get_provider(item.job.provider).capability.makes_photographs:
        return Making.AI
    made_by_ai = any(link.asset.making in OF_AI for link in inputs)
    return Making.PARTLY_AI if made_by_ai else Making.ARRANGED


def _first_with(item: GenerationItem) -> GenerationItem | None:
    """The item that had the same answer before this one, if its picture is there or on its way."""
    if item.answered_at is None:
        return None
    earlier = Q(answered_at__lt=item.answered_at) | Q(answered_at=item.answered_at, pk__lt=item.pk)
    same = GenerationItem.objects.filter(earlier, answer_sha256=item.answer_sha256)
    on_its_way = Q(output__isnull=False) | Q(state=ItemState.RUNNING)
    return same.filter(on_its_way).select_related("job").order_by("answered_at", "pk").first()


def _stored(first: GenerationItem) -> bytes | None:
    """The file that was made of the same answer; None where there is none (any more)."""
    versions = AssetVersion.objects.filter(asset=first.output_id, number=FIRST_VERSION)
    version = versions.first() if first.output_id else None
    if version is None or declared(version.metadata).own.get("Item") is None:
        return None
    try:
        with version.file.open("rb") as file:
            return file.read()
    except OSError:
        logger.warning("the file of %s cannot be read; the answer is labelled anew", version)
        return None


def _signed(item: GenerationItem, label: Label, picture: bytes, mime: str, answer: bytes) -> bytes:
    """The signed picture, kept in the answer's place; unsigned where nothing is configured or it fails: it is
    paid for, and the doctor says what is wrong."""
    if not credentials.is_configured() or mime not in credentials.SIGNED_TYPES:
        return picture
    came_with = manifests.said_in(BytesIO(answer), mime)
    try:
        signed = credentials.signed(picture, mime, label, answer if came_with else None)
    except credentials.CannotSign:
        logger.exception("the picture of item %s stays unsigned", item.public_id)
        return picture
    _keep_signed(item, signed)
    return signed


def _keep_signed(item: GenerationItem, picture: bytes) -> None:
    before = str(item.answer.name)
    stem, _dot, ending = before.rpartition("/")[2].rpartition(".")
    item.answer.save(f"{stem}-signed.{ending}", ContentFile(picture), save=False)
    details: dict[str, Any] = {**item.answer_details, SIGNED: True}
    held = GenerationItem.objects.filter(pk=item.pk, answer=before)
    with transaction.atomic():
        if held.update(answer=item.answer.name, answer_details=details):
            item.answer_details = details
            removal.note([before])

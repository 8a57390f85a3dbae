"""From the library to the provider and back: input pictures in, the answer kept, then ingested."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import removal
from dam.editing import set_state
from dam.errors import StorageUnavailable
from dam.ingest import AssetMetadata, ParentLink, ingest
from dam.models import Asset, AssetKind, AssetOrigin, AssetState
from dam.presets import BUILT_IN
from dam.renditions import rendition_for
from generation import budget, prompts, tryon
from generation.labelling import labelled_answer
from generation.models import (
    DEAD_STATES,
    GenerationItem,
    GenerationJob,
    HeldAnswer,
    ItemInput,
    ItemState,
    JobKind,
)
from generation.planning import named_inputs, why_unusable
from generation.providers.base import EXTENSIONS, ProviderInput, ProviderResult
from generation.providers.registry import get_provider

logger = logging.getLogger(__name__)

# In the details of an answer: it lies in the database.
_HELD = "held"
_MAY_RUN_AGAIN = (ItemState.QUEUED, *DEAD_STATES)
# What a photograph of this kind of job shows; an arranged board is no picture of a model or a product.
_OUTPUT_KINDS = {
    JobKind.OUTFITS: AssetKind.MODEL,
    JobKind.SCENES: AssetKind.PRODUCT,
    JobKind.COMPOSITION: AssetKind.CHARACTER,
}


class InputMissing(Exception):
    """An input cannot be used any more; the message is a sentence."""


def inputs_of(item: GenerationItem) -> list[ItemInput]:
    """The item's inputs in their order, with all that a provider and a page show of them."""
    return list(item.inputs.select_related("asset__current", "version").prefetch_related("asset__skus"))


def provider_inputs(inputs: Sequence[ItemInput]) -> list[ProviderInput]:
    """The input pictures, read: upright, at most 1600 px, with their transparency.

    Raises:
        InputMissing: an input was trashed, lost its rights or its file since it was planned.
        StorageUnavailable: the storage does not answer.
    """
    return [_provider_input(link) for link in inputs]


def person_of(item: GenerationItem) -> list[ProviderInput]:
    """The person of a try-on; nothing where the job is of another kind.

    Raises:
        InputMissing: the person's picture was deleted.
    """
    if item.job.kind != JobKind.TRY_ON:
        return []
    try:
        person = tryon.person_input(item)
    except StorageUnavailable:
        raise
    except OSError as error:
        logger.warning("the person of item %s cannot be read: %s", item.public_id, error)
        person = None
    if person is None:
        raise InputMissing(_("The person's picture was deleted."))
    return [person]


def keep_private(item: GenerationItem) -> bool:
    """Keep the labelled answer of a try-on for its person alone; False where their picture was deleted."""
    if not tryon.is_wanted(item):
        return False
    _store_held_answer(item)
    picture = labelled_answer(item, inputs_of(item))
    return tryon.keep_result(item, picture, str(item.answer_details.get("mime", "")))


def _provider_input(link: ItemInput) -> ProviderInput:
    role, asset = link.role, link.asset
    version = link.version or asset.current
    reason = why_unusable(asset)
    if reason or version is None:
        raise InputMissing(_("The input “%(title)s” cannot be used: %(reason)s") % _named(asset, reason))
    try:
        rendition = rendition_for(version, BUILT_IN["web"])
        with rendition.file.open("rb") as file:
            data = file.read()
    except StorageUnavailable:
        raise
    except OSError as error:
        logger.warning("input %s of role %s cannot be read: %s", asset.public_id, role, error)
        reason = _("Its file cannot be read.")
        raise InputMissing(
            _("The input “%(title)s” cannot be used: %(reason)s") % _named(asset, reason)
        ) from error
    return ProviderInput(
        role=role,
        read=_reader(data),
        mime=rendition.mime,
        asset_id=str(asset.public_id),
        title=asset.title,
        title_zh=asset.title_zh,
        sku_codes=tuple(sku.code for sku in asset.skus.all()),
    )


def _named(asset: Asset, reason: str) -> dict[str, str]:
    return {"title": asset.display_title, "reason": reason}


def _reader(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def titles_of(job: GenerationJob, inputs: Sequence[ItemInput]) -> dict[str, str]:
    """What the result of these inputs is called in each language."""
    return prompts.titles(
        job.kind,
        named_inputs((link.role, link.asset) for link in inputs),
        sentence=job.request.get("sentence", ""),
        instruction=job.request.get("instruction", ""),
    )


def keep_answer(item: GenerationItem, result: ProviderResult) -> bool:
    """Write a paid answer down before anything is done with it; False where the claim was lost meanwhile.

    From here on a crash repeats no call: the item has its answer and only needs ingesting. Where the file
    storage does not take it, the database does.
    """
    is_stored = _stored_answer(item, result)
    digest, now = hashlib.sha256(result.image).hexdigest(), timezone.now()
    details = {
        **result.details,
        "mime": result.mime,
        "sha256": digest,
        "cost": str(result.cost),
        "currency": result.currency,
        _HELD: not is_stored,
    }
    with transaction.atomic():
        answer = {
            "answer": item.answer.name,
            "answer_details": details,
            "answer_sha256": digest,
            "answered_at": now,
            "model": result.model[:120],
        }
        rows = GenerationItem.objects.filter(pk=item.pk)
        kept = rows.filter(attempts=item.attempts, state=ItemState.RUNNING).update(**answer)
        # Whoever took it over did not get as far: the next to run it has this answer already.
        waits = not kept and rows.filter(state__in=_MAY_RUN_AGAIN, answer="").update(**answer)
        if not is_stored and (kept or waits):
            HeldAnswer.objects.update_or_create(item=item, defaults={"content": result.image})
        budget.settle(item, result.cost, model=result.model or item.job.provider)
    if not kept:
        logger.warning("item %s was claimed by another worker while its call ran", item.public_id)
        if not waits and is_stored:
            item.answer.storage.delete(str(item.answer.name))
        return False
    item.answer_details, item.model = details, result.model[:120]
    item.answer_sha256, item.answered_at = digest, now
    return True


def _stored_answer(item: GenerationItem, result: ProviderResult) -> bool:
    """Store it, and name it in the item; False where the storage does not take it."""
    name = f"{item.public_id}-{item.attempts}{EXTENSIONS.get(result.mime, '.bin')}"
    try:
        item.answer.save(name, ContentFile(result.image), save=False)
    except OSError:
        logger.exception("the storage does not take the answer of item %s; it is held", item.public_id)
        item.answer.name = item.answer.field.generate_filename(item, name)
        return False
    return True


def _store_held_answer(item: GenerationItem) -> None:
    """Bring an answer that the database holds into the file storage.

    Raises:
        OSError: that still does not take it.
    """
    if not item.answer_details.get(_HELD):
        return
    held = HeldAnswer.objects.filter(item=item).first()
    if held is not None:
        name = str(item.answer.name).rpartition("/")[2]
        item.answer.save(name, ContentFile(bytes(held.content)), save=False)
    item.answer_details = {**item.answer_details, _HELD: False}
    with transaction.atomic():
        GenerationItem.objects.filter(pk=item.pk).update(
            answer=item.answer.name, answer_details=item.answer_details
        )
        HeldAnswer.objects.filter(item=item).delete()


def drop_answer(item: GenerationItem) -> None:
    """Forget the kept answer: it was ingested, or is no picture."""
    if not item.answer:
        return
    with transaction.atomic():
        GenerationItem.objects.filter(pk=item.pk).update(answer="")
        if item.answer_details.get(_HELD):
            HeldAnswer.objects.filter(item=item).delete()
        else:
            removal.note([str(item.answer.name)])
    item.answer = ""


def ingest_answer(item: GenerationItem) -> tuple[Asset, bool]:
    """The kept answer as an asset in review, with its lineage; whether it is new to the library."""
    _store_held_answer(item)
    job = item.job
    inputs = inputs_of(item)
    data = labelled_answer(item, inputs)
    extension = EXTENSIONS.get(item.answer_details.get("mime", ""), ".png")
    result = ingest(
        data,
        filename=f"{job.kind}-{item.position:04d}{extension}",
        owner=job.owner,
        origin=AssetOrigin.GENERATED,
        metadata=_metadata(job, inputs),
        parents=[ParentLink(link.asset, link.role) for link in inputs],
        action="asset.generated",
    )
    if not result.created and result.asset.state == AssetState.REJECTED:
        # The provider gave the rejected picture again: it is to be judged again.
        set_state([result.asset], actor=job.owner, state=AssetState.IN_REVIEW)
    return result.asset, result.created


def _metadata(job: GenerationJob, inputs: Sequence[ItemInput]) -> AssetMetadata:
    titles = titles_of(job, inputs)
    assets = [link.asset for link in inputs]
    chinese = job.parameters.get("language") == "zh"
    words = job.request.get("sentence") or job.request.get("instruction") or ""
    return AssetMetadata(
        title=titles["en"],
        title_zh=titles["zh"],
        alt_text=titles["en"],
        alt_text_zh=titles["zh"],
        description="" if chinese else words,
        description_zh=words if chinese else "",
        kind=_output_kind(job, assets),
        licence=_joined(asset.licence for asset in assets),
        rights_holder=_joined(asset.rights_holder for asset in assets),
        state=AssetState.IN_REVIEW,
    )


def _output_kind(job: GenerationJob, assets: Sequence[Asset]) -> AssetKind:
    if not get_provider(job.provider).capability.makes_photographs:
        return AssetKind.OTHER
    if job.kind == JobKind.EDIT:
        return AssetKind(assets[0].kind)
    return _OUTPUT_KINDS[JobKind(job.kind)]


def _joined(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(value for value in values if value))[:255]

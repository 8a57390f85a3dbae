"""Verdicts on results: approve, reject, regenerate; each written with who and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from dam.audit import record
from dam.editing import link_sku, set_state
from dam.models import SKU, Asset, AssetState, SKURole
from generation import prompts
from generation.jobs import LEFT_OUT, idempotency_key, work_waiting
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemInput,
    ItemState,
    JobKind,
    JobState,
    Verdict,
)
from generation.providers.registry import UnknownProvider, get_provider

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Whose SKUs an approved result shows, and how.
_SKU_ROLES = {
    JobKind.OUTFITS: (("garment", "accessory"), SKURole.ON_MODEL),
    JobKind.SCENES: (("product",), SKURole.SCENE),
}


class ReviewError(Exception):
    """No verdict can be given; the message is a sentence."""


def approve(item: GenerationItem, *, actor: User | None, note: str = "") -> None:
    """The result is good: it is approved and shows the SKUs that went into it.

    Raises:
        Incomplete: required fields are empty; there is no verdict then, and the picture waits.
        NotPermitted: the account is no reviewer.
        ReviewError: there is no picture to judge.
    """
    asset = _result(item)
    with transaction.atomic():
        # The verdict first, so that `follow_approved` leaves the rest to this.
        _write(item, Verdict.APPROVED, actor, note)
        # And its SKUs, which a rule may ask for before anything is approved.
        _link_skus(item, asset, actor)
        set_state([asset], actor=actor, state=AssetState.APPROVED)


@transaction.atomic
def follow_approved(asset_ids: Sequence[int]) -> None:
    """Results that somebody approved in the library, not in the review: the same follows from it.

    Once for each result, so that a link that somebody takes away later stays away.
    """
    approved = GenerationItem.objects.filter(
        output__in=asset_ids, output__state=AssetState.APPROVED, state=ItemState.SUCCEEDED
    ).exclude(verdict=Verdict.APPROVED)
    for item in approved.select_related("job", "output"):
        _write(item, Verdict.APPROVED, None, item.verdict_note)
        _link_skus(item, _result(item), None)


def reject(item: GenerationItem, *, actor: User | None, note: str = "") -> None:
    """The result is not good: it is kept, and never shown."""
    asset = _result(item)
    with transaction.atomic():
        set_state([asset], actor=actor, state=AssetState.REJECTED)
        _write(item, Verdict.REJECTED, actor, note)


def regenerate(item: GenerationItem, *, actor: User | None, note: str = "") -> GenerationItem:
    """Make this picture again, with the note in its prompt, as a new item of the same job.

    A blocked or failed item may be sent again too: the note changes its prompt.
    """
    if item.state not in (ItemState.SUCCEEDED, ItemState.BLOCKED, ItemState.FAILED):
        raise ReviewError(_("This picture is not made yet."))
    if item.job.kind == JobKind.TRY_ON:  # a new item would be nobody's, and its picture for all to see
        raise ReviewError(_("A try-on is made again from the person's picture, on its own page."))
    with transaction.atomic():
        # Locks the job's row, so that two reviewers do not take the same position.
        job = GenerationJob.objects.select_for_update(no_key=True).get(pk=item.job_id)
        again = new_item(job, item, note)
        if item.output and item.output.state == AssetState.IN_REVIEW:
            set_state([item.output], actor=actor, state=AssetState.REJECTED)
        _write(item, Verdict.REGENERATE, actor, note)
        if job.state in (JobState.FINISHED, JobState.CANCELLED):
            GenerationJob.objects.filter(pk=job.pk).update(state=JobState.QUEUED, finished=None)
        work_waiting.send(GenerationJob, job_id=job.pk)
    return again


def _result(item: GenerationItem) -> Asset:
    if item.state != ItemState.SUCCEEDED or item.output is None:
        raise ReviewError(_("This item has no picture to judge."))
    if item.output.state == AssetState.TRASHED:
        raise ReviewError(_("The picture is in the trash; restore it first."))
    return item.output


def _write(item: GenerationItem, verdict: Verdict, actor: User | None, note: str) -> None:
    item.verdict, item.verdict_note = verdict, note
    item.reviewed_by, item.reviewed_at = actor, timezone.now()
    item.save(update_fields=["verdict", "verdict_note", "reviewed_by", "reviewed_at"])
    record(actor, f"item.{verdict.value}", item, note=note)


def _link_skus(item: GenerationItem, asset: Asset, actor: User | None) -> None:
    """The SKUs of its inputs, in the role of its kind of job; those it was made for, in the one they lack."""
    roles, sku_role = _SKU_ROLES.get(JobKind(item.job.kind), ((), SKURole.DETAIL))
    fill = item.job.request.get("fill") or {"role": "", "skus": []}
    shown: dict[tuple[int, str], SKU] = {}
    for link in item.inputs.prefetch_related("asset__skus"):
        for sku in link.asset.skus.all():
            if sku.pk in fill["skus"]:
                shown[sku.pk, fill["role"]] = sku
            elif link.role in roles:
                shown[sku.pk, sku_role] = sku
    for (_key, role), sku in shown.items():
        link_sku(asset, sku, role, actor=actor)


def new_item(job: GenerationJob, item: GenerationItem, note: str) -> GenerationItem:
    """The same picture once more, with the note in its prompt, as the job's last item; `job` is locked."""
    position = (job.items.aggregate(last=Max("position"))["last"] or 0) + 1
    language = job.parameters.get("language", "en")
    prompt, left_out = prompts.with_note(item.prompt, note, language=language, tokens=_prompt_tokens(job))
    # The position makes each attempt a picture of its own, also where the note is empty.
    parameters = {**item.parameters, "variation": position, "note": note}
    if left_out:
        parameters[LEFT_OUT] = " ".join(filter(None, (left_out, item.parameters.get(LEFT_OUT))))
    links = list(item.inputs.select_related("asset"))
    again = GenerationItem.objects.create(
        job=job,
        position=position,
        prompt=prompt,
        parameters=parameters,
        state=ItemState.QUEUED,
        cell_hash=item.cell_hash,
        regenerates=item,
        idempotency_key=idempotency_key(
            job, prompt, [(link.role, link.asset_id, link.asset.current_id) for link in links], parameters
        ),
    )
    ItemInput.objects.bulk_create(
        ItemInput(
            item=again,
            asset_id=link.asset_id,
            version_id=link.version_id,
            role=link.role,
            position=link.position,
        )
        for link in links
    )
    return again


def _prompt_tokens(job: GenerationJob) -> int:
    try:
        return get_provider(job.provider).capability.prompt_tokens
    except UnknownProvider:  # it is said when the item runs
        return 0

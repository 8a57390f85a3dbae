"""Trying on: a person's own picture in garments of the library; private, and deleted after a set time.

The picture is no asset: it is in no search, no list and no index, and only its owner is ever shown it. What
is made of it lies beside it and goes with it. What stays is the row that says what was agreed to and when.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import pictures, removal
from dam.audit import record
from dam.errors import IngestError
from dam.languages import reader_language
from dam.models import Asset
from generation import prompts
from generation.jobs import LEFT_OUT, finish_job_if_done, idempotency_key, opened, require_payable
from generation.models import (
    GenerationItem,
    GenerationJob,
    HeldAnswer,
    InputRole,
    ItemInput,
    ItemState,
    JobKind,
    PersonPhoto,
    TryOn,
)
from generation.planning import PlanError, choose_provider, named_inputs, why_unusable
from generation.prompts import Words
from generation.providers.base import EXTENSIONS, ProviderError, ProviderInput
from generation.providers.registry import get_provider
from generation.templates import find_template

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGER_SIDE = 2048
MOST_PICTURES = 60
_MIME = "image/jpeg"


class TryOnError(Exception):
    """A picture is not taken, or nothing can be tried on; the message is a sentence."""


def consent_text() -> str:
    """What a person agrees to before their picture is taken, in their language."""
    days = settings.GENERATION_PERSON_DAYS
    kept = ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    return _(
        "The picture shows me, or I have the consent of the person whom it shows.\n"
        "It is sent to the chosen provider to make try-on pictures of it, and used for nothing else.\n"
        "It is kept privately: it does not enter the library or its search, and nobody else is shown it.\n"
        "It is deleted with everything made of it after %(kept)s; I can delete it at any time before."
    ) % {"kept": kept}


def take_photo(file: IO[bytes], *, owner: User, consent: bool) -> PersonPhoto:
    """Keep a person's picture, upright and without what its file says of place and device.

    Raises:
        TryOnError: the text was not accepted, or it is no picture.
    """
    if not consent:
        raise TryOnError(_("Accept the text first: without it no picture is taken."))
    try:
        image = pictures.on_white(pictures.read(file, LONGER_SIDE).image)
    except IngestError as error:
        raise TryOnError(str(error)) from error
    data = BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=92)
    now = timezone.now()
    photo = PersonPhoto(
        owner=owner,
        mime=_MIME,
        consent=consent_text(),
        consented_at=now,
        expires=now + timedelta(days=settings.GENERATION_PERSON_DAYS),
    )
    photo.file.save(f"{photo.public_id.hex}.jpg", ContentFile(data.getvalue()), save=False)
    with transaction.atomic():
        photo.save()
        record(owner, "person_photo.taken", photo, expires=photo.expires.isoformat())
    return photo


def photos_of(user: User) -> QuerySet[PersonPhoto]:
    """The pictures of this person that are there; nobody, whatever their role, has another's."""
    return PersonPhoto.objects.filter(owner=user, deleted=None, expires__gt=timezone.now())


def find_photo(public_id: str, user: User) -> PersonPhoto | None:
    """A picture of this person's by its id; None where it is not there, or another's."""
    try:
        return photos_of(user).filter(public_id=uuid.UUID(str(public_id))).first()
    except ValueError:
        return None


def results_of(photo: PersonPhoto) -> QuerySet[TryOn]:
    """What was asked to be made of a picture, the newest first."""
    return _shown().filter(photo=photo)


def with_results(photos: QuerySet[PersonPhoto]) -> list[tuple[PersonPhoto, list[TryOn]]]:
    """Each picture with its `results_of`; as many queries for many as for few."""
    return [
        (photo, list(photo.try_ons.all())) for photo in photos.prefetch_related(Prefetch("try_ons", _shown()))
    ]


def _shown() -> QuerySet[TryOn]:
    rows = TryOn.objects.select_related("item__job").prefetch_related("item__inputs__asset__current")
    return rows.order_by("-pk")


def forecast(
    garments: Sequence[Asset], accessories: Sequence[Asset] = (), provider: str = ""
) -> tuple[int, Decimal, str]:
    """How many pictures that makes, what they cost, and in which currency.

    Raises:
        TryOnError: nothing can be made of this.
    """
    combinations, _template = _combinations(garments, accessories)
    _name, price, currency = _priced(provider, inputs=2 + bool(accessories), accessories=bool(accessories))
    return len(combinations), price * len(combinations), currency


def try_on(
    photo: PersonPhoto,
    garments: Sequence[Asset],
    accessories: Sequence[Asset] = (),
    *,
    provider: str = "",
    language: str = "",
    budget: Decimal | None = None,
    in_background: bool = True,
) -> GenerationJob:
    """A job that dresses the person in each garment, with each accessory where some are given.

    Raises:
        TryOnError: the picture is gone, or nothing can be made of this.
        JobError: the provider is not configured, or the budget is below one picture.
    """
    combinations, template = _combinations(garments, accessories)
    name, price, currency = _priced(provider, inputs=2 + bool(accessories), accessories=bool(accessories))
    require_payable(name, price, currency, budget)
    language = language or reader_language()
    with transaction.atomic():
        held = PersonPhoto.objects.select_for_update().filter(pk=photo.pk, deleted=None).first()
        if held is None:
            raise TryOnError(_("The person's picture was deleted."))
        with opened(
            held.owner,
            {"pictures": len(combinations)},
            in_background=in_background,
            kind=JobKind.TRY_ON,
            title=" × ".join(("1", str(len(garments)), *([str(len(accessories))] if accessories else []))),
            provider=name,
            parameters={"language": language, "template": template.label},
            budget=budget,
            currency=currency,
        ) as job:
            for position, assets in enumerate(combinations):
                _create_item(job, held, position, assets, template)
    return job


def _create_item(
    job: GenerationJob,
    photo: PersonPhoto,
    position: int,
    assets: Sequence[tuple[str, Asset]],
    template: prompts.Template,
) -> None:
    inputs = [prompts.NamedInput(InputRole.MODEL, "", ""), *named_inputs(assets)]
    prompt, left_out = prompts.rendered(
        template,
        inputs,
        language=job.parameters["language"],
        words=Words(),
        tokens=get_provider(job.provider).capability.prompt_tokens,
    )
    keys: list[Any] = [("person", photo.pk, None)]
    keys += [(str(role), asset.pk, asset.current_id) for role, asset in assets]
    item = GenerationItem.objects.create(
        job=job,
        position=position,
        prompt=prompt,
        parameters={LEFT_OUT: left_out} if left_out else {},
        state=ItemState.QUEUED,
        idempotency_key=idempotency_key(job, prompt, keys),
    )
    ItemInput.objects.bulk_create(
        ItemInput(item=item, asset=asset, version_id=asset.current_id, role=role, position=place)
        for place, (role, asset) in enumerate(assets, 1)
    )
    TryOn.objects.create(item=item, photo=photo)


def person_input(item: GenerationItem) -> ProviderInput | None:
    """The person of a try-on, as its first input; None where the picture is gone."""
    row = TryOn.objects.select_related("photo").filter(item=item, photo__deleted=None).first()
    if row is None or not row.photo.file:
        return None
    with row.photo.file.open("rb") as file:
        data = file.read()
    return ProviderInput(InputRole.MODEL, lambda: data, row.photo.mime, str(row.photo.public_id))


def is_wanted(item: GenerationItem) -> bool:
    """Whether the person's picture is still there, so that what is made of it may be kept."""
    return TryOn.objects.filter(item=item, photo__deleted=None).exists()


def keep_result(item: GenerationItem, picture: bytes, mime: str) -> bool:
    """Keep what was made beside the person's picture; False where that was deleted meanwhile."""
    with transaction.atomic():
        row = TryOn.objects.select_for_update().filter(item=item).first()
        photo = PersonPhoto.objects.select_for_update().get(pk=row.photo_id) if row else None
        if row is None or photo is None or photo.deleted:
            return False
        digest = hashlib.sha256(picture).hexdigest()[:16]
        name = f"{item.public_id.hex}-{digest}{EXTENSIONS.get(mime, '.png')}"
        row.result.save(name, ContentFile(picture), save=False)
        row.mime = mime
        row.save(update_fields=["result", "mime"])
    return True


@transaction.atomic
def delete_photo(photo: PersonPhoto, *, actor: User | None) -> None:
    """Delete a person's picture and everything made of it; what has not begun is given up."""
    held = PersonPhoto.objects.select_for_update().get(pk=photo.pk)
    if held.deleted:
        return
    now = timezone.now()
    rows = TryOn.objects.select_for_update().filter(photo=held)
    items = GenerationItem.objects.filter(try_on__photo=held)
    answers = list(items.exclude(answer="").values_list("answer", flat=True))
    removal.note([str(held.file.name), *rows.exclude(result="").values_list("result", flat=True), *answers])
    waiting = items.filter(state__in=(ItemState.PLANNED, ItemState.QUEUED))
    waiting.update(state=ItemState.CANCELLED, finished=now)
    items.exclude(answer="").update(answer="")
    HeldAnswer.objects.filter(item__try_on__photo=held).delete()
    rows.update(result="", mime="")
    PersonPhoto.objects.filter(pk=held.pk).update(file="", deleted=now)
    record(actor, "person_photo.deleted", held)
    for job in set(items.order_by().values_list("job", flat=True)):
        transaction.on_commit(partial(finish_job_if_done, job))
    photo.deleted = now


def sweep() -> int:
    """Delete what has had its time, and what belongs to nobody any more; how many pictures that was."""
    due = PersonPhoto.objects.filter(deleted=None).filter(Q(expires__lte=timezone.now()) | Q(owner=None))
    count = 0
    for photo in due.order_by("pk"):
        delete_photo(photo, actor=None)
        count += 1
    return count


def _combinations(
    garments: Sequence[Asset], accessories: Sequence[Asset]
) -> tuple[list[list[tuple[str, Asset]]], prompts.Template]:
    if not garments:
        raise TryOnError(_("Choose the garments first."))
    for asset in (*garments, *accessories):
        if reason := why_unusable(asset):
            raise TryOnError(f"{asset.display_title}: {reason}")
    worn: list[list[tuple[str, Asset]]] = [[(InputRole.GARMENT, garment)] for garment in garments]
    if accessories:
        worn = [[*one, (InputRole.ACCESSORY, accessory)] for one in worn for accessory in accessories]
    if len(worn) > MOST_PICTURES:
        raise TryOnError(
            _("That would be %(count)s pictures; at most %(most)s are made at once.")
            % {"count": len(worn), "most": MOST_PICTURES}
        )
    return worn, find_template("", JobKind.TRY_ON)


def _priced(provider: str, *, inputs: int, accessories: bool) -> tuple[str, Decimal, str]:
    try:
        name, engine = choose_provider(provider)
        capability = engine.capability
        if not capability.price_known:
            raise TryOnError(_("What a picture by “%(provider)s” costs is not known.") % {"provider": name})
        roles = {InputRole.MODEL, InputRole.GARMENT, *([InputRole.ACCESSORY] if accessories else [])}
        if not roles <= capability.roles or inputs > capability.max_inputs:
            raise TryOnError(_("The provider “%(provider)s” dresses nobody so.") % {"provider": name})
        return name, engine.price({}, inputs=inputs), capability.currency
    except (PlanError, ProviderError) as error:
        raise TryOnError(str(error)) from error

"""Makes a picture again exactly as it was made: the same prompt, inputs, provider and parameters."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from generation.jobs import JobError, idempotency_key, opened, require_payable
from generation.models import GenerationItem, GenerationJob, ItemInput, ItemState, JobKind
from generation.planning import PlanError, choose_provider, why_unusable
from generation.providers.base import ProviderError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Words of an earlier attempt, not of the picture: see `review.new_item`.
_OF_AN_ATTEMPT = ("variation", "note")


def find_item(name: str) -> GenerationItem:
    """The item with this id.

    Raises:
        JobError: there is none.
    """
    try:
        found = GenerationItem.objects.filter(public_id=uuid.UUID(name)).select_related("job").first()
    except ValueError:
        found = None
    if found is None:
        raise JobError(_("There is no item “%(id)s”.") % {"id": name})
    return found


def make_again(
    item: GenerationItem, *, actor: User | None, budget: Decimal | None = None, in_background: bool = True
) -> GenerationJob:
    """A job of one picture: what this item asked for, with the files that it asked with.

    Raises:
        JobError: an input cannot be used any more, the provider is gone or not configured, or the budget is
            below the price.
    """
    links = list(item.inputs.select_related("asset__current", "version"))
    _refuse(item, links, budget)
    parameters = {key: value for key, value in item.parameters.items() if key not in _OF_AN_ATTEMPT}
    with opened(
        actor,
        {"pictures": 1, "again": str(item.public_id)},
        in_background=in_background,
        kind=item.job.kind,
        title=item.job.title,
        provider=item.job.provider,
        parameters=item.job.parameters,
        request={**_words(item.job), "again": str(item.public_id)},
        budget=budget,
        currency=item.job.currency,
    ) as job:
        again = GenerationItem.objects.create(
            job=job,
            position=0,
            prompt=item.prompt,
            parameters=parameters,
            state=ItemState.QUEUED,
            cell_hash=item.cell_hash,
            request_hash=item.request_hash,
            idempotency_key=idempotency_key(
                job, item.prompt, [(link.role, link.asset_id, link.version_id) for link in links], parameters
            ),
        )
        ItemInput.objects.bulk_create(link.of(again) for link in links)
    return job


def _refuse(item: GenerationItem, links: list[ItemInput], budget: Decimal | None) -> None:
    if item.job.kind == JobKind.TRY_ON:
        raise JobError(_("A try-on is made again from the person's picture, on its own page."))
    for link in links:
        if reason := why_unusable(link.asset):
            raise JobError(
                _("The input “%(title)s” cannot be used: %(reason)s")
                % {"title": link.asset.display_title, "reason": reason}
            )
    try:
        _name, engine = choose_provider(item.job.provider)
        price = engine.price({**item.job.parameters, **item.parameters}, inputs=len(links))
    except (PlanError, ProviderError) as error:
        raise JobError(str(error)) from error
    require_payable(item.job.provider, price, item.job.currency, budget)


def _words(job: GenerationJob) -> dict[str, object]:
    """What titles and links to SKUs are made from."""
    return {key: job.request[key] for key in ("sentence", "instruction", "fill") if key in job.request}

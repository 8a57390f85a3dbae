"""Which jobs an asset is used in, for the library to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Min, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dam.usage import Source, Use
from generation.models import ItemInput


def _rows(keys: Sequence[int]) -> QuerySet:
    """One input of each job that has the asset among its inputs."""
    inputs = ItemInput.objects.filter(asset__in=keys).order_by()
    one_of_each = inputs.values("asset_id", "item__job_id").annotate(one=Min("pk")).values("one")
    return ItemInput.objects.filter(pk__in=one_of_each).select_related("item__job")


def _use(row: Any) -> Use:
    job = row.item.job
    return Use(job, str(job), str(job.get_state_display()), breaks=True)


def _says(count: int, names: str) -> str:
    sentence = ngettext(
        "%(count)d generation job uses it: %(names)s", "%(count)d generation jobs use it: %(names)s", count
    )
    return sentence % {"count": count, "names": names}


JOBS = Source(
    kind="generation_jobs",
    label=_("Generation jobs"),
    asset="asset_id",
    rows=_rows,
    seen=lambda rows, viewer: rows.none(),  # jobs are for editors
    use=_use,
    says=_says,
    remedy=_("Jobs are kept as the record of what was spent; leave it in the trash."),
    order=("-pk",),
)

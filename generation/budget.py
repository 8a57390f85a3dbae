"""A job's hard budget: set aside before a call, settled after it, in the database.

What was set aside for a call that a crash cut off stays committed, since the vendor may have charged it.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.db.models import F

from generation.models import GenerationItem, GenerationJob, to_micros


def reserve(item: GenerationItem, price: Decimal) -> bool:
    """Set the price of one call aside; False where the budget does not hold it any more.

    One conditional update: of two workers that reach for the last of the budget, one gets it.
    """
    micros = to_micros(price)
    with transaction.atomic():
        jobs = GenerationJob.objects.filter(pk=item.job_id)
        budget = jobs.values_list("budget", flat=True).get()
        if budget is not None:
            jobs = jobs.filter(committed_micros__lte=to_micros(budget) - micros)
        if not jobs.update(committed_micros=F("committed_micros") + micros):
            return False
        GenerationItem.objects.filter(pk=item.pk).update(reserved_micros=micros)
    item.reserved_micros = micros
    return True


def settle(item: GenerationItem, cost: Decimal) -> None:
    """Replace what was set aside by what the call cost (zero where the vendor delivered nothing)."""
    difference = to_micros(cost) - item.reserved_micros
    with transaction.atomic():
        if difference:
            GenerationJob.objects.filter(pk=item.job_id).update(
                committed_micros=F("committed_micros") + difference
            )
        GenerationItem.objects.filter(pk=item.pk).update(reserved_micros=0, cost=F("cost") + cost)
    item.reserved_micros = 0

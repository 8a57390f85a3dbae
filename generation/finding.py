"""Finds before anything is made: pictures that there are for a cell, and calls that were paid for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from dam.models import AssetState
from generation.models import ACTIVE_STATES, GenerationItem, ItemState, JobState, Verdict

# A picture in one of these serves; the earlier the better.
_SERVING = (AssetState.APPROVED, AssetState.IN_REVIEW, AssetState.DRAFT)
_SENT_BACK = (Verdict.REJECTED, Verdict.REGENERATE)
_GOING_ON = (*ACTIVE_STATES, JobState.PAUSED)

# Of one input: its role, its asset's key and its version's.
InputKey = tuple[str, int, int | None]


class How(StrEnum):
    """What there is for a cell already."""

    APPROVED = "approved"
    IN_REVIEW = "in_review"
    UNDER_WAY = "under_way"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Found:
    """What was found for a cell: the item that makes or made it, and its picture's key where it has one."""

    how: How
    item: str
    job: str
    output: int | None = None
    asset: str = ""

    @property
    def sentence(self) -> str:
        match self.how:
            case How.APPROVED:
                return _("There is an approved picture of exactly this.")
            case How.IN_REVIEW:
                return _("A picture of exactly this waits for review.")
            case How.UNDER_WAY:
                return _("A job is making exactly this.")
            case How.REJECTED:
                return _("The very same request was made before, and its picture was rejected.")


def cell_hash(purpose: Sequence[Any], inputs: Iterable[InputKey]) -> str:
    """Hash of a picture's purpose (kind of job, template, words) and its inputs, whoever makes it."""
    return _hash([list(purpose), list(inputs)])


def request_hash(cell: str, provider: str, parameters: Mapping[str, Any], prompt: str) -> str:
    """Hash of the very request: the same one gives the same picture, as far as the vendor keeps to it."""
    return _hash([cell, provider, dict(parameters), prompt])


def made_before(requests: Mapping[str, str]) -> dict[str, Found]:
    """By cell, the best of what there is; in one query, whatever their number.

    Args:
        requests: the hash of each cell, and of the request that would be made for it.
    """
    items = GenerationItem.objects.filter(cell_hash__in=requests).order_by("-pk")
    rows = items.values_list(
        "cell_hash", "request_hash", "state", "verdict", "job__state", "output_id", "output__state",
        "output__public_id", "public_id", "job__public_id",
    )  # fmt: skip
    best: dict[str, Found] = {}
    for cell, request, *known in rows:
        found = _judged(known, same=request == requests[cell])
        if found and (cell not in best or _RANKS[found.how] < _RANKS[best[cell].how]):
            best[cell] = found
    return best


_RANKS = {how: rank for rank, how in enumerate(How)}


def _judged(known: Sequence[Any], *, same: bool) -> Found | None:
    state, verdict, job_state, output, output_state, asset, item, job = known
    named: dict[str, Any] = {"item": str(item), "job": str(job)}
    if state == ItemState.SUCCEEDED and output is not None:
        named |= {"output": output, "asset": str(asset)}
        if output_state in _SERVING and verdict not in _SENT_BACK:
            how = How.APPROVED if output_state == AssetState.APPROVED else How.IN_REVIEW
            return Found(how, **named)
        return Found(How.REJECTED, **named) if same and verdict != Verdict.REGENERATE else None
    waiting = state in (ItemState.PLANNED, ItemState.QUEUED, ItemState.RUNNING)
    return Found(How.UNDER_WAY, **named) if waiting and job_state in _GOING_ON else None


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":"), default=str).encode()).hexdigest()

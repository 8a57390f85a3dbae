"""Who made what: other apps register how to tell of the pictures that they have made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model

from dam.models import Asset, AssetOrigin, Making


@dataclass(frozen=True)
class Made:
    """How one picture was made, as its maker has it in its books.

    Attributes:
        making: None: nobody knows any more what its provider did.
        item: the id under which it was made.
        prompt: the exact words; for those only who may change the picture.
        job: a row whose page tells more, for those who may see it.
    """

    making: Making | None
    provider: str
    model: str
    item: str
    made_at: datetime | None
    prompt: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    job: Model | None = None


Maker = Callable[[Sequence[int]], Mapping[int, Made]]  # by the keys of assets
_makers: list[Maker] = []


def register(maker: Maker) -> None:
    """Ask this one too."""
    if maker not in _makers:
        _makers.append(maker)


def made(asset: Asset) -> Made | None:
    """How the asset was made; None: nobody here made it, or nobody remembers. One query for each maker."""
    if asset.origin != AssetOrigin.GENERATED:
        return None
    return next((found[asset.pk] for maker in _makers if asset.pk in (found := maker([asset.pk]))), None)

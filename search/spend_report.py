"""What encoders behind an API have cost, by encoder, day, space and asset, for pages, REST and commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from dam.models import Asset
from search.encoders.base import EncoderError
from search.encoders.paid import PaidEncoder
from search.encoders.registry import get_encoder, is_paid
from search.models import IndexEntry, IndexState, Space, Spend, SpendAccount, SpendPurpose
from search.spend import Budget, budget, price_list, queries_of_day, shown

DAYS = 30
ASSETS = 50


@dataclass(frozen=True)
class Standing:
    """One encoder's account: amounts in millionths, limits None where there are none."""

    encoder: str
    currency: str
    spent: int
    today: int
    queries: int
    limits: Budget
    waiting: int

    @property
    def total_percent(self) -> int | None:
        return _percent(self.spent, self.limits.total)

    @property
    def day_percent(self) -> int | None:
        return _percent(self.today, self.limits.day)

    @property
    def queries_percent(self) -> int | None:
        return _percent(self.queries, self.limits.queries)


def _percent(spent: int, limit: int | None) -> int | None:
    if limit is None:
        return None
    return 100 if limit <= 0 else min(100, round(100 * spent / limit))


def standings() -> list[Standing]:
    """Of every encoder that is configured or has cost something; four queries."""
    today = timezone.localdate()
    limits = budget()
    accounts = {account.encoder: account for account in SpendAccount.objects.order_by("encoder")}
    waiting = dict(
        IndexEntry.objects.filter(state=IndexState.PENDING, waits_for_budget=True)
        .values_list("space__encoder")
        .annotate(count=Count("id"))
    )
    queries = queries_of_day(today)
    configured = {encoder.space.encoder: encoder for encoder in paid_encoders()}
    found = []
    for name in sorted({*accounts, *configured}):
        account = accounts.get(name)
        found.append(
            Standing(
                encoder=name,
                currency=account.currency if account else configured[name].currency,
                spent=account.spent_micros if account else 0,
                today=account.day_micros if account and account.day == today else 0,
                queries=queries.get(name, 0),
                limits=limits,
                waiting=waiting.get(name, 0),
            )
        )
    return found


def paid_encoders() -> list[PaidEncoder]:
    """Those of spaces that are kept; an encoder that cannot be is left out, and free ones are not loaded."""
    found: dict[str, PaidEncoder] = {}
    for name in Space.objects.exclude(state="retired").order_by("id").values_list("encoder", flat=True):
        try:
            encoder = get_encoder(name) if is_paid(name) else None
        except EncoderError:
            continue
        if isinstance(encoder, PaidEncoder):
            found[encoder.space.encoder] = encoder
    return list(found.values())


def summary() -> list[dict[str, Any]]:
    """Accounts as words and numbers, for commands and REST."""
    return [
        {
            "encoder": one.encoder,
            "currency": one.currency,
            "spent": shown(one.spent),
            "today": shown(one.today),
            "budget": "none" if one.limits.total is None else shown(one.limits.total),
            "budget_day": "none" if one.limits.day is None else shown(one.limits.day),
            "queries": shown(one.queries),
            "budget_queries": "none" if one.limits.queries is None else shown(one.limits.queries),
            "waiting": one.waiting,
        }
        for one in standings()
    ]


def by_day(days: int = DAYS) -> list[dict[str, Any]]:
    """The last days on which something was paid, the newest first."""
    since = timezone.localdate() - timedelta(days=days - 1)
    rows = (
        Spend.objects.filter(day__gte=since)
        .values("day", "encoder", "model", "purpose", "currency")
        .annotate(
            lost=Sum("micros", filter=Q(assumed=True)),
            calls=Sum("calls"),
            tokens=Sum("tokens"),
            micros=Sum("micros"),
        )
        .order_by("-day", "encoder", "model", "purpose")
    )
    return [_labelled(dict(row)) for row in rows]


def by_space() -> list[dict[str, Any]]:
    """All that was ever paid, by space and purpose; spaces that are gone are named by their encoder."""
    rows = (
        Spend.objects.values("encoder", "space__state", "purpose", "currency")
        .annotate(calls=Sum("calls"), tokens=Sum("tokens"), micros=Sum("micros"))
        .order_by("encoder", "purpose")
    )
    return [_labelled(dict(row)) for row in rows]


def by_asset(most: int = ASSETS) -> list[dict[str, Any]]:
    """The dearest assets of the last days, with the asset where it is still in the library."""
    since = timezone.localdate() - timedelta(days=DAYS - 1)
    rows = list(
        Spend.objects.filter(asset_key__isnull=False, day__gte=since)
        .values("asset_key", "currency")
        .annotate(calls=Sum("calls"), tokens=Sum("tokens"), micros=Sum("micros"))
        .order_by("-micros", "-asset_key")[:most]
    )
    assets = _assets(row["asset_key"] for row in rows if row["asset_key"])
    return [
        {**row, "amount": shown(row["micros"]), "asset": assets.get(row["asset_key"] or 0)} for row in rows
    ]


def _assets(keys: Iterable[int]) -> dict[int, Asset]:
    return Asset.objects.in_library().select_related("current").in_bulk(list(keys))


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    assumed = row.get("lost") or 0
    return {
        **row,
        "purpose_label": SpendPurpose(row["purpose"]).label,
        "amount": shown(row["micros"]),
        "assumed": shown(assumed) if assumed else "",
    }


def prices() -> list[dict[str, str]]:
    """What is counted with, of every encoder in use."""
    return [price for encoder in paid_encoders() for price in price_list(encoder)]

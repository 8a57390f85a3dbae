"""What encoders behind an API cost: set aside before a call, settled after it, kept by asset and day.

A budget is checked before every paid call by one conditional update, so that of two workers that reach
for the last of it one gets it. What arrives is stored together with its cost, before anything else is
done. What was set aside for a call whose answer was lost stays counted, since it may have been billed.
The sentences that a space is calibrated with are bought within the budget as pictures are.
Words that people search with are counted too, but beyond that budget: they cost next to nothing, and a spent
budget must not make search worse. A day's searches have a limit of their own, since anybody may search.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from dam import alt_suggestions, clock
from dam.models import Asset
from search.encoders.base import EncoderError, Vectors
from search.encoders.paid import (
    Answer,
    Call,
    Description,
    Keep,
    Outage,
    PaidEncoder,
    Purpose,
    Refused,
    unit,
)
from search.models import (
    Embedding,
    PictureDescription,
    Space,
    Spend,
    SpendAccount,
    SpendReservation,
    held_files,
)

logger = logging.getLogger(__name__)

MICROS = 1_000_000
RESERVED_FOR = timedelta(minutes=30)
USELESS_FOR = timedelta(hours=1)
NO_LIMIT = "none"


class NotPaid(Outage):
    """What is to be encoded is not paid for. `until`: when it may be, without anybody changing a setting."""

    def __init__(self, sentence: str, until: datetime) -> None:
        super().__init__(sentence)
        self.until = until


class BudgetExhausted(NotPaid):
    """The budget does not hold it."""


class UselessAnswers(NotPaid):
    """The vendor was paid and gave nothing that can be used, as with a wrong dimension in the settings; with
    other settings it is another encoder.
    """


@dataclass(frozen=True)
class Budget:
    """In millionths; None: no limit.

    Attributes:
        queries: of a day's searches.
    """

    total: int | None
    day: int | None
    queries: int | None


def budget() -> Budget:
    """The limits of the settings.

    Raises:
        EncoderError: they are no amounts.
    """
    return Budget(*map(_limit, ("SEARCH_BUDGET_TOTAL", "SEARCH_BUDGET_DAY", "SEARCH_BUDGET_QUERIES")))


def _limit(name: str) -> int | None:
    given = str(getattr(settings, name)).strip().lower()
    if given == NO_LIMIT:
        return None
    try:
        amount = Decimal(given)
        if not amount.is_finite() or amount < 0:
            raise InvalidOperation
    except InvalidOperation as error:
        raise EncoderError(
            _("%(name)s is no amount: “%(given)s”. Set it to a number such as 25.50, or to “none”.")
            % {"name": name, "given": given}
        ) from error
    return int(amount * MICROS)


def to_micros(amount: Decimal) -> int:
    """Rounded up: what costs anything costs a millionth at least."""
    return int((amount * MICROS).to_integral_value(ROUND_CEILING))


def account_of(encoder: PaidEncoder) -> SpendAccount:
    """The encoder's account, of today."""
    today = timezone.localdate()
    account, _created = SpendAccount.objects.get_or_create(
        encoder=encoder.space.encoder, defaults={"currency": encoder.currency, "day": today}
    )
    if account.day < today:
        SpendAccount.objects.filter(pk=account.pk, day__lt=today).update(day=today, day_micros=0)
        account.refresh_from_db()
    return account


def refusal(encoder: object, price: Decimal | None = None) -> NotPaid | None:
    """Why nothing of this price, by default one more picture, can or should be paid for; None where it can,
    and of encoders that cost nothing.
    """
    if not isinstance(encoder, PaidEncoder):
        return None
    if useless := cache.get(_useless(encoder)):
        return UselessAnswers(*useless)
    account, limits = account_of(encoder), budget()
    return _exhausted(account, limits, to_micros(price or encoder.ceiling_per_picture))


def _useless(encoder: PaidEncoder) -> str:
    return f"search.useless.{encoder.space.slug}"


def _exhausted(account: SpendAccount, limits: Budget, price: int) -> BudgetExhausted | None:
    said = {"encoder": account.encoder, "currency": account.currency}
    if limits.total is not None and account.spent_micros + price > limits.total:
        return BudgetExhausted(
            _(
                "The budget of %(encoder)s is used up: %(spent)s of %(limit)s %(currency)s. What waits goes "
                "on when SEARCH_BUDGET_TOTAL is raised."
            )
            % {**said, "spent": shown(account.spent_micros), "limit": shown(limits.total)},
            clock.now() + timedelta(days=1),
        )
    if limits.day is not None and account.day_micros + price > limits.day:
        return BudgetExhausted(
            _(
                "Today's budget of %(encoder)s is used up: %(spent)s of %(limit)s %(currency)s. What waits "
                "goes on tomorrow, or when SEARCH_BUDGET_DAY is raised."
            )
            % {**said, "spent": shown(account.day_micros), "limit": shown(limits.day)},
            _tomorrow(account),
        )
    return None


def _refuse_more_queries(account: SpendAccount) -> None:
    """
    Raises:
        BudgetExhausted: today's searches have cost what they may.
    """
    limit = budget().queries
    spent = queries_of_day(account.day).get(account.encoder, 0)
    if limit is not None and spent >= limit:
        raise BudgetExhausted(
            _(
                "What searches may cost today with %(encoder)s is used up: %(spent)s of %(limit)s "
                "%(currency)s. Search goes on without it until tomorrow, or until SEARCH_BUDGET_QUERIES "
                "is raised."
            )
            % {
                "encoder": account.encoder,
                "currency": account.currency,
                "spent": shown(spent),
                "limit": shown(limit),
            },
            _tomorrow(account),
        )


def queries_of_day(day: date) -> dict[str, int]:
    """What that day's searches have cost, by encoder; one query."""
    rows = Spend.objects.filter(day=day, purpose=Purpose.QUERY).order_by().values_list("encoder")
    return dict(rows.annotate(spent=Sum("micros")))


def _tomorrow(account: SpendAccount) -> datetime:
    return timezone.make_aware(datetime.combine(account.day + timedelta(days=1), time.min))


def shown(micros: int) -> str:
    """An amount with the places that it needs, two at least."""
    text = f"{Decimal(micros) / MICROS:.6f}".rstrip("0")
    whole, _point, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


# --- Paying --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accountant:
    """Pays calls on account.

    Attributes:
        space: whose vectors they are, where they are kept.
        assets: the asset of each file.
        answered: called after every call, in the caller's thread and in no transaction of the accountant's.
    """

    space: Space | None = None
    assets: Mapping[str, int] = field(default_factory=dict)
    answered: Callable[[], None] = lambda: None

    def pay(self, encoder: PaidEncoder, calls: Sequence[Call], keep: Keep) -> None:
        """Make the calls, some at the same time, each within the budget; the first trouble ends it, but what
        is under way is waited for and kept.

        Raises:
            BudgetExhausted: what is left is not enough for the next call.
            EncoderError: the vendor gives nothing at the moment, or nothing that can be used.
        """
        waiting = deque(calls)
        stop: Exception | None = None
        running: dict[Future[Answer], tuple[Call, SpendReservation | None]] = {}
        with ThreadPoolExecutor(max_workers=max(1, settings.SEARCH_VENDOR_CALLS)) as pool:
            while running or (waiting and stop is None):
                while waiting and stop is None and len(running) < max(1, settings.SEARCH_VENDOR_CALLS):
                    call = waiting.popleft()
                    try:
                        reserved = self._reserve(encoder, call)
                    except EncoderError as error:
                        stop = error
                        break
                    running[pool.submit(call.run)] = (call, reserved)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    call, reserved = running.pop(future)
                    try:
                        waiting.extend(self._finish(encoder, call, reserved, future, keep))
                    except Exception as error:  # noqa: BLE001  the other answers are kept before it goes on
                        stop = stop or error
                    self.answered()
        if stop is not None:
            raise stop

    def _finish(
        self,
        encoder: PaidEncoder,
        call: Call,
        reserved: SpendReservation | None,
        future: Future[Answer],
        keep: Keep,
    ) -> list[Call]:
        """Settle and keep one answer; the calls that are to be made in its place, if there are any."""
        try:
            answer = future.result()
        except Refused as refused:
            if len(call.keys) > 1:
                self._settle(encoder, call, reserved, Answer(Decimal(0), 0), lambda call, answer: None)
                return call.halves()
            answer = Answer(Decimal(0), 0, refused={call.keys[0]: str(refused)})
        except Outage as error:
            cost = call.ceiling if error.maybe_charged else Decimal(0)
            self._settle(encoder, call, reserved, Answer(cost, 0), lambda call, answer: None, assumed=True)
            raise
        if flaw := encoder.flaw(answer):
            paid = Answer(answer.amount, answer.tokens)
            self._settle(encoder, call, reserved, paid, lambda call, answer: None)
            useless = (flaw, clock.now() + USELESS_FOR)
            cache.set(_useless(encoder), useless, USELESS_FOR.total_seconds())
            raise UselessAnswers(*useless)
        self._settle(encoder, call, reserved, answer, keep)
        return []

    def _reserve(self, encoder: PaidEncoder, call: Call) -> SpendReservation | None:
        """Set the most that the call can cost aside; of a search nothing.

        Raises:
            BudgetExhausted: the budget does not hold it any more.
        """
        if call.purpose == Purpose.QUERY:
            _refuse_more_queries(account_of(encoder))
            return None
        account, limits, micros = account_of(encoder), budget(), to_micros(call.ceiling)
        with transaction.atomic():
            row = SpendAccount.objects.filter(pk=account.pk, day=account.day)
            if limits.total is not None:
                row = row.filter(spent_micros__lte=limits.total - micros)
            if limits.day is not None:
                row = row.filter(day_micros__lte=limits.day - micros)
            if not row.update(spent_micros=F("spent_micros") + micros, day_micros=F("day_micros") + micros):
                account.refresh_from_db()
                raise _exhausted(account, limits, micros) or Outage(_("The day has changed; once more."))
            return SpendReservation.objects.create(
                account=account,
                micros=micros,
                day=account.day,
                model=call.model,
                purpose=call.purpose,
                files=[["", None]]
                if call.purpose == Purpose.CALIBRATE  # it belongs to no asset: one row a call
                else [[key, self.assets.get(key)] for key in call.keys],
                expires=clock.after(RESERVED_FOR),
            )

    @transaction.atomic
    def _settle(
        self,
        encoder: PaidEncoder,
        call: Call,
        reserved: SpendReservation | None,
        answer: Answer,
        keep: Keep,
        *,
        assumed: bool = False,
    ) -> None:
        """What came, what it cost, and the end of what was set aside: all of it or nothing."""
        keep(call, answer)
        micros = to_micros(answer.amount)
        if reserved is None:
            self._count_query(encoder, call, answer.tokens, micros)
            return
        if not SpendReservation.objects.filter(pk=reserved.pk).delete()[0]:
            return  # it expired meanwhile and was counted as spent
        _correct(reserved, micros)
        if micros:
            files = [(sha256, key) for sha256, key in reserved.files]
            _write(reserved, files, micros, answer.tokens, space=self.space, assumed=assumed)

    def _count_query(self, encoder: PaidEncoder, call: Call, tokens: int, micros: int) -> None:
        if not micros:
            return
        account = account_of(encoder)
        SpendAccount.objects.filter(pk=account.pk).update(
            spent_micros=F("spent_micros") + micros, day_micros=F("day_micros") + micros
        )
        row, created = Spend.objects.get_or_create(
            day=account.day,
            encoder=account.encoder,
            model=call.model,
            purpose=Purpose.QUERY,
            defaults={"tokens": tokens, "micros": micros, "currency": account.currency},
        )
        if not created:
            Spend.objects.filter(pk=row.pk).update(
                calls=F("calls") + 1, tokens=F("tokens") + tokens, micros=F("micros") + micros
            )


def _correct(reserved: SpendReservation, micros: int) -> None:
    """Replace what was set aside by what the call cost."""
    difference = micros - reserved.micros
    account = SpendAccount.objects.filter(pk=reserved.account_id)
    account.update(spent_micros=F("spent_micros") + difference)
    account.filter(day=reserved.day).update(day_micros=F("day_micros") + difference)


def _write(
    reserved: SpendReservation,
    files: Sequence[tuple[str, int | None]],
    micros: int,
    tokens: int,
    *,
    space: Space | None,
    assumed: bool,
) -> None:
    """A row a file: the cost of a batch is shared evenly, to the last millionth."""
    count = len(files)
    Spend.objects.bulk_create(
        Spend(
            day=reserved.day,
            space=space,
            encoder=reserved.account.encoder,
            model=reserved.model,
            purpose=reserved.purpose,
            asset_key=key,
            sha256=sha256 if len(sha256) == 64 else "",
            tokens=_share(tokens, count, place),
            micros=_share(micros, count, place),
            currency=reserved.account.currency,
            assumed=assumed,
        )
        for place, (sha256, key) in enumerate(files)
    )


def _share(whole: int, count: int, place: int) -> int:
    return whole // count + (1 if place < whole % count else 0)


@transaction.atomic
def expire() -> int:
    """Count what dead workers set aside as spent; how many calls that were."""
    clock.mend(SpendReservation.objects.all(), "expires", RESERVED_FOR)
    gone = list(
        SpendReservation.objects.filter(expires__lt=clock.Now()).select_related("account").order_by("pk")
    )
    for reserved in gone:
        if SpendReservation.objects.filter(pk=reserved.pk).delete()[0]:
            files = [(sha256, key) for sha256, key in reserved.files]
            _write(reserved, files, reserved.micros, 0, space=None, assumed=True)
    return len(gone)


# --- Encoding the library's pictures ---------------------------------------------------------------


@dataclass
class Encoded:
    """Vectors and final refusals by SHA-256, and why the rest has to wait."""

    vectors: dict[str, Vectors] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    stopped: EncoderError | None = None


def encode(
    space: Space,
    encoder: PaidEncoder,
    pictures: Mapping[str, Image.Image],
    assets: Mapping[str, int],
    *,
    answered: Callable[[], None],
) -> Encoded:
    """Encode pictures by SHA-256 and keep whatever is paid for at once: vectors, descriptions, refusals.

    Args:
        assets: the key of the asset that has the file.
        answered: called with every answer, in this thread: many calls together take long.
    """
    done = Encoded()
    described_with = getattr(encoder, "describes_with", "")
    known = _known(described_with, pictures)
    done.refused = {row.sha256: row.refusal for row in known.values() if row.refusal}
    kept = {sha256: _words(row) for sha256, row in known.items() if not row.refusal}
    _suggest(kept, assets, described_with)

    def keep(call: Call, answer: Answer) -> None:
        _keep_vectors(space, answer.vectors)
        _keep_words(described_with, answer)
        _suggest(answer.descriptions, assets, described_with)
        done.vectors.update(answer.vectors)
        done.refused.update(answer.refused)

    wanted = {sha256: picture for sha256, picture in pictures.items() if sha256 not in done.refused}
    try:
        encoder.encode_paid(wanted, kept, keep, Accountant(space, assets, answered))
    except EncoderError as error:
        done.stopped = error
    return done


def _known(described_with: str, pictures: Mapping[str, Any]) -> dict[str, PictureDescription]:
    if not described_with:
        return {}
    rows = PictureDescription.objects.filter(sha256__in=pictures, described_with=described_with)
    return {row.sha256: row for row in rows}


def _words(row: PictureDescription) -> Description:
    return Description(row.alt_text, row.alt_text_zh, row.description, row.description_zh)


def _keep_vectors(space: Space, vectors: Mapping[str, Vectors]) -> None:
    Embedding.objects.keep(space, {sha256: unit(vector) for sha256, vector in vectors.items()})


def _keep_words(described_with: str, answer: Answer) -> None:
    """Of pictures that are still there; what was said of others is forgotten."""
    if not described_with:
        return
    given = dict(answer.descriptions)
    refused = dict(answer.refused) if answer.final else {}
    held = held_files({*given, *refused})
    rows = [
        PictureDescription(sha256=sha256, described_with=described_with, **vars(words))
        for sha256, words in given.items()
    ]
    rows += [
        PictureDescription(sha256=sha256, described_with=described_with, refusal=sentence)
        for sha256, sentence in refused.items()
    ]
    PictureDescription.objects.bulk_create([row for row in rows if row.sha256 in held], ignore_conflicts=True)


def _suggest(words: Mapping[str, Description], assets: Mapping[str, int], described_with: str) -> None:
    """The library is offered the words; what people wrote stays as it is."""
    by_key = {assets[sha256]: (sha256, text) for sha256, text in words.items() if sha256 in assets}
    if not by_key:
        return
    chosen = Asset.objects.in_library().filter(pk__in=by_key).select_related("current").order_by("pk")
    with transaction.atomic():
        alt_suggestions.suggest(
            [
                (asset, alt_suggestions.Words(**vars(by_key[asset.pk][1])))
                for asset in chosen.select_for_update(no_key=True, of=("self",))
                if asset.current is not None and asset.current.sha256 == by_key[asset.pk][0]
            ],
            source=described_with,
        )


# --- What it comes to ------------------------------------------------------------------------------


def price_list(encoder: PaidEncoder) -> list[dict[str, str]]:
    """The prices that are counted with, and where they are from."""
    return [
        {
            "model": price.name,
            "input": f"{price.input}",
            "pictures": f"{price.pictures}",
            "output": f"{price.output}",
            "currency": price.currency,
            "as_of": price.as_of,
            "source": price.source,
        }
        for price in encoder.prices
    ]

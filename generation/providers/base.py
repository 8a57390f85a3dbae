"""The contract of a generation provider: role-ordered pictures and a prompt in, one picture out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class Cause(TextChoices):
    """Why there is no picture, by what has to be done about it; counted and filtered by."""

    INPUT = "input", gettext_lazy("An input is missing or expired")
    BLOCKED = "blocked", gettext_lazy("Blocked by the vendor's filters")
    NO_PICTURE = "no_picture", gettext_lazy("An answer without a picture")
    DAMAGED = "damaged", gettext_lazy("A picture that cannot be used")
    KEY = "key", gettext_lazy("The key is not accepted")
    QUOTA = "quota", gettext_lazy("No quota or no money at the vendor")
    REFUSED = "refused", gettext_lazy("The request was refused")
    RATE = "rate", gettext_lazy("The vendor's rate limit")
    OUTAGE = "outage", gettext_lazy("The vendor did not answer")
    CUT_OFF = "cut_off", gettext_lazy("Cut off in the middle")
    STORAGE = "storage", gettext_lazy("Our own storage failed")
    BUDGET = "budget", gettext_lazy("The job's budget is used up")
    CAP = "cap", gettext_lazy("The day's spending cap is reached")
    UNFORESEEN = "unforeseen", gettext_lazy("Something nobody foresaw")


class ProviderError(Exception):
    """The provider did not deliver; the message is a sentence for the person who reviews the job.

    `cost` is what the vendor charges all the same, as for an answer in words.
    """

    usual_cause = Cause.REFUSED

    def __init__(self, message: str, *, cost: Decimal = Decimal(0), cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cost = cost
        self.cause = cause or self.usual_cause


class Blocked(ProviderError):
    """Refused on grounds of content. Final: the same request is refused again."""

    usual_cause = Cause.BLOCKED


class Transient(ProviderError):
    """Worth another try (429, 5xx, time-out); `retry_after` in seconds where the vendor says so.

    `maybe_charged`: the request had left and no answer came, so that the vendor may charge it.
    A cause other than OUTAGE says that the vendor is there: the circuit breaker counts it as an answer.
    """

    usual_cause = Cause.OUTAGE

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        maybe_charged: bool = False,
        cause: Cause | None = None,
    ) -> None:
        super().__init__(message, cause=cause)
        self.retry_after = retry_after
        self.maybe_charged = maybe_charged


class Refused(ProviderError):
    """A wrong key, an unknown model, an input it cannot take. Final until someone changes something."""


@dataclass(frozen=True)
class ProviderInput:
    """One input picture. `read` gives the bytes of an upright sRGB PNG, JPEG or WebP, alpha kept."""

    role: str
    read: Callable[[], bytes]
    mime: str
    asset_id: str
    title: str = ""
    title_zh: str = ""
    sku_codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProviderRequest:
    """One cell of a plan, without models: what the provider needs and nothing else.

    `parameters` are words of this project, whatever the vendor calls them: `aspect_ratio` (“3:4”), `size`,
    `quality`, `background`, `negative` (what is not to be seen), `seed`, `language`; a provider takes those
    that its capability names. Where `mask` is transparent, the first input is to be changed.
    """

    prompt: str
    inputs: Sequence[ProviderInput]
    parameters: Mapping[str, Any]
    idempotency_key: str
    mask: ProviderInput | None = None


# Of the files that providers give, by what they say that they are.
EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class ProviderResult:
    """One picture and what it cost."""

    image: bytes
    mime: str
    model: str
    cost: Decimal
    currency: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capability:
    """What a provider can take and what it asks for it.

    Attributes:
        price_per_picture: of a picture of the default size and quality; 0 where it is free, or where no
            price is known. `Provider.price` tells it for others.
        price_known: False where the vendor publishes no price and none was given.
        makes_photographs: False for `board`, which arranges pictures and paints none.
        batch_size: how many requests one batch takes; 0 where each is a call of its own.
        prompt_tokens: how much of a prompt a model reads that reads little; 0 where there is room enough.
    """

    roles: frozenset[str]
    max_inputs: int
    aspect_ratios: tuple[str, ...]
    price_per_picture: Decimal
    currency: str
    price_as_of: str
    price_source: str
    seconds_per_picture: float
    parallel_calls: int
    makes_photographs: bool
    price_known: bool = True
    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    takes_seed: bool = False
    takes_mask: bool = False
    takes_negative: bool = False
    batch_size: int = 0
    prompt_tokens: int = 0


class Provider(ABC):
    """Constructing one is cheap and opens no connection; options come from settings."""

    name: str

    @property
    @abstractmethod
    def capability(self) -> Capability:
        """What it can take and cost."""

    @abstractmethod
    def check(self) -> str | None:
        """What is missing in the configuration, as a sentence, or None. Calls no paid endpoint."""

    def price(self, parameters: Mapping[str, Any], *, inputs: int = 0) -> Decimal:
        """The forecast of one picture with these parameters, made from so many pictures.

        Raises:
            Refused: the vendor makes no such picture, or its price is not known.
        """
        return self.capability.price_per_picture

    @abstractmethod
    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One picture.

        Raises:
            Blocked: refused on grounds of content.
            Transient: worth another try.
            Refused: wrong key, model or input.
        """


# --- Batches -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BatchHandle:
    """A batch that was handed in: `key` is ours, `name` the vendor's. Both are kept with the items."""

    key: str
    name: str


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        ended: nothing more comes; `collect` gives what there is.
        state: the vendor's own word, for people.
    """

    ended: bool
    state: str


@dataclass(frozen=True)
class BatchOutcome:
    """What became of one request of a batch, which is told by its idempotency key."""

    idempotency_key: str
    outcome: ProviderResult | ProviderError


class BatchProvider(Provider):
    """A provider that takes many requests at once and answers within hours, for less.

    Nothing is paid twice, whatever is killed when: the caller writes the batch's key and its items down,
    calls `submit` with that key, and writes the handle down. Cut off in between, it calls `submit` again
    with the same key and is given the batch that is there. A batch that has ended is never run again under
    its key: what came back as Transient goes into a batch of another key. One caller at a time submits a key.
    """

    @abstractmethod
    def submit(self, key: str, requests: Sequence[ProviderRequest]) -> BatchHandle:
        """Hand in at most `capability.batch_size` requests, unless a batch of this key is there already.

        Raises:
            Transient: try again later, with the same key.
            Refused: wrong key, model or input; nothing was handed in.
        """

    @abstractmethod
    def find(self, key: str) -> BatchHandle | None:
        """The batch of this key at the vendor, or None.

        Raises:
            Transient, Refused: the vendor could not be asked.
        """

    @abstractmethod
    def progress(self, handle: BatchHandle) -> BatchProgress:
        """How far it is; cheap.

        Raises:
            Transient: ask again later.
            Refused: the vendor knows no such batch any more.
        """

    @abstractmethod
    def collect(self, handle: BatchHandle, idempotency_keys: Sequence[str]) -> Iterator[BatchOutcome]:
        """One outcome for each of these requests of a batch that has ended, one in memory at a time.

        May be called again: answers stay at the vendor for a while, and collecting costs nothing. A request
        without an answer (expired, cancelled, left out) comes back as Transient, uncharged.

        Raises:
            Transient: nothing, or no more, could be fetched now.
        """

    @abstractmethod
    def cancel(self, handle: BatchHandle) -> None:
        """Ask the vendor to stop. What was made until then is charged and can be collected.

        Raises:
            Transient, Refused: the vendor could not be asked.
        """

    def generate(self, request: ProviderRequest) -> ProviderResult:
        raise Refused(_("This provider works in batches; it makes no single pictures."))

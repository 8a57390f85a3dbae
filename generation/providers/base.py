"""The contract of a generation provider: role-ordered pictures and a prompt in, one picture out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


class ProviderError(Exception):
    """The provider did not deliver; the message is a sentence for the person who reviews the job.

    `cost` is what the vendor charges all the same, as for an answer in words.
    """

    def __init__(self, message: str, *, cost: Decimal = Decimal(0)) -> None:
        super().__init__(message)
        self.cost = cost


class Blocked(ProviderError):
    """Refused on grounds of content. Final: the same request is refused again."""


class Transient(ProviderError):
    """Worth another try (429, 5xx, time-out); `retry_after` in seconds where the vendor says so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


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
    """One cell of a plan, without models: what the provider needs and nothing else."""

    prompt: str
    inputs: Sequence[ProviderInput]
    parameters: Mapping[str, Any]
    idempotency_key: str


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
    """What a provider can take and what it asks for it."""

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
    """False for `board`, which arranges pictures and paints none."""


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

    @abstractmethod
    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One picture.

        Raises:
            Blocked: refused on grounds of content.
            Transient: worth another try.
            Refused: wrong key, model or input.
        """

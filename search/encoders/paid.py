"""Encoders that a vendor runs and bills: what a call is, what may come of it, and who keeps the accounts.

This module knows no models. `search.spend` is the cashier: it sees every call before it is made.
"""

from __future__ import annotations

import base64
import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from io import BytesIO
from typing import Protocol

import numpy as np
from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _
from PIL import Image

from search.encoders.base import Encoder, EncoderError, Vectors, flatten
from search.encoders.prices import Price

# Vectors of queries, in the cache that all processes share.
KEPT_QUERY_SECONDS = 30 * 24 * 3600
# After a vendor did not answer a query, others do not wait for it for so long.
AWAY_SECONDS = 30


class Outage(EncoderError):
    """The vendor gives nothing at the moment, to any picture; what is to be encoded waits.

    Attributes:
        retry_after: seconds that the vendor asks to wait, or None.
        maybe_charged: the call may have been billed, since its answer was lost.
    """

    def __init__(self, sentence: str, *, retry_after: float | None = None, maybe_charged: bool = False):
        super().__init__(sentence)
        self.retry_after = retry_after
        self.maybe_charged = maybe_charged


class Refused(Exception):
    """The vendor does not take a picture or a text, and would not the next time either."""


class Purpose(StrEnum):
    DESCRIBE = "describe"
    EMBED = "embed"
    QUERY = "query"
    CALIBRATE = "calibrate"


@dataclass(frozen=True)
class Description:
    """A picture in words: a short alternative text and a longer description, in both languages."""

    alt_text: str
    alt_text_zh: str
    description: str
    description_zh: str


@dataclass(frozen=True)
class Answer:
    """What one call gave, by the keys of what was sent, and what it cost."""

    amount: Decimal
    tokens: int
    vectors: Mapping[str, Vectors] = field(default_factory=dict)
    descriptions: Mapping[str, Description] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    final: bool = True
    """Whether a refusal is the vendor's word, or only an answer that cannot be read."""


@dataclass(frozen=True)
class Call:
    """A paid call that has not been made.

    Attributes:
        keys: what is sent: SHA-256 of files, or any names where nothing is kept.
        ceiling_each: the most that it can cost for each of them.
        send: makes the call; raises Outage or Refused.
    """

    purpose: Purpose
    model: str
    keys: tuple[str, ...]
    ceiling_each: Decimal
    currency: str
    send: Callable[[Sequence[str]], Answer]

    @property
    def ceiling(self) -> Decimal:
        return self.ceiling_each * len(self.keys)

    def run(self) -> Answer:
        return self.send(self.keys)

    def halves(self) -> list[Call]:
        """The same in two calls: of a batch, one refused picture spoils its half only."""
        middle = len(self.keys) // 2
        return [replace(self, keys=part) for part in (self.keys[:middle], self.keys[middle:])]


Keep = Callable[[Call, Answer], None]


class Cashier(Protocol):
    """Who is asked before a call and told after it."""

    def pay(self, encoder: PaidEncoder, calls: Sequence[Call], keep: Keep) -> None:
        """Make the calls and hand each answer to `keep` as soon as it is there.

        Raises:
            EncoderError: some were not made, or gave nothing that can be used.
        """


class PaidEncoder(Encoder):
    """One vector space of a vendor. Constructing it calls nobody; settings are read at each call."""

    paid = True
    vendor = ""
    key_setting = ""

    @property
    @abstractmethod
    def prices(self) -> tuple[Price, ...]:
        """Of the models that it uses."""

    @property
    @abstractmethod
    def ceiling_per_picture(self) -> Decimal:
        """The most that one picture can cost, all calls together."""

    @property
    def currency(self) -> str:
        return self.prices[0].currency

    @abstractmethod
    def problem(self) -> str:
        """What is wrong with its settings, and what to do; empty if nothing is. Calls nobody."""

    @abstractmethod
    def reach(self) -> None:
        """Ask the vendor something that costs nothing, to see that it answers and takes the key.

        Raises:
            EncoderError: it does not.
        """

    @abstractmethod
    def rounds(
        self, pictures: Mapping[str, Image.Image], known: Mapping[str, Description]
    ) -> Iterator[list[Call]]:
        """The calls that encode these pictures. Those of one round may run side by side; the next round is
        made when they have ended.

        Args:
            known: descriptions that were paid for before.
        """

    @abstractmethod
    def text_call(self, texts: Sequence[str], seconds: float) -> Call:
        """The call that encodes these texts, whose keys are their numbers, and waits for so long."""

    def encode_paid(
        self,
        pictures: Mapping[str, Image.Image],
        known: Mapping[str, Description],
        keep: Keep,
        payer: Cashier | None = None,
    ) -> None:
        """Encode pictures by key; whatever arrives is handed to `keep` before the next call is looked at.

        Args:
            payer: pays for it; by default whoever keeps the accounts.

        Raises:
            EncoderError: see `Cashier.pay`.
        """
        self._ensure_loaded()
        flat = {key: flatten(picture) for key, picture in pictures.items()}
        for calls in self.rounds(flat, known):
            (payer or cashier()).pay(self, calls, keep)

    def background_calls(self, texts: Sequence[str]) -> list[Call]:
        """The calls that encode sentences which nobody waits for; their keys are the sentences' numbers."""
        whole = self.text_call(texts, settings.SEARCH_VENDOR_TIMEOUT_SECONDS)
        parts = batches(whole.keys, self.prices[-1].batch)
        return [replace(whole, purpose=Purpose.CALIBRATE, keys=part) for part in parts]

    def encode_background(self, texts: Sequence[str], payer: Cashier) -> Vectors:
        """Encode sentences within the budget. What was paid for is kept for a month, as what people search
        with is, so that another try asks for the rest only.

        Raises:
            EncoderError: see `Cashier.pay`.
        """
        self._ensure_loaded()
        names, found = self._kept_texts(texts)
        missing = [text for text in names if names[text] not in found]
        refusals: list[str] = []

        def keep(call: Call, answer: Answer) -> None:
            arrived = _kept_form(answer, missing, names)
            cache.set_many(arrived, KEPT_QUERY_SECONDS)
            found.update(arrived)
            refusals.extend(answer.refused.values())

        if missing:
            payer.pay(self, self.background_calls(missing), keep)
        if refusals:
            raise EncoderError(refusals[0])
        return np.stack([np.frombuffer(found[names[text]], dtype="<f4") for text in texts])

    def _kept_texts(self, texts: Sequence[str]) -> tuple[dict[str, str], dict[str, bytes]]:
        """The name by which the vector of each text is kept, and those vectors that are, by name."""
        names = {text: self._cache_name("text", text) for text in texts}
        return names, cache.get_many(names.values())

    def flaw(self, answer: Answer) -> str:
        """What is wrong with the vectors of an answer, as a sentence; empty if nothing is."""
        for vector in answer.vectors.values():
            if vector.shape != (self.space.dimension,):
                return _(
                    "%(encoder)s answered with %(given)d numbers where %(expected)d were expected. Check the "
                    "model and its dimensions in the settings."
                ) % {
                    "encoder": self.space.encoder,
                    "given": vector.size,
                    "expected": self.space.dimension,
                }
            if not np.isfinite(vector).all() or not vector.any():
                return _("%(encoder)s answered with values that are no direction. Try again later.") % {
                    "encoder": self.space.encoder
                }
        return ""

    def _load(self) -> None:
        if problem := self.problem():
            raise Outage(problem)

    def _ensure_loaded(self) -> None:
        self._load()  # settings may have been put right since

    def _encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Pictures that nobody keeps, such as those that people search with."""
        found: dict[str, Vectors] = {}
        refusals: dict[str, str] = {}

        def keep(call: Call, answer: Answer) -> None:
            found.update(answer.vectors)
            refusals.update(answer.refused)

        keys = [f"{number}" for number in range(len(images))]
        self.encode_paid(dict(zip(keys, images, strict=True)), {}, keep)
        if refusals:
            raise EncoderError(next(iter(refusals.values())))
        return np.stack([found[key] for key in keys])

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        names, kept = self._kept_texts(texts)
        missing = [text for text in names if names[text] not in kept]
        if missing:
            kept |= self._ask_for_texts(missing, names)
        return np.stack([np.frombuffer(kept[names[text]], dtype="<f4") for text in texts])

    def _ask_for_texts(self, texts: Sequence[str], names: Mapping[str, str]) -> dict[str, bytes]:
        away = self._cache_name("away", "")
        if sentence := cache.get(away):
            raise Outage(sentence)
        found: dict[str, bytes] = {}

        def keep(call: Call, answer: Answer) -> None:
            if answer.refused:
                raise EncoderError(next(iter(answer.refused.values())))
            found.update(_kept_form(answer, texts, names))

        try:
            cashier().pay(self, [self.text_call(texts, settings.SEARCH_VENDOR_QUERY_SECONDS)], keep)
        except Outage as error:
            cache.set(away, str(error), AWAY_SECONDS)
            raise
        cache.set_many(found, KEPT_QUERY_SECONDS)
        return found

    def _cache_name(self, what: str, text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"search.vendor.{what}.{self.space.slug}.{digest}"


def _kept_form(answer: Answer, texts: Sequence[str], names: Mapping[str, str]) -> dict[str, bytes]:
    """The vectors of texts by the names that they are kept under."""
    vectors = answer.vectors.items()
    return {names[texts[int(key)]]: unit(vector).astype("<f4").tobytes() for key, vector in vectors}


def unit(vector: Vectors) -> Vectors:
    """The same direction at length one."""
    length = max(float(np.linalg.norm(vector)), 1e-12)
    return np.asarray(vector / length, dtype=np.float32)


def vector_of(numbers: object) -> Vectors:
    """
    Raises:
        ValueError: these are no numbers.
    """
    try:
        return np.asarray(numbers, dtype=np.float32).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError("no vector") from error


def jpeg(image: Image.Image) -> bytes:
    """The picture as it is sent; encoders look at few pixels, so that 768 of them at 90 % are enough."""
    content = BytesIO()
    image.save(content, "JPEG", quality=90)
    return content.getvalue()


def data_uri(image: Image.Image) -> str:
    """The picture in an address, as APIs take it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(image)).decode()}"


def batches(keys: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """The keys in parts of at most `size`."""
    for start in range(0, len(keys), size):
        yield tuple(keys[start : start + size])


def shortened(words: object, length: int = 300) -> str:
    """A vendor's own words in one line, without what looks like a key."""
    line = " ".join(str(words or "").split()).rstrip(".")
    for name in ("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "GEMINI_API_KEY"):
        if key := getattr(settings, name):
            line = line.replace(key, "…")
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def seconds_of(header: object) -> float | None:
    """The seconds of a header Retry-After; None where it holds none."""
    text = str(header or "")
    return float(text) if text.isdecimal() else None


class _NoAccounts:
    """Where Django's apps are not loaded nobody keeps accounts."""

    def pay(self, encoder: PaidEncoder, calls: Sequence[Call], keep: Keep) -> None:
        for call in calls:
            keep(call, call.run())


_cashier: Cashier = _NoAccounts()


def cashier() -> Cashier:
    return _cashier


def set_cashier(chosen: Cashier) -> None:
    """`search.apps` names the one that keeps accounts."""
    global _cashier
    _cashier = chosen

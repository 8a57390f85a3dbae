"""Vendors' models that place pictures and texts in one space by themselves, several of them a call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial

from PIL import Image

from search.encoders.base import SpaceSpec
from search.encoders.paid import Answer, Call, Description, PaidEncoder, Purpose, batches
from search.encoders.prices import Price, price_of

QUERY_TOKENS = 1_200


class EmbeddingModelEncoder(PaidEncoder):
    """`FAMILY`, or `FAMILY:MODEL`; a vendor says where its settings are and how a call is made."""

    family = ""

    def __init__(self, argument: str = "") -> None:
        super().__init__()
        self.model = argument or self.default_model

    @property
    @abstractmethod
    def default_model(self) -> str:
        """The model of the settings."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Of the vectors, by the settings."""

    @abstractmethod
    def embed_pictures(self, keys: Sequence[str], pictures: Sequence[Image.Image]) -> Answer:
        """One call; raises as `Call.send` does."""

    @abstractmethod
    def embed_texts(self, keys: Sequence[str], texts: Sequence[str], seconds: float) -> Answer:
        """One call, which waits for so long; raises as `Call.send` does."""

    @property
    def space(self) -> SpaceSpec:
        return SpaceSpec(encoder=f"{self.family}:{self.model}", weights=self.model, dimension=self.dimension)

    @property
    def prices(self) -> tuple[Price, ...]:
        return (price_of(self.model, self.family),)

    @property
    def ceiling_per_picture(self) -> Decimal:
        price = self.prices[0]
        return price.cost(pictures=price.picture_tokens)

    def rounds(
        self, pictures: Mapping[str, Image.Image], known: Mapping[str, Description]
    ) -> Iterator[list[Call]]:
        def send(keys: Sequence[str]) -> Answer:
            return self.embed_pictures(keys, [pictures[key] for key in keys])

        call = partial(
            Call, Purpose.EMBED, self.model, ceiling_each=self.ceiling_per_picture, currency=self.currency,
            send=send,
        )  # fmt: skip
        yield [call(keys) for keys in batches(list(pictures), self.prices[0].batch)]

    def text_call(self, texts: Sequence[str], seconds: float) -> Call:
        def send(keys: Sequence[str]) -> Answer:
            return self.embed_texts(keys, [texts[int(key)] for key in keys], seconds)

        keys = tuple(str(number) for number in range(len(texts)))
        ceiling = self.prices[0].cost(words=QUERY_TOKENS)
        return Call(Purpose.QUERY, self.model, keys, ceiling, self.currency, send)

"""`openai`: a vision model puts the picture into words, and an embedding model places the words.

Names of fields and errors are those of the openai package 3.57: openai/_exceptions.py,
types/chat/chat_completion.py, types/create_embedding_response.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from search.encoders.base import SpaceSpec
from search.encoders.paid import (
    Answer,
    Call,
    Description,
    Outage,
    PaidEncoder,
    Purpose,
    Refused,
    batches,
    data_uri,
    seconds_of,
    shortened,
    unit,
    vector_of,
)
from search.encoders.prices import Price, price_of
from search.encoders.vendor_settings import connection_problem

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

# Raised with every change of the prompt or of what is embedded: other words are another space.
PROMPT_VERSION = 1
PROMPT = (
    "Describe this picture for people who search a library of pictures and for people who cannot see it. "
    "Name what is shown, its material, cut, colours, pattern and setting, and any text in it, as far as they "
    "can be seen; guess nothing, name no person. Write each in English and in simplified Chinese: a short "
    "alternative text of at most 120 characters, and a description of two to four sentences."
)
PROMPT_TOKENS = 400
MOST_WRITTEN_TOKENS = 1_200
MOST_EMBEDDED_TOKENS = 1_200
QUERY_TOKENS = 1_200
# openai error codes about what was sent, whatever else is right.
_ABOUT_CONTENT = ("content_filter", "content_policy_violation", "moderation_blocked")

_making = threading.Lock()


class _Words(BaseModel):
    """What the vision model is asked to fill in."""

    alt_text: str = Field(min_length=1, max_length=500)
    alt_text_zh: str = Field(min_length=1, max_length=500)
    description: str = Field(min_length=1, max_length=4_000)
    description_zh: str = Field(min_length=1, max_length=4_000)


class OpenAIEncoder(PaidEncoder):
    """`openai`, or `openai:VISION_MODEL/EMBEDDING_MODEL`."""

    vendor = "OpenAI"
    key_setting = "OPENAI_API_KEY"

    def __init__(self, argument: str = "") -> None:
        super().__init__()
        vision, _slash, embedding = argument.partition("/")
        self.vision_model = vision or settings.OPENAI_VISION_MODEL
        self.embedding_model = embedding or settings.OPENAI_EMBEDDING_MODEL

    @property
    def space(self) -> SpaceSpec:
        return SpaceSpec(
            encoder=f"openai:{self.vision_model}/{self.embedding_model}",
            weights=f"{self.vision_model}, {self.embedding_model}, prompt {PROMPT_VERSION}",
            dimension=settings.OPENAI_EMBEDDING_DIMENSIONS,
        )

    @property
    def describes_with(self) -> str:
        """What a kept description is known by, beside the file."""
        return f"{self.vision_model}, prompt {PROMPT_VERSION}"

    @property
    def prices(self) -> tuple[Price, ...]:
        return price_of(self.vision_model, "openai"), price_of(self.embedding_model, "openai-embeddings")

    @property
    def ceiling_per_picture(self) -> Decimal:
        return self._describing_ceiling + self._embedding_ceiling

    @property
    def _describing_ceiling(self) -> Decimal:
        price = self.prices[0]
        return price.cost(words=PROMPT_TOKENS, pictures=price.picture_tokens, output=MOST_WRITTEN_TOKENS)

    @property
    def _embedding_ceiling(self) -> Decimal:
        return self.prices[1].cost(words=MOST_EMBEDDED_TOKENS)

    def problem(self) -> str:
        return connection_problem("OPENAI_API_KEY", "OPENAI_BASE_URL", "platform.openai.com")

    def reach(self) -> None:
        client = self._client().with_options(timeout=settings.SEARCH_VENDOR_QUERY_SECONDS)
        for model in (self.vision_model, self.embedding_model):
            self._asked(partial(client.models.retrieve, model), model)

    def rounds(
        self, pictures: Mapping[str, Image.Image], known: Mapping[str, Description]
    ) -> Iterator[list[Call]]:
        described = {key: known[key] for key in pictures if key in known}

        def describe(keys: Sequence[str]) -> Answer:
            answer = self._describe(keys[0], pictures[keys[0]])
            described.update(answer.descriptions)
            return answer

        def embed(keys: Sequence[str]) -> Answer:
            return self._embed({key: _embedded_words(described[key]) for key in keys}, self._seconds)

        describing = partial(
            Call, Purpose.DESCRIBE, self.vision_model, ceiling_each=self._describing_ceiling,
            currency=self.currency, send=describe,
        )  # fmt: skip
        yield [describing((key,)) for key in pictures if key not in known]
        embedding = partial(
            Call, Purpose.EMBED, self.embedding_model, ceiling_each=self._embedding_ceiling,
            currency=self.currency, send=embed,
        )  # fmt: skip
        yield [embedding(keys) for keys in batches(list(described), self.prices[1].batch)]

    def text_call(self, texts: Sequence[str], seconds: float) -> Call:
        def send(keys: Sequence[str]) -> Answer:
            return self._embed({key: texts[int(key)] for key in keys}, seconds)

        keys = tuple(str(number) for number in range(len(texts)))
        ceiling = self.prices[1].cost(words=QUERY_TOKENS)
        return Call(Purpose.QUERY, self.embedding_model, keys, ceiling, self.currency, send)

    # --- The calls -------------------------------------------------------------------------------

    @property
    def _seconds(self) -> float:
        return float(settings.SEARCH_VENDOR_TIMEOUT_SECONDS)

    def _client(self) -> OpenAI:
        with _making:  # of two clients made at once one would be collected, and close under its call
            return _client(settings.OPENAI_API_KEY.strip(), settings.OPENAI_BASE_URL.strip())

    def _describe(self, key: str, picture: Image.Image) -> Answer:
        parts = [
            {"type": "text", "text": PROMPT},
            {"type": "image_url", "image_url": {"url": data_uri(picture)}},
        ]
        schema = {"name": "description", "strict": True, "schema": _strict(_Words.model_json_schema())}
        client = self._client().with_options(
            timeout=self._seconds, max_retries=settings.SEARCH_VENDOR_RETRIES
        )
        create = partial(
            client.chat.completions.create,
            model=self.vision_model,
            messages=[{"role": "user", "content": parts}],
            response_format={"type": "json_schema", "json_schema": schema},
            max_completion_tokens=MOST_WRITTEN_TOKENS,
        )
        completion = self._asked(create, self.vision_model)
        usage = getattr(completion, "usage", None)
        price = self.prices[0]
        if usage is None:
            amount, tokens = self._describing_ceiling, 0
        else:
            amount = price.cost(pictures=usage.prompt_tokens, output=usage.completion_tokens)
            tokens = usage.total_tokens
        answer = partial(Answer, amount=amount, tokens=tokens)
        words, refusal, final = _words_of(completion)
        if words is None:
            return answer(refused={key: refusal}, final=final)
        return answer(descriptions={key: Description(**words.model_dump())})

    def _embed(self, texts: Mapping[str, str], seconds: float) -> Answer:
        client = self._client().with_options(timeout=seconds, max_retries=settings.SEARCH_VENDOR_RETRIES)
        create = partial(
            client.embeddings.create,
            model=self.embedding_model,
            input=list(texts.values()),
            dimensions=self.space.dimension,
            encoding_format="float",
        )
        answer = self._asked(create, self.embedding_model)
        rows = sorted(getattr(answer, "data", None) or [], key=lambda row: row.index)
        usage = getattr(answer, "usage", None)
        tokens = usage.total_tokens if usage else 0
        price = self.prices[1]
        amount = price.cost(words=tokens) if usage else price.cost(words=MOST_EMBEDDED_TOKENS * len(texts))
        try:
            vectors = [unit(vector_of(row.embedding)) for row in rows]
        except ValueError:
            vectors = []
        if len(vectors) != len(texts):
            raise Outage(self._not_understood(), maybe_charged=True)
        return Answer(amount, tokens, dict(zip(texts, vectors, strict=True)))

    def _asked(self, ask: Any, model: str) -> Any:
        """
        Raises:
            Outage: for all pictures alike.
            Refused: on grounds of what was sent.
        """
        import openai

        try:
            return ask()
        except openai.APITimeoutError as error:
            raise Outage(_("OpenAI did not answer in time."), maybe_charged=True) from error
        except openai.APIStatusError as error:
            raise _translated(error, model) from None  # its text may hold part of the key
        except openai.APIConnectionError as error:
            lost = not isinstance(error.__cause__, httpx2.ConnectError)
            sentence = _("OpenAI cannot be reached. Check the network and OPENAI_BASE_URL.")
            raise Outage(sentence, maybe_charged=lost) from error
        except (openai.OpenAIError, ValidationError, ValueError) as error:
            raise Outage(self._not_understood(), maybe_charged=True) from error

    def _not_understood(self) -> str:
        return _("OpenAI's answer cannot be read. Check that OPENAI_BASE_URL leads to its API.")


def _embedded_words(description: Description) -> str:
    return "\n".join(
        (
            description.alt_text,
            description.description,
            description.alt_text_zh,
            description.description_zh,
        )
    )


@lru_cache(maxsize=4)
def _client(key: str, base_url: str) -> OpenAI:
    """The client keeps its connections. The package is imported at the first call: that takes a second."""
    from openai import OpenAI

    return OpenAI(api_key=key, base_url=base_url or "https://api.openai.com/v1")


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as “strict” takes it: no other fields, no bounds on lengths."""
    fields = {name: {"type": "string"} for name in schema["properties"]}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _words_of(completion: Any) -> tuple[_Words | None, str, bool]:
    """The description; or why there is none, and whether that is the vendor's last word."""
    choices = getattr(completion, "choices", None) or []
    message = choices[0].message if choices else None
    if message is not None and message.refusal:
        return None, _("OpenAI refused to describe it: %(words)s.") % {
            "words": shortened(message.refusal)
        }, True  # fmt: skip
    if choices and choices[0].finish_reason == "content_filter":
        return None, _("OpenAI's filters held the description back."), True
    try:
        return _Words.model_validate_json((message and message.content) or ""), "", True
    except ValidationError:
        sentence = _("OpenAI answered with no description that can be read. “Index again” asks once more.")
        return None, sentence, False


def _translated(error: APIStatusError, model: str) -> Outage | Refused:
    """The API's error as one of ours, with what to do about it."""
    code = str(error.code or "")
    after = seconds_of(error.response.headers.get("retry-after"))
    named = {"model": model, "code": error.status_code, "message": shortened(error.message)}
    if error.status_code in (401, 403):
        return Outage(_("OpenAI does not accept the key. Check OPENAI_API_KEY and what it may use."))
    if code in ("insufficient_quota", "billing_hard_limit_reached"):
        return Outage(_("The quota of the OpenAI account is used up. Add credit there, or raise its limit."))
    if error.status_code == 429:
        return Outage(_("OpenAI's rate limit is reached."), retry_after=after)
    if error.status_code >= 500 or error.status_code in (408, 409):
        return Outage(_("OpenAI failed (%(code)s).") % named, retry_after=after)
    if error.status_code == 404:
        return Outage(
            _(
                "OpenAI has no model “%(model)s”. Set OPENAI_VISION_MODEL and OPENAI_EMBEDDING_MODEL to "
                "current ones."
            )
            % named
        )
    about_picture = code.startswith(("image", "invalid_image")) or str(error.param or "").startswith(
        ("messages", "input")
    )
    if code in _ABOUT_CONTENT or about_picture:
        return Refused(_("OpenAI does not take this picture: %(message)s.") % named)
    return Outage(_("OpenAI refused the request (%(code)s): %(message)s.") % named)

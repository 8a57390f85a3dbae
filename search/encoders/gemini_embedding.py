"""`gemini`: Google's multimodal embedding model through google-genai's `embed_content`.

Names of fields and errors are those of google-genai 3.4: google/genai/types.py, errors.py, models.py.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _
from google import genai
from google.genai import errors, types
from PIL import Image
from pydantic import ValidationError

from search.encoders.embedding_models import QUERY_TOKENS, EmbeddingModelEncoder
from search.encoders.paid import (
    Answer,
    Outage,
    Refused,
    jpeg,
    seconds_of,
    shortened,
    unit,
    vector_of,
)
from search.encoders.vendor_settings import connection_problem

# How gemini-embedding-2 is told what a text is for; it knows no `task_type`.
QUERY = "task: search result | query: {}"

_making = threading.Lock()


class GeminiEncoder(EmbeddingModelEncoder):
    """`gemini`, or `gemini:MODEL`."""

    vendor = "Gemini"
    key_setting = "GEMINI_API_KEY"
    family = "gemini"

    @property
    def default_model(self) -> str:
        return str(settings.GEMINI_EMBEDDING_MODEL)

    @property
    def dimension(self) -> int:
        return int(settings.GEMINI_EMBEDDING_DIMENSIONS)

    def problem(self) -> str:
        return connection_problem("GEMINI_API_KEY", "GEMINI_BASE_URL", "Google AI Studio")

    def reach(self) -> None:
        config = types.GetModelConfig(http_options=_options(settings.SEARCH_VENDOR_QUERY_SECONDS))
        self._asked(partial(self._client().models.get, model=self.model, config=config))

    def embed_pictures(self, keys: Sequence[str], pictures: Sequence[Image.Image]) -> Answer:
        parts = [types.Part.from_bytes(data=jpeg(picture), mime_type="image/jpeg") for picture in pictures]
        return self._embed(keys, parts, settings.SEARCH_VENDOR_TIMEOUT_SECONDS, as_pictures=True)

    def embed_texts(self, keys: Sequence[str], texts: Sequence[str], seconds: float) -> Answer:
        parts = [types.Part.from_text(text=QUERY.format(text)) for text in texts]
        return self._embed(keys, parts, seconds, as_pictures=False)

    def _client(self) -> genai.Client:
        with _making:  # of two clients made at once one would be collected, and close under its call
            return _client(settings.GEMINI_API_KEY.strip(), settings.GEMINI_BASE_URL.strip())

    def _embed(
        self, keys: Sequence[str], parts: Sequence[types.Part], seconds: float, *, as_pictures: bool
    ) -> Answer:
        # One content each: parts of one content would be melted into one vector.
        contents: list[Any] = [types.Content(role="user", parts=[part]) for part in parts]
        config = types.EmbedContentConfig(
            output_dimensionality=self.space.dimension, http_options=_options(seconds)
        )
        ask = partial(self._client().models.embed_content, model=self.model, contents=contents, config=config)
        answer = self._asked(ask)
        try:
            vectors = [unit(vector_of(one.values)) for one in answer.embeddings or []]
        except ValueError:
            vectors = []
        if len(vectors) != len(keys):
            raise Outage(_not_understood(), maybe_charged=True)
        amount, tokens = self._cost(answer.usage_metadata, len(keys), as_pictures)
        return Answer(amount, tokens, dict(zip(keys, vectors, strict=True)))

    def _cost(self, usage: types.UsageMetadata | None, count: int, as_pictures: bool) -> tuple[Decimal, int]:
        """By the tokens that the answer names; by the table where it names none."""
        price = self.prices[0]
        tokens = (usage.prompt_token_count or 0) if usage else 0
        if not tokens:
            each = self.ceiling_per_picture if as_pictures else price.cost(words=QUERY_TOKENS)
            return each * count, 0
        return price.cost(pictures=tokens) if as_pictures else price.cost(words=tokens), tokens

    def _asked(self, ask: Any) -> Any:
        """
        Raises:
            Outage: for all pictures alike.
            Refused: on grounds of what was sent.
        """
        try:
            return ask()
        except errors.APIError as error:
            raise _translated(error, self.model) from None  # its text may hold the key
        except (errors.UnknownApiResponseError, json.JSONDecodeError, ValidationError) as error:
            raise Outage(_not_understood(), maybe_charged=True) from error
        except httpx2.TimeoutException as error:
            raise Outage(_("Gemini did not answer in time."), maybe_charged=True) from error
        except httpx2.RequestError as error:
            lost = not isinstance(error, httpx2.ConnectError)
            sentence = _("Gemini cannot be reached. Check the network and GEMINI_BASE_URL.")
            raise Outage(sentence, maybe_charged=lost) from error


@lru_cache(maxsize=4)
def _client(key: str, base_url: str) -> genai.Client:
    """The client keeps its connections."""
    return genai.Client(
        vertexai=False,  # whatever GOOGLE_GENAI_USE_VERTEXAI says
        api_key=key,
        http_options=types.HttpOptions(base_url=base_url or None),
    )


def _options(seconds: float) -> types.HttpOptions:
    return types.HttpOptions(
        timeout=int(seconds * 1000),  # milliseconds
        retry_options=types.HttpRetryOptions(attempts=settings.SEARCH_VENDOR_RETRIES + 1),
    )


def _not_understood() -> str:
    return _("Gemini's answer cannot be read. Check that GEMINI_BASE_URL leads to its API.")


def _translated(error: errors.APIError, model: str) -> Outage | Refused:
    """The API's error as one of ours, with what to do about it."""
    said = error.message or ""
    named = {"model": model, "code": error.code, "message": shortened(said)}
    if error.code == 429 and re.search(r"\blimit: 0\b", said):
        return Outage(_("This key has no quota for %(model)s. Turn billing on in Google AI Studio.") % named)
    if error.code == 429:
        return Outage(_("Gemini's rate limit or quota is reached."), retry_after=_retry_after(error))
    if error.code >= 500 or error.code == 408:
        return Outage(_("Gemini failed (%(code)s).") % named, retry_after=_retry_after(error))
    if error.code in (401, 403) or "API key" in said:
        return Outage(_("Gemini does not accept the key. Check GEMINI_API_KEY."))
    if error.code == 404:
        return Outage(
            _("Gemini has no model “%(model)s”. Set GEMINI_EMBEDDING_MODEL to a current one.") % named
        )
    if re.search(r"image|safety|blocked|prohibited|content", said, re.IGNORECASE):
        return Refused(_("Gemini does not take this picture: %(message)s.") % named)
    return Outage(_("Gemini refused the request (%(code)s): %(message)s.") % named)


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds from google.rpc.RetryInfo (“12.5s”, https://google.aip.dev/194) or the header Retry-After."""
    body = error.details.get("error") if isinstance(error.details, Mapping) else None
    for detail in (body.get("details") if isinstance(body, Mapping) else None) or []:
        delay = str(detail.get("retryDelay", "")) if isinstance(detail, Mapping) else ""
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay):
            return float(found.group(1))
    headers = getattr(error.response, "headers", None) or {}
    return seconds_of(headers.get("retry-after"))

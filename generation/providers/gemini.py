"""`gemini`: Google's picture models through google-genai, one `generate_content` call a picture."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types
from PIL import Image

from generation.providers.base import (
    Blocked,
    Capability,
    Provider,
    ProviderInput,
    ProviderRequest,
    ProviderResult,
    Refused,
    Transient,
)
from generation.providers.prices import gemini_price

ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
SIZES = ("1K", "2K", "4K")
MAX_INPUTS = 10
# Inline data of one request: the API takes 20 MB in all, base64 included.
INLINE_BYTES = 14_000_000
SHRUNK_EDGE = 1280

# Final by the API's reference (types.FinishReason of google-genai): the same request ends the same way.
BLOCKING = {
    "SAFETY",
    "IMAGE_SAFETY",
    "PROHIBITED_CONTENT",
    "IMAGE_PROHIBITED_CONTENT",
    "RECITATION",
    "IMAGE_RECITATION",
    "BLOCKLIST",
    "SPII",
    "MODEL_ARMOR",
}


class GeminiProvider(Provider):
    """Options come from the environment; see .env.example. Retrying is the caller's: the queue knows
    budget and rate limits, the client does not.
    """

    name = "gemini"

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout_seconds: int) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: genai.Client | None = None

    @property
    def capability(self) -> Capability:
        price = gemini_price(self._model)
        return Capability(
            roles=frozenset(
                ("model", "garment", "accessory", "product", "character", "prop", "scene", "reference")
            ),
            max_inputs=MAX_INPUTS,
            aspect_ratios=ASPECT_RATIOS,
            price_per_picture=price.per_picture,
            currency="USD",
            price_as_of=price.as_of,
            price_source=price.source,
            seconds_per_picture=12.0,
            parallel_calls=4,
            makes_photographs=True,
        )

    def check(self) -> str | None:
        if not self._api_key:
            return "The provider “gemini” has no key. Set GEMINI_API_KEY (Google AI Studio gives one)."
        return None

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One call, one picture.

        Raises:
            Blocked: the prompt or the picture was refused on grounds of content.
            Transient: 429 (with the wait that the API asks for), 5xx, time-out, lost connection.
            Refused: wrong key, unknown model, bad argument, or an answer without a picture.
        """
        problem = self.check()
        if problem:
            raise Refused(problem)
        try:
            answer = self._connected().models.generate_content(
                model=self._model, contents=_contents(request), config=_config(request.parameters)
            )
        except errors.APIError as error:
            raise _translated(error, self._model) from error
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise Transient(f"Gemini did not answer within {self._timeout_seconds} s.") from error
        except (httpx2.TransportError, ConnectionError) as error:
            raise Transient(f"The connection to Gemini was lost: {error}.") from error
        return self._result(answer)

    def _connected(self) -> genai.Client:
        with self._lock:
            if self._client is None:
                self._client = genai.Client(
                    api_key=self._api_key,
                    http_options=types.HttpOptions(
                        base_url=self._base_url or None,
                        timeout=self._timeout_seconds * 1000,  # milliseconds
                        retry_options=types.HttpRetryOptions(attempts=1),
                    ),
                )
            return self._client

    def _result(self, answer: types.GenerateContentResponse) -> ProviderResult:
        feedback = answer.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            said = f" ({feedback.block_reason_message})" if feedback.block_reason_message else ""
            raise Blocked(f"Gemini refused the prompt: {feedback.block_reason.value}{said}.")
        if not answer.candidates:
            raise Refused("Gemini answered without a result.")
        candidate = answer.candidates[0]
        parts = (candidate.content.parts if candidate.content else None) or []
        words = " ".join(part.text for part in parts if part.text and not part.thought).strip()
        pictures = [part.inline_data for part in parts if part.inline_data is not None and not part.thought]
        if not pictures or pictures[-1].data is None:
            raise _without_picture(candidate, words)
        data = pictures[-1].data
        return ProviderResult(
            image=data,
            mime=_mime_of(data),
            model=answer.model_version or self._model,
            cost=self._cost(answer.usage_metadata),
            currency="USD",
            details={
                "text": words,
                "finish_reason": candidate.finish_reason.value if candidate.finish_reason else "",
                "response_id": answer.response_id or "",
                "usage": answer.usage_metadata.model_dump(mode="json", exclude_none=True)
                if answer.usage_metadata
                else {},
            },
        )

    def _cost(self, usage: types.GenerateContentResponseUsageMetadata | None) -> Decimal:
        """By the tokens that the answer names; by the table's estimate where it names none."""
        price = gemini_price(self._model)
        if usage is None or not usage.candidates_token_count:
            return price.per_picture
        output = usage.candidates_token_count + (usage.thoughts_token_count or 0)
        return (
            output * price.per_million_output_tokens
            + (usage.prompt_token_count or 0) * price.per_million_input_tokens
        ) / 1_000_000


def _contents(request: ProviderRequest) -> list[types.Part]:
    """Each picture after a line that names its role, then the prompt."""
    pictures = [_inline(given) for given in request.inputs]
    if sum(len(data) for data, _mime in pictures) > INLINE_BYTES:
        pictures = [_shrunk(data) for data, _mime in pictures]
    parts: list[types.Part] = []
    for number, (given, (data, mime)) in enumerate(zip(request.inputs, pictures, strict=True), start=1):
        title = given.title or given.title_zh
        parts.append(types.Part.from_text(text=f"Picture {number}, {given.role}: {title}".rstrip(": ")))
        parts.append(types.Part.from_bytes(data=data, mime_type=mime))
    parts.append(types.Part.from_text(text=request.prompt))
    return parts


def _inline(given: ProviderInput) -> tuple[bytes, str]:
    return given.read(), given.mime


def _shrunk(data: bytes) -> tuple[bytes, str]:
    with Image.open(BytesIO(data)) as image:
        image.thumbnail((SHRUNK_EDGE, SHRUNK_EDGE))
        content = BytesIO()
        image.save(content, "WEBP", quality=88)
    return content.getvalue(), "image/webp"


def _config(parameters: Mapping[str, Any]) -> types.GenerateContentConfig:
    """Only what the Gemini API takes: it refuses `output_mime_type` and `person_generation`
    (`_ImageConfig_to_mldev` in google/genai/models.py).
    """
    ratio, size = parameters.get("aspect_ratio"), parameters.get("image_size")
    if ratio and ratio not in ASPECT_RATIOS:
        raise Refused(f"Gemini has no aspect ratio “{ratio}”; choose one of {', '.join(ASPECT_RATIOS)}.")
    if size and size not in SIZES:
        raise Refused(f"Gemini has no picture size “{size}”; choose one of {', '.join(SIZES)}.")
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=ratio, image_size=size) if ratio or size else None,
        seed=parameters.get("seed"),
    )


def _translated(error: errors.APIError, model: str) -> Blocked | Transient | Refused:
    """The API's error as one of ours, with what to do about it."""
    message = (error.message or str(error)).strip().rstrip(".")
    if error.code == 429:
        return Transient(f"Gemini's rate limit is reached: {message}.", retry_after=_retry_after(error))
    if error.code >= 500 or error.code == 408:
        return Transient(f"Gemini failed ({error.code}): {message}.", retry_after=_retry_after(error))
    if error.code in (401, 403) or "API key" in message:
        return Refused(f"Gemini does not accept the key: {message}. Check GEMINI_API_KEY.")
    if error.code == 404:
        return Refused(f"Gemini has no model “{model}”: {message}. Set GEMINI_IMAGE_MODEL to a current one.")
    return Refused(f"Gemini refused the request ({error.code}): {message}.")


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds from google.rpc.RetryInfo (https://google.aip.dev/194), or from the header Retry-After."""
    body = error.details if isinstance(error.details, dict) else {}
    for detail in body.get("error", {}).get("details", []):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            seconds = re.fullmatch(r"([\d.]+)s", str(detail.get("retryDelay", "")))
            if seconds:
                return float(seconds.group(1))
    headers = getattr(error.response, "headers", None) or {}
    after = str(headers.get("retry-after", ""))
    return float(after) if after.isdigit() else None


def _without_picture(candidate: types.Candidate, words: str) -> Blocked | Refused:
    reason = candidate.finish_reason.value if candidate.finish_reason else "no reason given"
    said = candidate.finish_message or words
    quoted = f" It said: “{said[:300]}”" if said else ""
    if reason in BLOCKING:
        return Blocked(f"Gemini blocked the picture: {reason}.{quoted}")
    return Refused(f"Gemini answered without a picture ({reason}).{quoted}")


def _mime_of(data: bytes) -> str:
    """The type by content.

    Raises:
        Transient: the bytes are no picture; the next answer may be whole.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return Image.MIME.get(image.format or "", "image/png")
    except (OSError, ValueError, SyntaxError) as error:
        raise Transient("Gemini answered with a damaged picture.") from error

"""`gemini`: Google's picture models through google-genai, one `generate_content` call a picture.

Names of fields and errors are those of google-genai 3.4: google/genai/types.py, errors.py, models.py.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from google import genai
from google.genai import errors, types
from PIL import Image
from pydantic import ValidationError

from generation.providers.base import (
    Blocked,
    Capability,
    Provider,
    ProviderError,
    ProviderInput,
    ProviderRequest,
    ProviderResult,
    Refused,
    Transient,
)
from generation.providers.gemini_models import CURRENCY, picture_model

ROLES = frozenset(("model", "garment", "accessory", "product", "character", "prop", "scene", "reference"))
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
# One request holds 20 MB with its inline data, which base64 makes a third longer.
INLINE_BYTES = 14_000_000
SMALLER_EDGES = (1600, 1280, 1024, 768)
KEPT_SIGNATURE_BYTES = 8_192

# types.FinishReason: what the filters say; the same request meets them again. The client drops the
# API's own `finishMessage` (`_Candidate_from_mldev` in models.py), so the words are ours.
_FILTERS = {
    "SAFETY": _lazy("the answer may break the safety policies"),
    "PROHIBITED_CONTENT": _lazy("the answer may hold prohibited content"),
    "RECITATION": _lazy("the answer may copy a protected work"),
    "BLOCKLIST": _lazy("the answer holds a word of a blocklist"),
    "SPII": _lazy("the answer may hold sensitive personal data"),
    "MODEL_ARMOR": _lazy("Model Armor stopped it"),
    "ESCALATION": _lazy("an escalation rule stopped it"),
    "IMAGE_SAFETY": _lazy("the picture may break the safety policies"),
    "IMAGE_PROHIBITED_CONTENT": _lazy("the picture may show prohibited content"),
    "IMAGE_RECITATION": _lazy("the picture may copy a protected work"),
}


class GeminiProvider(Provider):
    """Calls once and never repeats a call: the queue does, which knows budget and rate limits."""

    name = "gemini"

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout_seconds: int) -> None:
        self._api_key = api_key.strip()
        self._base_url = base_url.strip()
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: genai.Client | None = None

    @property
    def capability(self) -> Capability:
        known = picture_model(self._model)
        return Capability(
            roles=ROLES,
            max_inputs=known.max_inputs,
            aspect_ratios=ASPECT_RATIOS,
            price_per_picture=known.price_per_picture,
            currency=CURRENCY,
            price_as_of=known.as_of,
            price_source=known.source,
            seconds_per_picture=12.0,
            parallel_calls=4,
            makes_photographs=True,
        )

    def check(self) -> str | None:
        if not self._api_key:
            return _("The provider “gemini” has no key. Set GEMINI_API_KEY (Google AI Studio gives one).")
        if not re.fullmatch(r"[!-~]+", self._api_key):
            return _("GEMINI_API_KEY holds characters that no key has. Copy it again from Google AI Studio.")
        if self._base_url and not re.match(r"https?://.", self._base_url):
            return _("GEMINI_BASE_URL is no address: “%(url)s”. It begins with https://.") % {
                "url": self._base_url
            }
        return None

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One call, one picture.

        Raises:
            Blocked: the prompt or the picture was refused on grounds of content.
            Transient: 429 (with the wait that the API asks for), 5xx, time-out, lost connection.
            Refused: wrong key, unknown model, bad argument, or an answer without a usable picture.
        """
        if problem := self.check():
            raise Refused(problem)
        config = _config(request.parameters, self._model)
        return self._result(self._call(_contents(request), config))

    def _call(
        self, contents: Sequence[types.Part], config: types.GenerateContentConfig
    ) -> types.GenerateContentResponse:
        try:
            return self._connected().models.generate_content(
                model=self._model, contents=types.Content(role="user", parts=list(contents)), config=config
            )
        except errors.APIError as error:
            raise _translated(error, self._model) from error
        except (errors.UnknownApiResponseError, json.JSONDecodeError) as error:
            raise Refused(
                _("What answers at %(host)s does not speak the Gemini API. Check GEMINI_BASE_URL.")
                % {"host": urlsplit(self._base_url).netloc or "generativelanguage.googleapis.com"}
            ) from error
        except ValidationError as error:  # data that is no base64, a field of the wrong type
            raise Refused(_("Gemini's answer is damaged."), cost=self._estimate) from error
        except httpx2.TimeoutException as error:
            raise Transient(
                _("Gemini did not answer within %(seconds)s s.") % {"seconds": self._timeout_seconds}
            ) from error
        except httpx2.RequestError as error:
            raise Transient(_("The connection to Gemini failed: %(reason)s") % {"reason": error}) from error

    def _connected(self) -> genai.Client:
        """The client, made at the first call: after any fork, and not where nothing is generated."""
        with self._lock:
            if self._client is None:
                self._client = genai.Client(
                    vertexai=False,  # whatever GOOGLE_GENAI_USE_VERTEXAI says
                    api_key=self._api_key,
                    http_options=types.HttpOptions(
                        base_url=self._base_url or None,
                        timeout=self._timeout_seconds * 1000,  # milliseconds
                        retry_options=types.HttpRetryOptions(attempts=1),
                    ),
                )
            return self._client

    @property
    def _estimate(self) -> Decimal:
        return picture_model(self._model).price_per_picture

    def _result(self, answer: types.GenerateContentResponse) -> ProviderResult:
        candidate = _candidate(answer)
        parts = (candidate.content.parts if candidate.content else None) or []
        words = " ".join(part.text for part in parts if part.text and not part.thought).strip()
        # Drafts that the model made while thinking come first and are marked as thoughts.
        finished = [part for part in parts if part.inline_data and part.inline_data.data and not part.thought]
        if not finished:
            raise _without_picture(candidate, words, self._cost(answer.usage_metadata, pictures=0))
        picture = finished[0]
        cost = self._cost(answer.usage_metadata, pictures=len(finished))
        data = picture.inline_data.data if picture.inline_data else None
        mime = _mime_of(data or b"")
        if data is None or mime is None:
            raise Refused(_("Gemini answered with a damaged picture."), cost=cost)
        return ProviderResult(
            image=data,
            mime=mime,
            model=answer.model_version or self._model,
            cost=cost,
            currency=CURRENCY,
            details=dict(_details(answer, candidate, picture, words, len(finished))),
        )

    def _cost(self, usage: types.GenerateContentResponseUsageMetadata | None, *, pictures: int) -> Decimal:
        """By the tokens that the answer names; by the table where it names none."""
        known = picture_model(self._model)
        if usage is None:
            return known.price_per_picture * pictures
        written = usage.candidates_token_count or 0
        by_kind = {
            detail.modality: detail.token_count or 0 for detail in usage.candidates_tokens_details or []
        }
        drawn = by_kind.get(types.MediaModality.IMAGE)
        if drawn is None:
            drawn = (
                min(written, known.picture_tokens * pictures) if written else known.picture_tokens * pictures
            )
        return known.cost(
            picture_tokens=drawn,
            text_tokens=max(0, written - drawn) + (usage.thoughts_token_count or 0),
            input_tokens=usage.prompt_token_count or 0,
        )


# --- The request -------------------------------------------------------------------------------


def _contents(request: ProviderRequest) -> list[types.Part]:
    """Each picture after a line that numbers it as the prompt does, then the prompt."""
    pictures = _within_limit([(given.read(), given.mime) for given in request.inputs])
    chinese = request.parameters.get("language") == "zh"
    parts: list[types.Part] = []
    for number, (given, (data, mime)) in enumerate(zip(request.inputs, pictures, strict=True), start=1):
        parts.append(types.Part.from_text(text=_label(number, given, chinese=chinese)))
        parts.append(types.Part.from_bytes(data=data, mime_type=mime))
    parts.append(types.Part.from_text(text=request.prompt))
    return parts


def _label(number: int, given: ProviderInput, *, chinese: bool) -> str:
    if chinese:
        title = given.title_zh or given.title
        return f"图{number}：{title}" if title else f"图{number}"
    title = given.title or given.title_zh
    return f"Picture {number}, {given.role}: {title}" if title else f"Picture {number}, {given.role}"


def _within_limit(pictures: list[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """The pictures, made smaller together until one request holds them."""
    sent = pictures
    for edge in SMALLER_EDGES:
        if sum(len(data) for data, _mime in sent) <= INLINE_BYTES:
            break
        sent = [(_smaller(data, edge), "image/webp") for data, _mime in pictures]
    return sent


def _smaller(data: bytes, edge: int) -> bytes:
    with Image.open(BytesIO(data)) as image:
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        content = BytesIO()
        image.save(content, "WEBP", quality=90)
    return content.getvalue()


def _config(parameters: Mapping[str, Any], model: str) -> types.GenerateContentConfig:
    """Only what the Gemini API takes: `_ImageConfig_to_mldev` in google/genai/models.py raises on
    `output_mime_type`, `person_generation` and the other options of Vertex AI.
    """
    ratio, size = parameters.get("aspect_ratio"), parameters.get("image_size")
    sizes = picture_model(model).sizes
    if ratio and ratio not in ASPECT_RATIOS:
        raise Refused(
            _("Gemini has no aspect ratio “%(ratio)s”; choose one of %(known)s.")
            % {"ratio": ratio, "known": ", ".join(ASPECT_RATIOS)}
        )
    if size and size not in sizes:
        raise Refused(
            _("%(model)s makes no pictures of the size “%(size)s”; choose one of %(known)s.")
            % {"model": model, "size": size, "known": ", ".join(sizes)}
        )
    # Models of one size answer 400 where a size is asked for.
    asked = size if len(sizes) > 1 else None
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=ratio, image_size=asked) if ratio or asked else None,
        seed=parameters.get("seed"),
    )


# --- The answer --------------------------------------------------------------------------------


def _candidate(answer: types.GenerateContentResponse) -> types.Candidate:
    """The first candidate. A blocked prompt has none, and `prompt_feedback` says why."""
    feedback = answer.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        reason = f"{feedback.block_reason.value}. {feedback.block_reason_message or ''}".strip()
        raise Blocked(_("Gemini's filters refused the request: %(reason)s") % {"reason": reason})
    if not answer.candidates:
        raise Refused(_("Gemini answered without a result. Run it again, or change the prompt."))
    return answer.candidates[0]


def _without_picture(candidate: types.Candidate, words: str, cost: Decimal) -> ProviderError:
    """`finish_reason` and what the model said, as a sentence."""
    reason = candidate.finish_reason.value if candidate.finish_reason else "FINISH_REASON_UNSPECIFIED"
    quoted = " " + _("It said: “%(words)s”") % {"words": _shortened(words)} if words else ""
    if reason in _FILTERS:
        named = {"reason": reason, "meaning": _FILTERS[reason]}
        held_back = _("Gemini's filters held the picture back: %(meaning)s (%(reason)s).") % named
        return Blocked(held_back + quoted, cost=cost)
    none = _("Gemini made no picture (%(reason)s). Change the prompt or the inputs.") % {"reason": reason}
    return Refused(none + quoted, cost=cost)


def _shortened(words: str, length: int = 400) -> str:
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def _details(
    answer: types.GenerateContentResponse,
    candidate: types.Candidate,
    picture: types.Part,
    words: str,
    pictures: int,
) -> Iterator[tuple[str, Any]]:
    """What is kept with the item: enough to look the call up and to go on from it."""
    yield "text", words
    yield "finish_reason", candidate.finish_reason.value if candidate.finish_reason else ""
    yield "response_id", answer.response_id or ""
    yield "pictures", pictures
    if answer.usage_metadata:
        yield "usage", answer.usage_metadata.model_dump(mode="json", exclude_none=True)
    # Some models put the whole state of their thoughts here: megabytes that no database row wants.
    if picture.thought_signature and len(picture.thought_signature) <= KEPT_SIGNATURE_BYTES:
        yield "thought_signature", base64.b64encode(picture.thought_signature).decode()


def _mime_of(data: bytes) -> str | None:
    """The type by content; None where the bytes are no whole picture."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return Image.MIME.get(image.format or "")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


# --- Errors ------------------------------------------------------------------------------------


def _translated(error: errors.APIError, model: str) -> ProviderError:
    """The API's error as one of ours, with what to do about it."""
    message = _shortened(" ".join((error.message or str(error)).split())).rstrip(".")
    named = {"message": message, "model": model, "code": error.code}
    if error.code == 429 and re.search(r"\blimit: 0\b", error.message or ""):
        return Refused(_("This key has no quota for %(model)s: %(message)s. Turn billing on.") % named)
    if error.code == 429:
        return Transient(
            _("Gemini's rate limit is reached: %(message)s.") % named, retry_after=_retry_after(error)
        )
    if error.code >= 500 or error.code == 408:
        return Transient(_("Gemini failed (%(code)s): %(message)s.") % named, retry_after=_retry_after(error))
    if error.code in (401, 403) or "API key" in message:
        return Refused(_("Gemini does not accept the key: %(message)s. Check GEMINI_API_KEY.") % named)
    if error.code == 404:
        return Refused(
            _("Gemini has no model “%(model)s”: %(message)s. Set GEMINI_IMAGE_MODEL to a current one.")
            % named
        )
    return Refused(_("Gemini refused the request (%(code)s): %(message)s.") % named)


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds from google.rpc.RetryInfo (“12.5s”, https://google.aip.dev/194) or the header Retry-After."""
    for detail in _error_details(error.details):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            seconds = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
            if seconds:
                return float(seconds.group(1))
    headers = getattr(error.response, "headers", None) or {}
    after = str(headers.get("retry-after", ""))
    return float(after) if after.isdecimal() else None


def _error_details(body: object) -> list[Mapping[str, Any]]:
    """`error.details` of the answer's body, whatever a proxy made of it."""
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details or [] if isinstance(detail, Mapping)]

"""`gemini`: Google's picture models through google-genai, one `generate_content` call a picture.

Names of fields and errors are those of google-genai 3.4: google/genai/types.py, models.py.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from google import genai
from google.genai import types

from generation.providers.base import (
    Blocked,
    Capability,
    Cause,
    Provider,
    ProviderError,
    ProviderInput,
    ProviderRequest,
    ProviderResult,
    Refused,
)
from generation.providers.google import GoogleClient, http_options
from generation.providers.pictures import mime_of, within
from generation.providers.prices import PictureModel, PriceUnknown, Usage, picture_model, unknown_price
from generation.providers.vendors import Vendor, sentence

VENDOR = Vendor("Gemini", "GEMINI_API_KEY", "GEMINI_BASE_URL", "GEMINI_IMAGE_MODEL")
ROLES = frozenset(("model", "garment", "accessory", "product", "character", "prop", "scene", "reference"))
ADDRESS = "https://generativelanguage.googleapis.com"
# One request holds 20 MB with its inline data, which base64 makes a third longer.
INLINE_BYTES = 14_000_000
KEPT_SIGNATURE_BYTES = 8_192
LARGEST_SEED = 2**31 - 1  # types.GenerateContentConfig.seed is an int32 on the wire

# types.FinishReason: what the filters say; the same request meets them again. The client drops the
# API's own `finishMessage` (`_Candidate_from_mldev` in models.py), so the words are ours.
_FILTERS = {
    "SAFETY": gettext_lazy("the answer may break the safety policies"),
    "PROHIBITED_CONTENT": gettext_lazy("the answer may hold prohibited content"),
    "RECITATION": gettext_lazy("the answer may copy a protected work"),
    "BLOCKLIST": gettext_lazy("the answer holds a word of a blocklist"),
    "SPII": gettext_lazy("the answer may hold sensitive personal data"),
    "MODEL_ARMOR": gettext_lazy("Model Armor stopped it"),
    "ESCALATION": gettext_lazy("an escalation rule stopped it"),
    "IMAGE_SAFETY": gettext_lazy("the picture may break the safety policies"),
    "IMAGE_PROHIBITED_CONTENT": gettext_lazy("the picture may show prohibited content"),
    "IMAGE_RECITATION": gettext_lazy("the picture may copy a protected work"),
}


class Gemini(Provider):
    """What single calls and batches have in common: the account, the model, what it takes and costs."""

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout_seconds: int) -> None:
        self._api_key = api_key.strip()
        self._address = base_url.strip()
        self._model = model
        self._seconds = timeout_seconds
        self._google = GoogleClient(
            VENDOR, self._make, address=self._address or ADDRESS, seconds=timeout_seconds
        )

    def _make(self) -> genai.Client:
        return genai.Client(
            vertexai=False,  # whatever GOOGLE_GENAI_USE_VERTEXAI says
            api_key=self._api_key,
            http_options=http_options(self._address, self._seconds),
        )

    @property
    def _known(self) -> PictureModel:
        return picture_model("gemini", self._model)

    @property
    def capability(self) -> Capability:
        known = self._known
        return Capability(
            roles=ROLES,
            max_inputs=known.max_inputs,
            aspect_ratios=known.aspect_ratios,
            price_per_picture=known.price() if known.price_is_known else Decimal(0),
            currency=known.currency,
            price_as_of=known.as_of,
            price_source=known.source,
            price_known=known.price_is_known,
            seconds_per_picture=12.0,
            parallel_calls=4,
            makes_photographs=True,
            sizes=known.sizes,
            takes_seed=True,
        )

    def check(self) -> str | None:
        problem = VENDOR.connection_problem(self._api_key, self._address, "Google AI Studio")
        if problem:
            return problem
        return None if self._known.price_is_known else unknown_price(self._model)

    def price(self, parameters: Mapping[str, Any], *, inputs: int = 0) -> Decimal:
        """By size; what the prompt says and what the model thinks is not in it."""
        try:
            return self._known.price(str(parameters.get("size") or ""), inputs=inputs)
        except PriceUnknown as error:
            raise Refused(str(error)) from error


class GeminiProvider(Gemini):
    """Calls once and never repeats a call: the queue does, which knows budget and rate limits."""

    name = "gemini"

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One call, one picture.

        Raises:
            Blocked: the prompt or the picture was refused on grounds of content.
            Transient: 429 (with the wait that the API asks for), 5xx, time-out, lost connection.
            Refused: wrong key, unknown model, bad argument, or an answer without a usable picture.
        """
        if problem := self.check():
            raise Refused(problem, cause=Cause.KEY)
        config = config_of(request.parameters, self._known)
        content = types.Content(role="user", parts=contents_of(request))
        with self._google.guarded(self._model, charged=self._known.price()):
            answer = self._google.connected().models.generate_content(
                model=self._model, contents=content, config=config
            )
        return result_of(answer, self._known)


# --- The request -------------------------------------------------------------------------------


def contents_of(request: ProviderRequest) -> list[types.Part]:
    """Each picture after a line that numbers it as the prompt does, then the prompt."""
    pictures = within([(given.read(), given.mime) for given in request.inputs], INLINE_BYTES)
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


def config_of(parameters: Mapping[str, Any], known: PictureModel) -> types.GenerateContentConfig:
    """Only what the Gemini API takes: `_ImageConfig_to_mldev` in google/genai/models.py raises on
    `output_mime_type`, `person_generation` and the other options of Vertex AI.

    Raises:
        Refused: an aspect ratio, a size or a seed that the model does not take.
    """
    ratio, size, seed = (parameters.get(name) for name in ("aspect_ratio", "size", "seed"))
    if ratio and ratio not in known.aspect_ratios:
        raise Refused(
            _("%(model)s has no aspect ratio “%(ratio)s”; choose one of %(known)s.")
            % {"model": known.name, "ratio": ratio, "known": ", ".join(known.aspect_ratios)}
        )
    if size and size not in known.sizes:
        raise Refused(
            _("%(model)s makes no pictures of the size “%(size)s”; choose one of %(known)s.")
            % {"model": known.name, "size": size, "known": ", ".join(known.sizes)}
        )
    if seed is not None and not (isinstance(seed, int) and 0 <= seed <= LARGEST_SEED):
        raise Refused(_("The seed is a whole number from 0 to %(most)s.") % {"most": LARGEST_SEED})
    # Models of one size answer 400 where a size is asked for.
    asked = size if len(known.sizes) > 1 else None
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=ratio, image_size=asked) if ratio or asked else None,
        seed=seed,
    )


# --- The answer --------------------------------------------------------------------------------


def result_of(
    answer: types.GenerateContentResponse, known: PictureModel, *, share: Decimal = Decimal(1)
) -> ProviderResult:
    """The finished picture and what it cost; `share` of the price is charged.

    Raises:
        Blocked, Refused: there is none, or none that can be used; with what is charged all the same.
    """
    candidate = _candidate(answer)
    parts = (candidate.content.parts if candidate.content else None) or []
    words = " ".join(part.text for part in parts if part.text and not part.thought).strip()
    # Drafts that the model made while thinking come first and are marked as thoughts.
    finished = [part for part in parts if part.inline_data and part.inline_data.data and not part.thought]
    cost = _cost(answer.usage_metadata, known, pictures=len(finished)) * share
    if not finished:
        raise _without_picture(candidate, words, cost)
    picture = finished[0]
    data = picture.inline_data.data if picture.inline_data else None
    mime = mime_of(data or b"")
    if data is None or mime is None:
        said = _("%(vendor)s answered with a damaged picture.") % {"vendor": VENDOR.name}
        raise Refused(said, cost=cost, cause=Cause.DAMAGED)
    return ProviderResult(
        image=data,
        mime=mime,
        model=answer.model_version or known.name,
        cost=cost,
        currency=known.currency,
        details=dict(_details(answer, candidate, picture, words, len(finished))),
    )


def _cost(
    usage: types.GenerateContentResponseUsageMetadata | None, known: PictureModel, *, pictures: int
) -> Decimal:
    """By the tokens that the answer names; by the table where it names none."""
    if usage is None or known.flat is not None:
        return known.price() * pictures
    written = usage.candidates_token_count or 0
    by_kind = {detail.modality: detail.token_count or 0 for detail in usage.candidates_tokens_details or []}
    drawn = by_kind.get(types.MediaModality.IMAGE)
    if drawn is None:
        drawn = (written or next(iter(known.picture_tokens.values())) * pictures) if pictures else 0
    return known.cost(
        Usage(
            pictures_out=drawn,
            words_out=max(0, written - drawn) + (usage.thoughts_token_count or 0),
            words_in=usage.prompt_token_count or 0,
        )
    )


def _candidate(answer: types.GenerateContentResponse) -> types.Candidate:
    """The first candidate. A blocked prompt has none, and `prompt_feedback` says why."""
    feedback = answer.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        reason = f"{feedback.block_reason.value}. {feedback.block_reason_message or ''}".strip()
        named = {"vendor": VENDOR.name, "reason": reason}
        raise Blocked(_("%(vendor)s's filters refused the request: %(reason)s") % named)
    if not answer.candidates:
        said = _("Gemini answered without a result. Run it again, or change the prompt.")
        raise Refused(said, cause=Cause.NO_PICTURE)
    return answer.candidates[0]


def _without_picture(candidate: types.Candidate, words: str, cost: Decimal) -> ProviderError:
    """`finish_reason` and what the model said, as a sentence."""
    reason = candidate.finish_reason.value if candidate.finish_reason else "FINISH_REASON_UNSPECIFIED"
    quoted = " " + _("It said: “%(words)s”") % {"words": sentence(words)} if words else ""
    if reason in _FILTERS:
        named = {"reason": reason, "meaning": _FILTERS[reason]}
        held_back = _("Gemini's filters held the picture back: %(meaning)s (%(reason)s).") % named
        return Blocked(held_back + quoted, cost=cost)
    none = _("Gemini made no picture (%(reason)s). Change the prompt or the inputs.") % {"reason": reason}
    return Refused(none + quoted, cost=cost, cause=Cause.NO_PICTURE)


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

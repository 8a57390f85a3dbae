"""`openai-images`: OpenAI's picture models through its own client, one `images.edit` call a picture.

Names of fields and errors are those of the openai package 3.57: openai/resources/images.py,
types/image_edit_params.py, types/images_response.py, _exceptions.py.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx2
from django.utils.translation import gettext as _
from PIL import Image

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
from generation.providers.pictures import encoded, mime_of, within
from generation.providers.prices import PictureModel, PriceUnknown, Usage, picture_model, unknown_price
from generation.providers.vendors import Vendor, seconds_of, sentence

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types import ImagesResponse

VENDOR = Vendor("OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_IMAGE_MODEL")
ROLES = frozenset(("model", "garment", "accessory", "product", "character", "prop", "scene", "reference"))
ADDRESS = "https://api.openai.com/v1"
SIZES = {"1:1": "1024x1024", "2:3": "1024x1536", "3:2": "1536x1024"}
# What the models of no published token counts take (image_edit_params.ImageEditParamsBase.quality).
QUALITIES = ("medium", "low", "high", "xhigh", "max")
BACKGROUNDS = ("auto", "opaque", "transparent")
REQUEST_BYTES = 45_000_000  # each picture may hold 50 MB
_ABOUT_CONTENT = ("moderation_blocked", "content_policy_violation")
_ABOUT_MONEY = ("insufficient_quota", "billing_hard_limit_reached")


class OpenAIImagesProvider(Provider):
    """Calls once and never repeats a call: the queue does, which knows budget and rate limits."""

    name = "openai-images"

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout_seconds: int) -> None:
        self._api_key = api_key.strip()
        self._address = base_url.strip()
        self._model = model
        self._seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: OpenAI | None = None

    @property
    def _known(self) -> PictureModel:
        return picture_model("openai", self._model)

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
            seconds_per_picture=30.0,
            parallel_calls=4,
            makes_photographs=True,
            sizes=tuple(SIZES.values()),
            qualities=known.qualities or QUALITIES,
            backgrounds=BACKGROUNDS,
            takes_mask=True,
        )

    def check(self) -> str | None:
        problem = VENDOR.connection_problem(self._api_key, self._address, "platform.openai.com")
        if problem:
            return problem
        return None if self._known.price_is_known else unknown_price(self._model)

    def price(self, parameters: Mapping[str, Any], *, inputs: int = 0) -> Decimal:
        """By quality and size, without what goes in, of which OpenAI does not publish the size."""
        try:
            return self._known.price(f"{self._quality(parameters)} {_size(parameters)}", inputs=inputs)
        except PriceUnknown as error:
            raise Refused(str(error)) from error

    def generate(self, request: ProviderRequest) -> ProviderResult:
        """One call, one picture.

        Raises:
            Blocked: the request or the picture was stopped by OpenAI's moderation.
            Transient: 429 (with the wait that the API asks for), 5xx, time-out, lost connection.
            Refused: wrong key, no quota, unknown model, bad argument, or an answer without a usable picture.
        """
        if problem := self.check():
            raise Refused(problem, cause=Cause.KEY)
        price = self.price(request.parameters, inputs=len(request.inputs))
        sent = self._sent(request)
        with self._guarded():
            answer = self._connected().images.edit(**sent)
        return self._result(answer, price)

    def _sent(self, request: ProviderRequest) -> dict[str, Any]:
        if not request.inputs:
            raise Refused(_("OpenAI edits pictures: at least one must go in."))
        pictures = within([(given.read(), given.mime) for given in request.inputs], REQUEST_BYTES)
        background = request.parameters.get("background") or "auto"
        if background not in BACKGROUNDS:
            raise Refused(
                _("There is no background “%(asked)s”; choose one of %(known)s.")
                % {"asked": background, "known": ", ".join(BACKGROUNDS)}
            )
        sent: dict[str, Any] = {
            "model": self._model,
            "image": [
                (f"{number}.{mime.partition('/')[2]}", data, mime)
                for number, (data, mime) in enumerate(pictures, start=1)
            ],
            "prompt": request.prompt,
            "size": _size(request.parameters),
            "quality": self._quality(request.parameters),
            "background": background,
            "output_format": "png",
            "n": 1,
        }
        if request.mask is not None:
            sent["mask"] = ("mask.png", _mask(request.mask, pictures[0][0]), "image/png")
        return sent

    def _quality(self, parameters: Mapping[str, Any]) -> str:
        offered = self._known.qualities or QUALITIES
        asked = parameters.get("quality") or offered[0]
        if asked not in offered:
            raise Refused(
                _("%(model)s has no quality “%(asked)s”; choose one of %(known)s.")
                % {"model": self._model, "asked": asked, "known": ", ".join(offered)}
            )
        return str(asked)

    def _connected(self) -> OpenAI:
        """The client, made at the first call; the package is imported then, which takes a second."""
        from openai import OpenAI

        with self._lock:
            if self._client is None:
                self._client = OpenAI(
                    api_key=self._api_key,
                    base_url=self._address or ADDRESS,
                    timeout=self._seconds,
                    max_retries=0,
                )
            return self._client

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever the client raises within, raised as one of ours."""
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            raise VENDOR.too_slow(self._seconds) from error
        except openai.APIStatusError as error:
            raise self._translated(error) from None  # its text may hold part of the key
        except openai.APIConnectionError as error:
            unmade = isinstance(error.__cause__, httpx2.ConnectError)
            raise VENDOR.lost(error.__cause__ or error, maybe_charged=not unmade) from error
        except (openai.OpenAIError, ValueError) as error:
            raise VENDOR.stranger(self._address or ADDRESS) from error

    def _translated(self, error: APIStatusError) -> ProviderError:
        code = str(error.code or "")
        message = error.body.get("message") if isinstance(error.body, Mapping) else None
        words = sentence(str(message or error.message))
        if code in _ABOUT_CONTENT:
            return Blocked(_("OpenAI's moderation stopped it: %(reason)s.") % {"reason": words})
        if code in _ABOUT_MONEY:
            return VENDOR.no_quota(words, model=self._model)
        after = seconds_of(error.response.headers)
        return VENDOR.failure(error.status_code, words, model=self._model, retry_after=after)

    def _result(self, answer: ImagesResponse, price: Decimal) -> ProviderResult:
        usage = getattr(answer, "usage", None)
        if not hasattr(answer, "data"):  # a page that is no JSON comes back as its text
            raise VENDOR.stranger(self._address or ADDRESS)
        pictures = answer.data or []
        cost = self._known.cost(_usage(usage), pictures=len(pictures)) if usage else price * len(pictures)
        if not pictures or not pictures[0].b64_json:
            said = _("OpenAI answered without a picture. Run it again, or change the prompt.")
            raise Refused(said, cost=cost, cause=Cause.NO_PICTURE)
        try:
            data = base64.b64decode(pictures[0].b64_json, validate=True)
        except binascii.Error:
            data = b""
        mime = mime_of(data)
        if mime is None:
            said = _("%(vendor)s answered with a damaged picture.") % {"vendor": VENDOR.name}
            raise Refused(said, cost=cost, cause=Cause.DAMAGED)
        return ProviderResult(
            image=data,
            mime=mime,
            model=self._model,
            cost=cost,
            currency=self._known.currency,
            details={
                "size": answer.size or "",
                "quality": answer.quality or "",
                "background": answer.background or "",
                **({"usage": usage.model_dump(mode="json", exclude_none=True)} if usage else {}),
            },
        )


def _size(parameters: Mapping[str, Any]) -> str:
    ratio, size = parameters.get("aspect_ratio"), parameters.get("size")
    asked = size or SIZES.get(str(ratio or "1:1"))
    if asked not in SIZES.values():
        raise Refused(
            _("OpenAI makes no pictures of %(asked)s; choose one of %(known)s.")
            % {"asked": size or ratio, "known": ", ".join((*SIZES, *SIZES.values()))}
        )
    return str(asked)


def _mask(mask: ProviderInput, first: bytes) -> bytes:
    """A PNG of the first picture's size, transparent where it may change; the API takes 4 MB."""
    with Image.open(BytesIO(first)) as picture:
        size = picture.size
    with Image.open(BytesIO(mask.read())) as given:
        alpha = given.convert("RGBA").getchannel("A").resize(size, Image.Resampling.NEAREST)
    if alpha.getextrema()[0] == 255:
        raise Refused(_("The mask has no transparent part: nothing could change."))
    plain = Image.new("RGBA", size, (0, 0, 0, 255))
    plain.putalpha(alpha)
    return encoded(plain, "PNG", compress_level=9)


def _usage(usage: Any) -> Usage:
    details = usage.input_tokens_details
    written = usage.output_tokens_details.text_tokens if usage.output_tokens_details else 0
    return Usage(
        pictures_out=usage.output_tokens - written,
        words_out=written,
        words_in=details.text_tokens,
        pictures_in=details.image_tokens,
    )

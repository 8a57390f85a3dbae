"""`dashscope`: Alibaba Cloud's multimodal embedding models, several pictures a call.

Names of fields and errors are those of the dashscope package 2.0: embeddings/multimodal_embedding.py,
api_entities/dashscope_response.py, common/utils.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import requests
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image

from search.encoders.embedding_models import EmbeddingModelEncoder
from search.encoders.paid import (
    Answer,
    Outage,
    Refused,
    data_uri,
    seconds_of,
    shortened,
    unit,
    vector_of,
)
from search.encoders.vendor_settings import connection_problem

# The package uploads what a text names, if that is a file here. No file's name begins so.
NO_FILE_NAME = "\n"


class DashScopeEncoder(EmbeddingModelEncoder):
    """`dashscope`, or `dashscope:MODEL`."""

    vendor = "DashScope"
    key_setting = "DASHSCOPE_API_KEY"
    family = "dashscope"

    @property
    def default_model(self) -> str:
        return str(settings.DASHSCOPE_EMBEDDING_MODEL)

    @property
    def dimension(self) -> int:
        return int(settings.DASHSCOPE_EMBEDDING_DIMENSIONS)

    def problem(self) -> str:
        return connection_problem("DASHSCOPE_API_KEY", "DASHSCOPE_BASE_URL", "bailian.console.aliyun.com")

    def reach(self) -> None:
        """The certificate for uploads costs nothing, and is given to the holders of a key only."""
        from dashscope.utils.oss_utils import OssUtils

        ask = partial(OssUtils.get_upload_certificate, self.model)
        self._asked(partial(ask, **self._connection(settings.SEARCH_VENDOR_QUERY_SECONDS)))

    def embed_pictures(self, keys: Sequence[str], pictures: Sequence[Image.Image]) -> Answer:
        contents = [{"image": data_uri(picture)} for picture in pictures]
        return self._embed(keys, contents, settings.SEARCH_VENDOR_TIMEOUT_SECONDS)

    def embed_texts(self, keys: Sequence[str], texts: Sequence[str], seconds: float) -> Answer:
        contents = [{"text": NO_FILE_NAME + text} for text in texts]
        return self._embed(keys, contents, seconds)

    def _connection(self, seconds: float) -> dict[str, Any]:
        return {
            "api_key": settings.DASHSCOPE_API_KEY.strip(),
            "base_address": settings.DASHSCOPE_BASE_URL.strip() or None,
            "request_timeout": seconds,
        }

    def _embed(self, keys: Sequence[str], contents: list[dict[str, str]], seconds: float) -> Answer:
        from dashscope import MultiModalEmbedding

        call = partial(
            MultiModalEmbedding.call, self.model, contents, dimension=self.space.dimension,
            **self._connection(seconds),
        )  # fmt: skip
        answer = self._asked(call)
        try:
            rows = sorted(answer.output["embeddings"], key=lambda row: row["index"])
            vectors = [unit(vector_of(row["embedding"])) for row in rows]
            amount, tokens = self._cost(answer.usage, len(keys))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Outage(_not_understood(), maybe_charged=True) from error
        if len(vectors) != len(keys):
            raise Outage(_not_understood(), maybe_charged=True)
        return Answer(amount, tokens, dict(zip(keys, vectors, strict=True)))

    def _cost(self, usage: Any, count: int) -> tuple[Decimal, int]:
        """By the tokens that the answer names; by the table where it names none."""
        price = self.prices[0]
        if not usage:
            return self.ceiling_per_picture * count, 0
        details = usage.get("input_tokens_details") or {}
        pictures = int(usage.get("image_tokens") or details.get("image_tokens") or 0)
        everything = int(usage.get("total_tokens") or 0) or int(usage.get("input_tokens") or 0)
        words = max(0, everything - pictures)
        return price.cost(words=words, pictures=pictures), words + pictures

    def _asked(self, ask: Any) -> Any:
        """
        Raises:
            Outage: for all pictures alike.
            Refused: on grounds of what was sent.
        """
        try:
            answer = ask()
        except requests.exceptions.ReadTimeout as error:
            raise Outage(_("DashScope did not answer in time."), maybe_charged=True) from error
        except requests.exceptions.JSONDecodeError as error:
            raise Outage(_not_understood(), maybe_charged=True) from error
        except requests.exceptions.RequestException as error:
            lost = not isinstance(error, requests.exceptions.ConnectTimeout) and "refused" not in str(error)
            sentence = _("DashScope cannot be reached. Check the network and DASHSCOPE_BASE_URL.")
            raise Outage(sentence, maybe_charged=lost) from error
        if answer.status_code != 200:
            raise _translated(answer, self.model)
        return answer


def _not_understood() -> str:
    return _("DashScope's answer cannot be read. Check that DASHSCOPE_BASE_URL leads to its API.")


def _translated(answer: Any, model: str) -> Outage | Refused:
    """The API's error as one of ours, with what to do about it."""
    code, status = str(answer.code or ""), int(answer.status_code)
    headers = {str(name).lower(): value for name, value in (answer.headers or {}).items()}
    after = seconds_of(headers.get("retry-after"))
    named = {"model": model, "code": code or status, "message": shortened(answer.message)}
    if code == "Arrearage" or "FreeTierOnly" in code:
        return Outage(_("The Alibaba Cloud account has no credit left. Top it up there."))
    if status == 401 or "ApiKey" in code:
        return Outage(
            _("DashScope does not accept the key. Check DASHSCOPE_API_KEY, and that it is of the region of "
              "DASHSCOPE_BASE_URL.")
        )  # fmt: skip
    if status == 429 or code.startswith("Throttling"):
        return Outage(_("DashScope's rate limit is reached."), retry_after=after)
    if status >= 500 or status == 408:
        return Outage(_("DashScope failed (%(code)s).") % named, retry_after=after)
    if status in (403, 404) or code.startswith(("Model", "AccessDenied")):
        return Outage(
            _("DashScope has no model “%(model)s” for this key: %(message)s. Set DASHSCOPE_EMBEDDING_MODEL "
              "to one that it may use.") % named
        )  # fmt: skip
    if "inspection" in code.lower() or "image" in str(answer.message or "").lower():
        return Refused(_("DashScope does not take this picture: %(message)s.") % named)
    return Outage(_("DashScope refused the request (%(code)s): %(message)s.") % named)

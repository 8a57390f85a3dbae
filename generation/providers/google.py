"""Google's client: made once, called without retries of its own, its errors put into ours.

Names of fields and errors are those of google-genai 3.4: google/genai/types.py, errors.py, _api_client.py.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import google.auth.exceptions
import httpx2
from django.utils.translation import gettext as _
from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from generation.providers.base import Blocked, Cause, ProviderError, Refused
from generation.providers.vendors import Vendor, seconds_of, sentence


class GoogleClient:
    """The client of one address and one account."""

    def __init__(self, vendor: Vendor, make: Callable[[], genai.Client], *, address: str, seconds: int):
        self._vendor = vendor
        self._make = make
        self._address = address
        self._seconds = seconds
        self._lock = threading.Lock()
        self._client: genai.Client | None = None

    def connected(self) -> genai.Client:
        """The client, made at the first call: after any fork, and not where nothing is generated."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    @contextmanager
    def guarded(self, model: str, *, charged: Decimal = Decimal(0), paid: bool = True) -> Iterator[None]:
        """Whatever the client raises within, raised as one of ours.

        Args:
            charged: what an answer costs that cannot be read.
            paid: whether a request that got no answer may be charged.

        Raises:
            Blocked, Transient, Refused: see `generation.providers.base`.
        """
        try:
            yield
        except errors.APIError as error:
            raise translated(error, self._vendor, model) from error
        except (errors.UnknownApiResponseError, json.JSONDecodeError) as error:
            raise self._vendor.stranger(self._address) from error
        except ValidationError as error:  # data that is no base64, a field of the wrong type
            said = _("%(vendor)s's answer is damaged.") % {"vendor": self._vendor.name}
            raise Refused(said, cost=charged, cause=Cause.DAMAGED) from error
        except httpx2.ConnectError as error:
            raise self._vendor.lost(error, maybe_charged=False) from error
        except httpx2.TimeoutException as error:
            raise self._vendor.too_slow(self._seconds) from error
        except httpx2.RequestError as error:
            raise self._vendor.lost(error, maybe_charged=paid) from error
        except google.auth.exceptions.TransportError as error:
            raise self._vendor.lost(error, maybe_charged=False) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise self._vendor.failure(401, str(error), model=model) from error


def http_options(address: str, seconds: int) -> types.HttpOptions:
    """One attempt a call: the queue repeats calls, which knows budget and rate limits."""
    return types.HttpOptions(
        base_url=address or None,
        timeout=seconds * 1000,  # milliseconds
        retry_options=types.HttpRetryOptions(attempts=1),
    )


def translated(error: errors.APIError, vendor: Vendor, model: str) -> ProviderError:
    """The API's error as one of ours, with what to do about it."""
    message = error.message or str(error)
    if error.code == 429 and re.search(r"\blimit: 0\b", message):
        return vendor.no_quota(message, model=model)
    if error.code == 400 and re.search(r"safety filter|Responsible AI", message):
        named = {"vendor": vendor.name, "reason": sentence(message)}
        return Blocked(_("%(vendor)s's filters refused the request: %(reason)s") % named)
    code = 401 if error.code == 400 and "API key" in message else error.code
    return vendor.failure(code, message, model=model, retry_after=_retry_after(error))


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds from google.rpc.RetryInfo (“12.5s”, https://google.aip.dev/194) or the header Retry-After."""
    for detail in _error_details(error.details):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            seconds = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
            if seconds:
                return float(seconds.group(1))
    return seconds_of(getattr(error.response, "headers", None) or {})


def _error_details(body: object) -> list[Mapping[str, Any]]:
    """`error.details` of the answer's body, whatever a proxy made of it."""
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details or [] if isinstance(detail, Mapping)]

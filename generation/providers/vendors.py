"""What vendors' errors come to, in sentences that say what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from generation.providers.base import Cause, ProviderError, Refused, Transient


@dataclass(frozen=True)
class Vendor:
    """A vendor's name, and the settings that people correct."""

    name: str
    key_setting: str
    address_setting: str
    model_setting: str

    def connection_problem(self, key: str, address: str, given_at: str) -> str | None:
        """What is wrong with the key or the address, without asking the vendor."""
        named = {"key": self.key_setting, "address": self.address_setting, "place": given_at, "url": address}
        if not key:
            return _("There is no key. Set %(key)s (%(place)s gives one).") % named
        if not re.fullmatch(r"[!-~]+", key):
            return _("%(key)s holds characters that no key has. Copy it again from %(place)s.") % named
        if address and not re.match(r"https?://.", address):
            return _("%(address)s is no address: “%(url)s”. It begins with https://.") % named
        return None

    def failure(
        self, code: int, message: str | None, *, model: str, retry_after: float | None = None
    ) -> ProviderError:
        """An answer's HTTP status and words as one of ours."""
        named = {"vendor": self.name, "code": code, "model": model, "message": sentence(message or "")}
        if code == 429:
            said = _("%(vendor)s's rate limit is reached: %(message)s.") % named
            return Transient(said, retry_after=retry_after, cause=Cause.RATE)
        if code >= 500 or code == 408:
            return Transient(_("%(vendor)s failed (%(code)s): %(message)s.") % named, retry_after=retry_after)
        if code in (401, 403):
            return Refused(
                _("%(vendor)s does not accept the key: %(message)s. Check %(setting)s.")
                % {**named, "setting": self.key_setting},
                cause=Cause.KEY,
            )
        if code == 404:
            return Refused(
                _("%(vendor)s has no model “%(model)s”: %(message)s. Set %(setting)s to a current one.")
                % {**named, "setting": self.model_setting}
            )
        return Refused(_("%(vendor)s refused the request (%(code)s): %(message)s.") % named)

    def no_quota(self, message: str | None, *, model: str) -> Refused:
        """The account has no quota or no money for this: final until someone pays."""
        return Refused(
            _("The key of %(vendor)s has no quota for %(model)s: %(message)s. Turn billing on there.")
            % {"vendor": self.name, "model": model, "message": sentence(message or "")},
            cause=Cause.QUOTA,
        )

    def too_slow(self, seconds: int) -> Transient:
        """No answer in time; whether it is charged nobody knows."""
        return Transient(
            _("%(vendor)s did not answer within %(seconds)s s.") % {"vendor": self.name, "seconds": seconds},
            maybe_charged=True,
        )

    def lost(self, reason: object, *, maybe_charged: bool) -> Transient:
        """The connection could not be made, or broke."""
        return Transient(
            _("The connection to %(vendor)s failed: %(reason)s") % {"vendor": self.name, "reason": reason},
            maybe_charged=maybe_charged,
        )

    def stranger(self, address: str) -> Refused:
        """Something else answers there."""
        return Refused(
            _("What answers at %(host)s does not speak the API of %(vendor)s. Check %(setting)s.")
            % {
                "host": urlsplit(address).netloc or self.name,
                "vendor": self.name,
                "setting": self.address_setting,
            }
        )


def sentence(words: str, length: int = 400) -> str:
    """A vendor's words on one line, of bounded length, without the last full stop."""
    line = " ".join(words.split()).rstrip(".")
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def seconds_of(headers: Mapping[str, str]) -> float | None:
    """The wait that the header Retry-After asks for; None where it names a date or is missing."""
    after = str(headers.get("retry-after", ""))
    return float(after) if re.fullmatch(r"\d+(\.\d+)?", after) else None

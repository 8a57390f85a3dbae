"""Whether a vendor's key and address can be right, without asking the vendor."""

from __future__ import annotations

import re

from django.conf import settings
from django.utils.translation import gettext as _


def connection_problem(key_setting: str, address_setting: str, given_at: str) -> str:
    """A sentence with what to do; empty where nothing is wrong."""
    key = getattr(settings, key_setting).strip()
    address = getattr(settings, address_setting).strip()
    named = {"key": key_setting, "address": address_setting, "place": given_at}
    if not key:
        return _("There is no key. Set %(key)s (%(place)s gives one).") % named
    if not re.fullmatch(r"[!-~]+", key):
        return _("%(key)s holds characters that no key has. Copy it again from %(place)s.") % named
    if address and not re.match(r"https?://.", address):
        return _("%(address)s is no address; it begins with https://.") % named
    return ""

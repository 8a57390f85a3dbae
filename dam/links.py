"""Signed addresses: they open one file without a login until their time is over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.utils.translation import gettext as _

from dam import audit, rights, workflow
from dam.addresses import original_url, rendition_url
from dam.audit import Actor
from dam.models import Asset, AssetState, AssetVersion
from dam.presets import Preset

ORIGINAL = "original"
SHORTEST = timedelta(minutes=1)


class LinkRefused(Exception):
    """An asset that no link may be given for; `str()` says why."""


class Tampered(Exception):
    """An address whose signature is not its own."""


class Expired(Exception):
    """A signed address whose time is over."""


@dataclass(frozen=True)
class Link:
    """A path with its signature, and until when it opens."""

    path: str
    expires: datetime


def longest() -> timedelta:
    """For how long a link may be given (setting `DAM_MAX_LINK_DAYS`)."""
    return timedelta(days=settings.DAM_MAX_LINK_DAYS)


def make_link(asset: Asset, preset: Preset | None, *, lasts: timedelta, actor: Actor) -> Link:
    """A link to the current version in this preset, or to its original (None); kept in the audit log.

    Key rotation: a link stays valid while the key that signed it is in SECRET_KEY_FALLBACKS.

    Raises:
        NotPermitted: the asset is not this account's to change, and so not its to give away.
        LinkRefused: no file, rejected, archived, in the trash, or its rights have run out.
    """
    workflow.check_changing(actor, [asset])
    if reason := why_withheld(asset):
        raise LinkRefused(reason)
    if asset.current is None:
        raise LinkRefused(_("The asset has no file yet."))
    expires = int(time.time() + lasts.total_seconds())
    what = preset.slug if preset else ORIGINAL
    query = {"expires": expires, "signature": _signer().signature(_signed(asset.current, what, expires))}
    path = rendition_url(asset, preset) if preset else original_url(asset)
    until = datetime.fromtimestamp(expires, UTC)
    audit.record(actor, "asset.linked", asset, preset=what, version=asset.current.number, until=until)
    return Link(f"{path}?{urlencode(query)}", until)


def is_signed(query: Mapping[str, str]) -> bool:
    """Whether an address claims to be signed."""
    return "signature" in query or "expires" in query


def check(version: AssetVersion, what: str, query: Mapping[str, str]) -> int:
    """When the link expires, in seconds since 1970.

    Args:
        version: with its asset.
        what: the preset's name, or ORIGINAL.

    Raises:
        Tampered: the signature belongs to another file, another time or another key.
        Expired: its time is over.
    """
    given = query.get("expires", "")
    if not (given.isascii() and given.isdigit() and len(given) <= 12):
        raise Tampered
    expires = int(given)
    signer = _signer()
    try:
        signer.unsign(f"{_signed(version, what, expires)}{signer.sep}{query.get('signature', '')}")
    except BadSignature as error:
        raise Tampered from error
    if expires <= time.time():
        raise Expired
    return expires


def why_withheld(asset: Asset) -> str:
    """Why nobody gets the asset through a link at present, as a sentence; empty where they do."""
    if asset.state == AssetState.TRASHED:
        return _("The asset is in the trash.")
    if asset.state in (AssetState.REJECTED, AssetState.ARCHIVED):
        return _("The asset was rejected or archived.")
    return rights.why_unusable(asset)


def _signer() -> Signer:
    return Signer(salt="dam.links")


def _signed(version: AssetVersion, what: str, expires: int) -> str:
    """Not the recipe: a link survives a change of its preset, whose old address leads to the new one."""
    return f"{version.asset.public_id}/{what}/{version.number}?{expires}"

"""Pictures that somebody searches with: kept for an hour under a name, so that the search has an address."""

from __future__ import annotations

import secrets
from io import BytesIO
from typing import TYPE_CHECKING

from django.core.cache import cache
from PIL import Image

from search.encoders.base import flatten

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT_SECONDS = 3_600
QUALITY = 92


def keep(picture: Image.Image, user: User) -> str:
    """Keep a picture for this account alone; its name."""
    name = secrets.token_urlsafe(12)
    out = BytesIO()
    flatten(picture).save(out, "JPEG", quality=QUALITY)
    cache.set(_key(name, user), out.getvalue(), KEPT_SECONDS)
    return name


def kept(name: str, user: User) -> bytes | None:
    """The JPEG of that name, or None where it is not kept any more or is another's."""
    found: bytes | None = cache.get(_key(name, user))
    return found


def _key(name: str, user: User) -> str:
    return f"search:picture:{user.pk}:{name}"

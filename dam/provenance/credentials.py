"""Content credentials (C2PA): signing a file with a manifest that says how it was made.

Nothing is signed unless a certificate is configured, and no server is asked but the one for time stamps that
is configured.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from dam.decoder import manifests
from dam.models import Making
from dam.provenance.labels import CREATOR, Label

SIGNED_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")


class CannotSign(Exception):
    """The picture could not be signed; `str()` says why."""


def is_configured() -> bool:
    """Whether generated pictures are to be signed."""
    return bool(settings.C2PA_CERTIFICATE or settings.C2PA_PRIVATE_KEY)


def problem() -> str:
    """Why configured signing does not work, as a sentence; empty: it works, or is not configured.

    Something is signed to find out: a certificate that has run out is refused only then.
    """
    if not is_configured():
        return ""
    pixel = BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    trial = Label(Making.ARRANGED, CREATOR, "", "trial", timezone.now())
    try:
        signed(pixel.getvalue(), "image/png", trial)
    except CannotSign as error:
        return str(error)
    return ""


def signed(picture: bytes, mime: str, label: Label, answer: bytes | None = None) -> bytes:
    """The labelled picture with a signed manifest of how it was made; its pixels keep their bytes.

    Args:
        answer: the file as the provider sent it, if that has a manifest of its own: it is named as what went
            in, with its manifest.

    Raises:
        CannotSign: nothing is configured, or it does not work.
    """
    c2pa, signer = _library(), _signer()
    target = BytesIO()
    try:
        with signer, c2pa.Builder(_manifest(label, mime), manifests.context()) as builder:
            if answer is not None:
                ingredient = {"title": f"{label.provider} {label.model}", "relationship": "inputTo"}
                builder.add_ingredient(ingredient, mime, BytesIO(answer))
            builder.sign(signer, mime, BytesIO(picture), target)
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise CannotSign(_("The picture cannot be signed: %(reason)s") % {"reason": error}) from error
    return target.getvalue()


def _library() -> Any:
    if not manifests.is_installed():
        raise CannotSign(_("The package c2pa-python is not installed. Run: pip install c2pa-python"))
    return manifests.library()


def _signer() -> Any:
    c2pa = _library()
    if settings.C2PA_ALGORITHM not in ALGORITHMS:
        raise CannotSign(
            _("C2PA_ALGORITHM is “%(given)s”; possible are: %(known)s.")
            % {"given": settings.C2PA_ALGORITHM, "known": ", ".join(ALGORITHMS)}
        )
    certificate = _pem("C2PA_CERTIFICATE", settings.C2PA_CERTIFICATE)
    key = _pem("C2PA_PRIVATE_KEY", settings.C2PA_PRIVATE_KEY)
    try:
        return c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(
                settings.C2PA_ALGORITHM.encode(), certificate, key, settings.C2PA_TIMESTAMP_URL or None
            )
        )
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise CannotSign(
            _("The certificate or the key for signing cannot be used: %(reason)s") % {"reason": error}
        ) from error


def _pem(name: str, path: str) -> bytes:
    if not path:
        raise CannotSign(
            _("Signing takes a certificate and its key; %(setting)s is not set.") % {"setting": name}
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CannotSign(
            _("%(setting)s: the file %(path)s cannot be read (%(reason)s).")
            % {"setting": name, "path": path, "reason": error.strerror or type(error).__name__}
        ) from error


def _manifest(label: Label, mime: str) -> dict[str, Any]:
    inputs = [
        {
            "label": f"input_{number}",
            "title": role,
            "format": "image/*",
            "instance_id": f"urn:uuid:{asset}",
            "relationship": "componentOf" if label.making == Making.ARRANGED else "inputTo",
        }
        for number, (role, asset) in enumerate(label.parents)
    ]
    action: dict[str, Any] = {
        "action": "c2pa.created",
        "when": label.made_at.isoformat(timespec="seconds"),
        "softwareAgent": {"name": label.provider, "version": label.model},
        "digitalSourceType": label.source_type,
    }
    if inputs:
        action["parameters"] = {"ingredientIds": [one["label"] for one in inputs]}
    return {
        "claim_generator_info": [{"name": CREATOR}],
        "format": mime,
        "title": f"urn:uuid:{label.item}",
        "ingredients": inputs,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }

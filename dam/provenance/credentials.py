"""Content credentials (C2PA): a signed manifest in the file that says how it was made.

Needs the package `c2pa-python`; without it a manifest is seen, and not read. Nothing is signed unless a
certificate is configured, and no server is asked but the one for time stamps that is configured.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image

from dam.models import Making
from dam.pictures import Picture
from dam.provenance.labels import CODE, CREATOR, Label

log = logging.getLogger(__name__)

PACKAGE = "c2pa"
MARKER = b"c2pa"  # the name of the manifest's box, in every kind of file
BLOCK = 256 * 1024
MAX_TEXT = 200
SIGNED_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
UNREAD, UNREADABLE = "unread", "unreadable"
# As the library calls them: the bytes are those that were signed; and the signer is one it was told to trust.
VALID, TRUSTED, INVALID = "valid", "trusted", "invalid"


class CannotSign(Exception):
    """The picture could not be signed; `str()` says why."""


def is_installed() -> bool:
    """Whether manifests can be read and written here."""
    return find_spec(PACKAGE) is not None


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


def said_in(file: IO[bytes], mime: str) -> dict[str, Any]:
    """What the manifest of a file says, as JSON keeps it; empty: it has none.

    `state` is one of those above; the rest is what the signer claims: `generator`, `issuer`, `signed_at` and
    `source_types`, IPTC's codes.
    """
    if not _has_marker(file):
        return {}
    if not is_installed():
        return {"state": UNREAD}
    c2pa = _library()
    file.seek(0)
    try:
        reader = c2pa.Reader.try_create(mime, file, None, context=_context())
        if reader is None:
            return {}
        with reader:
            manifest = reader.get_active_manifest() or {}
            state = str(reader.get_validation_state() or INVALID).lower()
    except c2pa.C2paError.NotSupported:  # a kind of file that holds none
        return {}
    except (c2pa.C2paError, ValueError, TypeError) as error:
        log.info("a manifest cannot be read: %s", error)
        return {"state": UNREADABLE}
    return {"state": state, **_claims(manifest)}


def with_manifest(picture: Picture, file: IO[bytes]) -> dict[str, Any]:
    """The embedded metadata of a picture that was read from this file, with what its manifest says."""
    said = said_in(file, picture.header.mime)
    return {**picture.metadata, "c2pa": said} if said else picture.metadata


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
        with signer, c2pa.Builder(_manifest(label, mime), _context()) as builder:
            if answer is not None:
                ingredient = {"title": f"{label.provider} {label.model}", "relationship": "inputTo"}
                builder.add_ingredient(ingredient, mime, BytesIO(answer))
            builder.sign(signer, mime, BytesIO(picture), target)
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise CannotSign(_("The picture cannot be signed: %(reason)s") % {"reason": error}) from error
    return target.getvalue()


@cache
def _library() -> Any:
    if not is_installed():
        raise CannotSign(_("The package c2pa-python is not installed. Run: pip install c2pa-python"))
    return import_module(PACKAGE)


def _context() -> Any:
    """A stranger's file decides about no connection of ours, and thumbnails stay out of files."""
    return _library().Context.from_dict(
        {
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


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


def _has_marker(file: IO[bytes]) -> bool:
    """Most files have no manifest, and looking for its name costs next to nothing."""
    file.seek(0)
    before = b""
    while block := file.read(BLOCK):
        if MARKER in before + block:
            return True
        before = block[-len(MARKER) :]
    return False


def _claims(manifest: Mapping[str, Any]) -> dict[str, Any]:
    generators = manifest.get("claim_generator_info") or [{}]
    signature = manifest.get("signature_info") or {}
    claims = {
        "generator": _text(generators[0].get("name") or manifest.get("claim_generator")),
        "issuer": _text(signature.get("issuer")),
        "signed_at": _text(signature.get("time")),
        "source_types": sorted(set(_source_types(manifest))),
    }
    return {name: value for name, value in claims.items() if value}


def _source_types(manifest: Mapping[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions") or ():
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        for action in (assertion.get("data") or {}).get("actions") or ():
            if found := CODE.match(str(action.get("digitalSourceType") or "")):
                yield found[1]


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""

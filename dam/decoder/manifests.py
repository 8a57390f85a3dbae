"""Content credentials (C2PA) of a file: what its signed manifest says of how it was made.

Needs the package `c2pa-python`; without it a manifest is seen, and not read. Nothing is fetched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import IO, Any

log = logging.getLogger(__name__)

PACKAGE = "c2pa"
MARKER = b"c2pa"  # the name of the manifest's box, in every kind of file
BLOCK = 256 * 1024
MAX_TEXT = 200
UNREAD, UNREADABLE = "unread", "unreadable"
# As the library calls them: the bytes are those that were signed; and the signer is one it was told to trust.
VALID, TRUSTED, INVALID = "valid", "trusted", "invalid"
CODE_OR_ADDRESS = re.compile(r"(?:.*/)?([A-Za-z]{3,60})/?\Z", re.DOTALL)  # of IPTC's source types


def is_installed() -> bool:
    """Whether manifests can be read and written here."""
    return find_spec(PACKAGE) is not None


def said_in(file: IO[bytes], mime: str) -> dict[str, Any]:
    """What the manifest of a file says, as JSON keeps it; empty: it has none.

    `state` is one of those above; the rest is what the signer claims: `generator`, `issuer`, `signed_at` and
    `source_types`, IPTC's codes.
    """
    if not _has_marker(file):
        return {}
    if not is_installed():
        return {"state": UNREAD}
    c2pa = library()
    file.seek(0)
    try:
        reader = c2pa.Reader.try_create(mime, file, None, context=context())
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


@cache
def library() -> Any:
    """The package; to be asked for where `is_installed`."""
    return import_module(PACKAGE)


def context() -> Any:
    """A stranger's file decides about no connection of ours, and thumbnails stay out of files."""
    return library().Context.from_dict(
        {
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


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
            if found := CODE_OR_ADDRESS.match(str(action.get("digitalSourceType") or "")):
                yield found[1]


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""

"""The headers of the tus protocol (https://tus.io/protocols/resumable-upload): read, checked, written."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.utils.http import http_date
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from dam.models import UploadSession
from dam.upload_spool import ALGORITHMS, Checksum

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
CONTENT_TYPE = "application/offset+octet-stream"
CHECKSUM_MISMATCH = 460  # tus's own status


class ProtocolError(APIException):
    """A request that does not keep to the protocol."""

    def __init__(self, sentence: str, code: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(sentence, code)
        self.status_code = int(status)


class PieceParser(BaseParser):
    """Leaves the body where it is, to be copied to the disk piece by piece."""

    media_type = CONTENT_TYPE

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


def options(largest: int) -> dict[str, str]:
    """What this server speaks."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(largest),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def require_version(request: HttpRequest | Request) -> None:
    """
    Raises:
        ProtocolError: the client speaks no version that this server does.
    """
    if request.headers.get("Tus-Resumable") != VERSION:
        raise ProtocolError(
            _("Send the header “Tus-Resumable: %(version)s”.") % {"version": VERSION},
            "version",
            HTTPStatus.PRECONDITION_FAILED,
        )


def number(request: Request, name: str) -> int:
    """A header that is a number of bytes.

    Raises:
        ProtocolError: it is missing, or none.
    """
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ProtocolError(
            _("The header %(name)s must be a number of bytes.") % {"name": name}, "invalid_header"
        )
    return int(text)


def piece_size(request: Request) -> int:
    """How long the body is.

    Raises:
        ProtocolError: it does not say.
    """
    if request.headers.get("Transfer-Encoding"):
        raise ProtocolError(
            _("Send each piece with its Content-Length, not in chunks."),
            "length_required",
            HTTPStatus.LENGTH_REQUIRED,
        )
    return number(request, "Content-Length") if request.headers.get("Content-Length") else 0


def metadata(request: Request) -> dict[str, str]:
    """Upload-Metadata, decoded.

    Raises:
        ProtocolError: it is not keys with Base64 of UTF-8.
    """
    found: dict[str, str] = {}
    for pair in filter(
        None, (part.strip() for part in request.headers.get("Upload-Metadata", "").split(","))
    ):
        key, _space, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ProtocolError(
                _("In Upload-Metadata, “%(key)s” is not Base64 of UTF-8.") % {"key": key}, "invalid_header"
            ) from error
    return found


def checksum(request: Request) -> Checksum | None:
    """Upload-Checksum, decoded.

    Raises:
        ProtocolError: an algorithm that this server lacks, or no Base64.
    """
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    algorithm, _space, value = header.strip().partition(" ")
    if algorithm.lower() not in ALGORITHMS:
        raise ProtocolError(
            _("The checksum must be one of %(names)s.") % {"names": ", ".join(ALGORITHMS)}, "checksum"
        )
    try:
        return Checksum(algorithm.lower(), base64.b64decode(value.strip(), validate=True))
    except binascii.Error as error:
        raise ProtocolError(_("The checksum is not Base64."), "checksum") from error


def expiry(upload: UploadSession) -> dict[str, str]:
    """Until when an incomplete upload may be continued."""
    return {"Upload-Expires": http_date(upload.expires.timestamp())} if upload.is_receiving else {}

"""The pictures below a prefix of an S3 bucket, as an import finds them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam import sniffing
from dam.errors import IngestError
from dam.import_sources import MANIFEST_NAMES, Found
from dam.manifest import ImportProblem

SCHEME = "s3://"
ATTEMPTS = 4
REFUSED = ("AccessDenied", "NoSuchKey", "404", "403", "InvalidObjectState")


def parse_address(address: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`.

    Raises:
        ImportProblem: it is no such address.
    """
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.netloc:
        raise ImportProblem(
            _("“%(address)s” is no address like s3://bucket/prefix. Correct it.") % {"address": address}
        )
    return parts.netloc, address[len(SCHEME) + len(parts.netloc) :].lstrip("/")


class S3Source:
    """Everything below the prefix that looks like a picture by its name; one without a suffix counts too.

    Raises:
        ImportProblem: the bucket cannot be listed.
    """

    def __init__(self, address: str) -> None:
        self._bucket, self._prefix = parse_address(address)
        self._client = _client()
        self.names: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self.problems: list[tuple[str, str]] = []
        self.manifest: tuple[str, IO[bytes]] | None = None
        try:
            for listed in self._listed():
                self._note(listed["Key"], listed["Size"])
        except (BotoCoreError, ClientError) as error:
            raise ImportProblem(
                _("%(address)s cannot be read (%(reason)s). Check the address and the S3 settings.")
                % {"address": address, "reason": _reason(error)}
            ) from error

    def key(self, name: str) -> str:
        return self._base + name.replace("\\", "/").lstrip("/")

    def why_not(self, key: str) -> str:
        return "" if key in self.names else _("There is no such picture below the prefix.")

    def pictures(self, wanted: Mapping[str, object]) -> Iterator[Found]:
        for key in wanted:
            yield Found(key, self.names[key], partial(self._read, key), size=self._sizes[key])

    @property
    def _base(self) -> str:
        """What the names are relative to: the prefix up to its last slash."""
        return self._prefix[: self._prefix.rfind("/") + 1]

    def _listed(self) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        for page in pages:
            yield from page.get("Contents", ())

    def _note(self, key: str, size: int) -> None:
        name = key[len(self._base) :]
        parts = PurePosixPath(name).parts
        if not name or name.endswith("/") or any(part.startswith((".", "__MACOSX")) for part in parts):
            return
        if name in MANIFEST_NAMES:
            if self.manifest:
                raise ImportProblem(_("There are two manifests below the prefix. Remove one of them."))
            self.manifest = (name, io.BytesIO(self._bytes(key, settings.DAM_MAX_TABLE_BYTES)))
        elif PurePosixPath(name).suffix.lower() in ("", *sniffing.PICTURE_SUFFIXES):
            if size > settings.DAM_MAX_FILE_BYTES:
                limit = f"{settings.DAM_MAX_FILE_BYTES / 1024**2:g}"
                self.problems.append((name, _("The file is larger than %(limit)s MB.") % {"limit": limit}))
            else:
                self.names[key], self._sizes[key] = name, size

    def _read(self, key: str) -> bytes:
        """Asked in a worker thread, where the picture is needed.

        Raises:
            IngestError: "unreadable": this one; "source": the bucket does not answer.
        """
        try:
            return self._bytes(key, settings.DAM_MAX_FILE_BYTES)
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if code in REFUSED:
                raise IngestError(
                    "unreadable",
                    gettext_lazy("The file cannot be read (%(reason)s). Check that it is there and its "
                                 "permissions."),
                    reason=code,
                ) from error  # fmt: skip
            raise IngestError(
                "source",
                gettext_lazy("The bucket does not answer (%(reason)s). Go on later."),
                reason=_reason(error),
            ) from error

    def _bytes(self, key: str, at_most: int) -> bytes:
        """One more byte than allowed, so that what is too large is seen to be."""
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        try:
            return bytes(body.read(at_most + 1))
        finally:
            body.close()


def _client() -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.S3_CONNECTION["endpoint_url"],
        aws_access_key_id=settings.S3_CONNECTION["access_key"],
        aws_secret_access_key=settings.S3_CONNECTION["secret_key"],
        region_name=settings.S3_CONNECTION["region_name"],
        config=Config(retries={"max_attempts": ATTEMPTS, "mode": "standard"}),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"].get("Message") or error.response["Error"]["Code"])
    return str(error)

"""Whether a picture was generated, for everybody who asks: by its id, by the hash of its file, by the file.

A file that was encoded anew is known by the label that every copy carries, or else by what it looks like;
the answer says by which, and how sure that is. Nothing is told of pictures that the asker may not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from dam import duplicates, pictures
from dam.fingerprints import HASH_BITS, fingerprint
from dam.models import Asset, AssetOrigin, AssetVersion, Making
from dam.provenance import makers
from dam.provenance.keeping import declared_of
from dam.provenance.labels import OF_AI, SCHEME, Declared, declared
from dam.provenance.makers import Made
from dam.roles import sees_library

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LOOKED_AT = 320  # pixels of the longer side, as ingest looks at pictures
MAX_ALIKE = 50


class Certainty(StrEnum):
    """By what it is known."""

    EXACT = "exact"  # the library has this picture, or this very file
    LABEL = "label"  # the file's own word
    ALIKE = "alike"  # it looks like a picture that the library has
    NONE = "none"


@dataclass(frozen=True)
class Answer:
    """What is known of how a picture was made.

    Attributes:
        asset: the picture of the library that it is, or looks like.
        likeness: how many of the hash's bits agree, in percent, where it only looks like that.
    """

    certainty: Certainty
    declared: Declared = field(default_factory=Declared)
    asset: Asset | None = None
    made: Made | None = None
    likeness: int | None = None

    @property
    def making(self) -> Making | None:
        return self.declared.making or (self.made.making if self.made else None)

    @property
    def is_generated(self) -> bool | None:
        """None: nobody knows."""
        of_this_library = self.asset is not None and self.asset.origin == AssetOrigin.GENERATED
        if self.making in OF_AI or of_this_library or (self.declared.own and self.making):
            return True
        if self.making == Making.POSSIBLY_AI or self.asset is None:
            return None
        return False

    @property
    def said_by(self) -> str:
        """“library”: it is in its books; “file”: the file says so; empty: nobody says anything."""
        if self.certainty in (Certainty.EXACT, Certainty.ALIKE):
            return "file" if self.making and not self._is_ours else "library"
        return "file" if self.making else ""

    @property
    def provider(self) -> str:
        """Where the library may tell."""
        if not settings.DAM_PROVENANCE_TELLS_MODEL:
            return ""
        return self.made.provider if self.made else str(self.declared.own.get("Provider", ""))

    @property
    def model(self) -> str:
        """Where the library may tell."""
        if not settings.DAM_PROVENANCE_TELLS_MODEL:
            return ""
        return self.made.model if self.made else str(self.declared.own.get("Model", ""))

    @property
    def made_at(self) -> datetime | None:
        if self.made:
            return self.made.made_at
        if self._is_ours and self.asset:
            return self.asset.created
        said = self.declared.credentials.get("signed_at")
        return _moment(said) if isinstance(said, str) else None

    @property
    def digital_source_type(self) -> str:
        """IPTC's code as an address."""
        code = self.declared.source_type
        return SCHEME + code if code else ""

    @property
    def aigc(self) -> Mapping[str, str] | None:
        """China's label."""
        return self.declared.aigc.plain if self.declared.aigc else None

    @property
    def content_credentials(self) -> Mapping[str, Any] | None:
        """What a manifest (C2PA) in the file says, and whether it fits the file."""
        return self.declared.credentials or None

    @property
    def sentences(self) -> list[str]:
        """The answer in words."""
        told = [self._how]
        if self.certainty == Certainty.LABEL and self.asset is None:
            told.append(_("Its file says so itself; the library does not have this file."))
        elif self.certainty == Certainty.LABEL:
            told.append(
                _(
                    "Its file says so itself, and %(percent)d %% of its hash agree with a picture of the "
                    "library."
                )
                % {"percent": self.likeness or 0}
            )
        if self.certainty == Certainty.ALIKE:
            told.append(
                _(
                    "This is known by what it looks like: %(percent)d %% of its hash agree with a picture "
                    "of the library. The file itself does not say it."
                )
                % {"percent": self.likeness or 0}
            )
        return told

    @property
    def _how(self) -> str:
        sentences = {
            Making.AI: _("This picture was made by AI."),
            Making.PARTLY_AI: _("A part of this picture was made by AI."),
            Making.POSSIBLY_AI: _("AI may have made this picture, or a part of it."),
            Making.ARRANGED: _("This picture was arranged from other pictures; no AI has painted it."),
        }
        if self.making:
            return sentences[self.making]
        if self.is_generated:
            return _("This picture was generated; its file does not say how.")
        if self.asset is None:
            return _("Neither the library nor the file itself says how this picture was made.")
        return _("This picture was not generated here, and its file does not say that AI has made it.")

    @property
    def _is_ours(self) -> bool:
        return self.asset is not None and self.asset.origin == AssetOrigin.GENERATED


def of_asset(asset: Asset) -> Answer:
    """What is known of an asset, as its current file and its maker say."""
    says = Declared()
    if asset.current:
        asset.current.asset = asset  # saves a query
        says = declared_of(asset.current)
    return Answer(Certainty.EXACT, says, asset, makers.made(asset))


def of_digest(sha256: str, viewer: User | AnonymousUser) -> Answer:
    """What is known of the file with this hash (64 hexadecimal digits)."""
    versions = AssetVersion.objects.filter(
        sha256=sha256.lower(), asset__in=Asset.objects.visible_to(viewer)
    ).select_related("asset__current")
    if not sees_library(viewer):  # a file that was taken back was never approved
        versions = versions.filter(current_of__isnull=False)
    version = versions.first()
    if version is None:
        return Answer(Certainty.NONE)
    return Answer(Certainty.EXACT, declared_of(version), version.asset, makers.made(version.asset))


def of_file(file: IO[bytes], sha256: str, viewer: User | AnonymousUser) -> Answer:
    """What is known of a file, whatever has happened to it since it left the library.

    Raises:
        Busy: too many pictures are in work.
        IngestError: it is no picture that the library could look at.
    """
    known = of_digest(sha256, viewer)
    if known.certainty == Certainty.EXACT:
        return known
    picture = pictures.read(file, LOOKED_AT, settings.DAM_MAKE_WAIT_SECONDS)
    says = declared(picture.metadata)
    alike = _alike(picture, viewer)
    if says.making:
        asset, likeness = alike or (None, None)
        return Answer(Certainty.LABEL, says, asset, _made_as_said(says, asset), likeness)
    if alike is None:
        return Answer(Certainty.NONE, says)
    asset, likeness = alike
    of_it = of_asset(asset)
    return Answer(Certainty.ALIKE, of_it.declared, asset, of_it.made, likeness)


def _alike(picture: pictures.Picture, viewer: User | AnonymousUser) -> tuple[Asset, int] | None:
    """The picture of the library that it looks most like, and how much, in percent."""
    unsaved = AssetVersion(asset=Asset())
    unsaved.fingerprint = fingerprint(pictures.on_white(picture.image))
    near = duplicates.alike(unsaved)[:MAX_ALIKE]
    keys = [one.asset_id for one in near]
    seen = Asset.objects.visible_to(viewer).filter(pk__in=keys).select_related("current").in_bulk()
    for one in near:
        if one.asset_id in seen:
            agree = HASH_BITS - one.nearness.distance
            return seen[one.asset_id], round(100 * agree / HASH_BITS)
    return None


def _made_as_said(says: Declared, asset: Asset | None) -> Made | None:
    """How that picture was made, if the file names the number under which it was."""
    made = makers.made(asset) if asset else None
    named = says.own.get("Item") or (says.aigc.produce_id if says.aigc else "")
    return made if made and made.item == named else None


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None

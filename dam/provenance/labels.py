"""What a file says of how it was made: written as properties, read back, and what of it every copy keeps.

`Iptc4xmpExt:DigitalSourceType` is one of IPTC's codes (http://cv.iptc.org/newscodes/digitalsourcetype/); the
properties about the AI system are those of IPTC Photo Metadata 2025.1. `TC260:AIGC` is China's label. The
rest stands in a namespace of Atelier's own: who asks the library with a file in hand finds it by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from dam import xmp
from dam.decoder.manifests import CODE_OR_ADDRESS
from dam.models import Making
from dam.provenance import aigc
from dam.provenance.aigc import AIGCLabel

SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPE = "Iptc4xmpExt:DigitalSourceType"
CREATOR = "Atelier"
# IPTC's words: "created using generative AI"; "at least one of [several elements] is synthetic"; "several
# elements, any of which may or may not be generative AI".
TRAINED, EDITED_BY_AI = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
COMPOSITE_SYNTHETIC, COMPOSITE, COMPOSITE_CAPTURE = "compositeSynthetic", "composite", "compositeCapture"
SOURCE_TYPES = {
    Making.AI: TRAINED,
    Making.PARTLY_AI: COMPOSITE_SYNTHETIC,
    Making.ARRANGED: COMPOSITE,
}
COMPOSITES = {COMPOSITE_SYNTHETIC, COMPOSITE, COMPOSITE_CAPTURE, EDITED_BY_AI}
OF_AI = (Making.AI, Making.PARTLY_AI)


@dataclass(frozen=True)
class Label:
    """How a picture of this library's own was made.

    Attributes:
        item: the id under which it was made.
        prompt_sha256: of the exact prompt in UTF-8; empty: there was none.
        prompt_kept: where the exact prompt is kept.
        parents: role and id of each picture that went in, in order.
    """

    making: Making
    provider: str
    model: str
    item: str
    made_at: datetime
    prompt_sha256: str = ""
    prompt_kept: str = ""
    parents: Sequence[tuple[str, str]] = ()

    @property
    def source_type(self) -> str:
        """Its code of IPTC's, as an address."""
        return SCHEME + SOURCE_TYPES[self.making]

    @property
    def aigc(self) -> AIGCLabel | None:
        """China's label, where AI has painted any of it."""
        if self.making not in OF_AI:
            return None
        return aigc.made_here(settings.DAM_AIGC_PRODUCER, self.item)

    @property
    def properties(self) -> dict[str, xmp.Value]:
        """Everything that the file says, by XMP property; the same for the same label."""
        said: dict[str, xmp.Value] = {
            "xmp:CreatorTool": CREATOR,
            "xmp:CreateDate": self.made_at.isoformat(timespec="seconds"),
            SOURCE_TYPE: self.source_type,
            aigc.PROPERTY: str(self.aigc) if self.aigc else None,
            "atelier:Making": self.making.value,
            "atelier:Provider": self.provider,
            "atelier:Model": self.model,
            "atelier:Item": self.item,
            "atelier:PromptSHA256": self.prompt_sha256 or None,
            "atelier:PromptKept": self.prompt_kept if self.prompt_sha256 else None,
            "atelier:MadeFrom": [f"{role}:{asset}" for role, asset in self.parents],
        }
        if self.making == Making.AI:
            said["Iptc4xmpExt:AISystemUsed"] = self.provider
            said["Iptc4xmpExt:AISystemVersionUsed"] = self.model
            if self.prompt_sha256:
                prompt = f"SHA-256 {self.prompt_sha256}; {self.prompt_kept}"
                said["Iptc4xmpExt:AIPromptInformation"] = prompt
        return said


@dataclass(frozen=True)
class Declared:
    """What a file says of how it was made.

    Attributes:
        source_type: IPTC's code without its address.
        credentials: of a C2PA manifest, as `dam.provenance.credentials` reads it.
        own: the properties of Atelier's namespace, without its prefix.
    """

    source_type: str = ""
    aigc: AIGCLabel | None = None
    credentials: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def making(self) -> Making | None:
        """None: it says nothing about that."""
        codes = {self.source_type, *self.credentials.get("source_types", ())}
        if self.aigc and self.aigc.label == aigc.MADE_BY_AI:
            return Making.PARTLY_AI if codes & COMPOSITES else Making.AI
        if TRAINED in codes:
            return Making.AI
        if EDITED_BY_AI in codes:
            return Making.PARTLY_AI
        if self.aigc or COMPOSITE_SYNTHETIC in codes:
            return Making.POSSIBLY_AI
        return Making.ARRANGED if codes & COMPOSITES else None

    @property
    def kept(self) -> dict[str, xmp.Value]:
        """What every copy of the picture says too, whatever else is left out of it; empty: nothing."""
        if self.making is None:
            return {}
        code = self.source_type or next(iter(self.credentials.get("source_types", ())), "")
        said: dict[str, xmp.Value] = {}
        if code:
            said[SOURCE_TYPE] = SCHEME + code
        if self.aigc:
            said[aigc.PROPERTY] = str(self.aigc)
        return said


def declared(metadata: Mapping[str, Any]) -> Declared:
    """What the embedded metadata of a file, as a version keeps it, says of how it was made."""
    properties = _part(metadata, "xmp")
    prefix = "atelier:"
    return Declared(
        source_type=_code(properties.get(SOURCE_TYPE)),
        aigc=aigc.parsed(properties.get(aigc.PROPERTY)) or aigc.parsed(metadata.get("aigc")),
        credentials=_part(metadata, "c2pa"),
        own={
            name.removeprefix(prefix): value for name, value in properties.items() if name.startswith(prefix)
        },
    )


def _part(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = metadata.get(name)
    return part if isinstance(part, dict) else {}


def _code(value: Any) -> str:
    """IPTC's code, whether the file gives its address or the bare word."""
    found = CODE_OR_ADDRESS.match(xmp.text_of(value).strip())
    return found[1] if found else ""

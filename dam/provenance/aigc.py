"""China's implicit label for AI-made content (GB 45438-2025, appendix E), as pictures carry it.

The fields and their meaning were read in descriptions of the standard and of its guides, not in the texts
themselves: seven texts in one JSON object, `Label` "1" (made by AI), "2" (possibly), "3" (suspected); who
produced it and under which number; and who spread it, which at the first writing is the producer. Values are
printable ASCII without quotation mark and backslash; a file holds one label. TC260-PG-20259A puts it, in
pictures, into XMP as `AIGC` of the namespace http://www.tc260.org.cn/ns/AIGC/1.0/. The reserved codes are for
protections of one's own; none is made up here, so they stay empty.
https://www.tc260.org.cn (guides of 2025-08-28), https://cloud.tencent.com/document/api/460/122025
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

PROPERTY = "TC260:AIGC"
MADE_BY_AI, POSSIBLY, SUSPECTED = "1", "2", "3"
MAX_VALUE = 500
# Everything that is printed, but for space, quotation mark, percent (which escapes) and backslash.
PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%\\')


@dataclass(frozen=True)
class AIGCLabel:
    """What the label says; fields as the standard names them, in `plain`."""

    label: str
    content_producer: str = ""
    produce_id: str = ""
    reserved_code_1: str = ""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code_2: str = ""

    @property
    def plain(self) -> dict[str, str]:
        """By the names and in the order of the standard."""
        return {
            "Label": self.label,
            "ContentProducer": self.content_producer,
            "ProduceID": self.produce_id,
            "ReservedCode1": self.reserved_code_1,
            "ContentPropagator": self.content_propagator,
            "PropagateID": self.propagate_id,
            "ReservedCode2": self.reserved_code_2,
        }

    def __str__(self) -> str:
        """The text that files carry."""
        return json.dumps(self.plain, separators=(",", ":"), ensure_ascii=False)


def is_plain(producer: str) -> bool:
    """Whether the label can hold it as it is."""
    return all(character in PLAIN for character in producer)


def made_here(producer: str, produce_id: str) -> AIGCLabel:
    """The label of a picture that AI has made, at its first writing.

    Args:
        producer: name or code of who offers the service; what the standard does not allow is escaped (%XX).
        produce_id: the number that this picture has there.
    """
    producer = quote(producer, safe=PLAIN)
    return AIGCLabel(
        label=MADE_BY_AI,
        content_producer=producer,
        produce_id=produce_id,
        content_propagator=producer,
        propagate_id=produce_id,
    )


def parsed(text: Any) -> AIGCLabel | None:
    """The label in a text that a file carries, with or without the outer `AIGC`; None: there is none."""
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and isinstance(found.get("AIGC"), dict):
        found = found["AIGC"]
    if not isinstance(found, dict) or not _text(found, "Label"):
        return None
    return AIGCLabel(
        label=_text(found, "Label"),
        content_producer=_text(found, "ContentProducer"),
        produce_id=_text(found, "ProduceID"),
        reserved_code_1=_text(found, "ReservedCode1"),
        content_propagator=_text(found, "ContentPropagator"),
        propagate_id=_text(found, "PropagateID"),
        reserved_code_2=_text(found, "ReservedCode2"),
    )


def _text(found: dict[str, Any], name: str) -> str:
    """Some write the label as a number."""
    value = found.get(name)
    return str(value)[:MAX_VALUE] if isinstance(value, (str, int)) else ""

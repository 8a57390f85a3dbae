"""XMP packets (ISO 16684-1): read as plain values, written with some properties replaced.

A packet is XML from strangers: it is parsed without entities, document types or network, and bounded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from dam.namespaced_xml import written_out
from dam.place import tells_place

MAX_PACKET_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 12
MAX_NESTING = 100
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
META = "adobe:ns:meta/"
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
    "atelier": "urn:atelier:provenance:1.0/",
}
PREFIXES = {
    **{namespace: prefix for prefix, namespace in NAMESPACES.items()},
    RDF: "rdf",
    XML: "xml",
    META: "x",
}
LANG = f"{{{XML}}}lang"
DEFAULT = "x-default"
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What a property is set to: a text, an unordered list, texts by language, or None to take it out.
Value = str | list[str] | dict[str, str | None] | None


class XMPError(ValueError):
    """The packet is not XMP, or more than is read."""


@dataclass(frozen=True)
class _Packet:
    """A parsed packet.

    Attributes:
        root: its outermost element.
        prefixes: prefix by namespace: the usual one, or else the packet's own.
    """

    root: Element
    prefixes: dict[str, str]

    @property
    def rdf(self) -> Element:
        found = self.root if self.root.tag == _rdf_name("RDF") else self.root.find(_rdf_name("RDF"))
        if found is None:
            raise XMPError("no RDF")
        return found

    def descriptions(self) -> list[Element]:
        return self.rdf.findall(_rdf_name("Description"))

    def short(self, name: str) -> str:
        """`prefix:name`; empty for RDF's and XML's own, and for names without a namespace or a prefix."""
        namespace, local = _split(name)
        prefix = "" if namespace in (RDF, XML) else self.prefixes.get(namespace, "")
        return f"{prefix}:{local}" if prefix else ""

    def serialised(self) -> bytes:
        begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        return f'{begin}{written_out(self.root, self.prefixes)}\n<?xpacket end="w"?>'.encode()


def read(packet: bytes) -> dict[str, Any]:
    """The properties by name (`dc:title`), those that people write first.

    Texts in several languages are a dictionary by language, lists are lists, structures dictionaries.
    Known namespaces go by their usual prefix, whatever the packet calls them.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    parsed = _parsed(packet)
    found: dict[str, Any] = {}
    for description in parsed.descriptions():
        for name, value in _members(parsed, description, 0):
            found.setdefault(name, value)
    places = {prefix: place for place, prefix in enumerate(NAMESPACES)}
    return dict(sorted(found.items(), key=lambda item: places.get(item[0].partition(":")[0], len(places))))


def written(packet: bytes | None, values: Mapping[str, Value]) -> bytes:
    """A packet with these properties replaced and everything else as it was; None: a new one.

    Of texts by language the other languages stay, unless "x-default" is the only one given.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    parsed = _parsed(packet) if packet else _new()
    descriptions = parsed.descriptions()
    if not descriptions:
        descriptions = [SubElement(parsed.rdf, _rdf_name("Description"), {_rdf_name("about"): ""})]
    for name, value in values.items():
        present = _taken_out(parsed, descriptions, _expanded(name))
        _put(descriptions[0], name, _merged(present, value) if isinstance(value, dict) else value)
    return parsed.serialised()


def without_place(packet: bytes) -> bytes:
    """The packet without what tells the place; the same bytes if there is nothing of it.

    A reference to an extended packet goes too: what hides the place leaves that part out.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    parsed = _parsed(packet)
    changed = False
    for element in list(parsed.root.iter()):
        for name in [name for name in element.attrib if _is_hidden(name)]:
            del element.attrib[name]
            changed = True
        for child in [child for child in element if _is_hidden(child.tag)]:
            element.remove(child)
            changed = True
    return parsed.serialised() if changed else packet


def text_of(value: Any, *languages: str) -> str:
    """One text out of a property's value: in the first language that it has, or its first text."""
    if isinstance(value, dict):
        for language in languages:
            if text := value.get(language):
                return str(text)
        value = next(iter(value.values()), "")
    if isinstance(value, list):
        return text_of(value[0], *languages) if value else ""
    return value if isinstance(value, str) else ""


def _is_hidden(name: str) -> bool:
    return tells_place(_split(name)[1]) or name == _expanded("xmpNote:HasExtendedXMP")


def _parsed(packet: bytes) -> _Packet:
    packet = packet.strip(b"\0 \t\r\n")
    if not packet or len(packet) > MAX_PACKET_BYTES:
        raise XMPError("empty or too large")
    root, prefixes, depth = None, dict(PREFIXES), 0
    try:
        for event, found in iterparse(io.BytesIO(packet), ("start", "end", "start-ns"), forbid_dtd=True):
            if event == "start-ns":
                _learn(prefixes, *found)
                continue
            root = found if root is None else root
            depth += 1 if event == "start" else -1
            if depth > MAX_NESTING:
                raise XMPError("too deep")
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise XMPError(str(error)) from error
    if root is None:
        raise XMPError("no element")
    parsed = _Packet(root, prefixes)
    parsed.descriptions()
    return parsed


def _learn(prefixes: dict[str, str], prefix: str, namespace: str) -> None:
    """A prefix that stands for something else already is not used for this namespace."""
    if prefix and namespace not in prefixes and prefix not in prefixes.values():
        prefixes[namespace] = prefix


def _members(parsed: _Packet, element: Element, depth: int) -> Iterator[tuple[str, Any]]:
    """What a description or a structure holds, attributes and elements alike."""
    for name, value in element.attrib.items():
        if short := parsed.short(name):
            yield short, value.strip()
    for child in element:
        if short := parsed.short(child.tag):
            yield short, _value(parsed, child, depth + 1)


def _value(parsed: _Packet, element: Element, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    inner = next(iter(element), None)
    if inner is not None and inner.tag in (_rdf_name("Bag"), _rdf_name("Seq"), _rdf_name("Alt")):
        items = inner.findall(_rdf_name("li"))
        if any(item.get(LANG) for item in items):
            return {item.get(LANG) or DEFAULT: _text(item) for item in items}
        return [_value(parsed, item, depth + 1) for item in items]
    if inner is not None and inner.tag == _rdf_name("Description"):
        return dict(_members(parsed, inner, depth))
    structure = dict(_members(parsed, element, depth))
    return structure or element.get(_rdf_name("resource")) or _text(element)


def _text(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _taken_out(parsed: _Packet, descriptions: list[Element], name: str) -> Any:
    """Remove the property; returns the value that it had."""
    value = None
    for description in descriptions:
        value = description.attrib.pop(name, value)
        for element in description.findall(name):
            value = _value(parsed, element, 1)
            description.remove(element)
    return value


def _merged(present: Any, given: dict[str, str | None]) -> dict[str, str | None]:
    """The texts by language after these were set; a language replaces its regional varieties."""
    before = present if isinstance(present, dict) else {DEFAULT: present} if isinstance(present, str) else {}
    if set(given) == {DEFAULT}:
        before = {}
    replaced = {code: text for code, text in before.items() if code.lower().split("-")[0] in given}
    kept = {code: text for code, text in before.items() if code not in replaced and code != DEFAULT}
    after = {code: text for code, text in given.items() if text} | kept
    default = given.get(DEFAULT) or given.get("en")
    if not default and ("en" not in given or given["en"]) and before.get(DEFAULT) not in replaced.values():
        default = before.get(DEFAULT)
    default = default or next(iter(after.values()), None)
    return {DEFAULT: default, **{code: text for code, text in after.items() if code != DEFAULT}}


def _put(description: Element, name: str, value: Value) -> None:
    if not value or (isinstance(value, dict) and not any(value.values())):
        return
    element = SubElement(description, _expanded(name))
    if isinstance(value, str):
        element.text = _allowed(value)
    elif isinstance(value, list):
        bag = SubElement(element, _rdf_name("Bag"))
        for text in value:
            SubElement(bag, _rdf_name("li")).text = _allowed(text)
    else:
        alternatives = SubElement(element, _rdf_name("Alt"))
        for code, language_text in value.items():
            if language_text:
                SubElement(alternatives, _rdf_name("li"), {LANG: code}).text = _allowed(language_text)


def _allowed(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return FORBIDDEN.sub("", text)


def _new() -> _Packet:
    root = Element(f"{{{META}}}xmpmeta")
    SubElement(root, _rdf_name("RDF"))
    return _Packet(root, dict(PREFIXES))


def _split(name: str) -> tuple[str, str]:
    """Namespace and local name of `{namespace}local`."""
    namespace, brace, local = name.rpartition("}")
    return namespace[1:] if brace else "", local


def _expanded(name: str) -> str:
    prefix, _separator, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _rdf_name(local: str) -> str:
    return f"{{{RDF}}}{local}"

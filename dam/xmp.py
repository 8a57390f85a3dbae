"""XMP packets (ISO 16684-1): read as plain values, written with some properties replaced.

A packet is XML from strangers: it is parsed without entities, document types or network, and bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from dam.place import tells_place

MAX_PACKET_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 12
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
}
PREFIXES = {namespace: prefix for prefix, namespace in NAMESPACES.items()}
LANG = f"{{{XML}}}lang"
DEFAULT = "x-default"
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What a property is set to: a text, an unordered list, texts by language, or None to take it out.
Value = str | list[str] | dict[str, str | None] | None


class XMPError(ValueError):
    """The packet is not XMP, or more than is read."""


def read(packet: bytes) -> dict[str, Any]:
    """The properties by name (`dc:title`), those that people write first.

    Texts in several languages are a dictionary by language, lists are lists, structures dictionaries.
    Known namespaces go by their usual prefix, whatever the packet calls them.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    found: dict[str, Any] = {}
    for description in _descriptions(_parsed(packet)):
        for node_name, value in _members(description, 0):
            found.setdefault(node_name, value)
    places = {prefix: place for place, prefix in enumerate(NAMESPACES)}
    return dict(sorted(found.items(), key=lambda item: places.get(item[0].partition(":")[0], len(places))))


def written(packet: bytes | None, values: Mapping[str, Value]) -> bytes:
    """A packet with these properties replaced and everything else as it was; None: a new one.

    Of texts by language the other languages stay, unless "x-default" is the only one given.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    root = _parsed(packet) if packet else _new()
    descriptions = list(_descriptions(root))
    if not descriptions:
        descriptions = [etree.SubElement(_rdf(root), _rdf_name("Description"), {_rdf_name("about"): ""})]
    for name, value in values.items():
        present = _taken_out(descriptions, _expanded(name))
        _put(descriptions[0], name, _merged(present, value) if isinstance(value, dict) else value)
    return _serialised(root)


def without_place(packet: bytes) -> bytes:
    """The packet without what tells the place; the same bytes if there is nothing of it.

    A reference to an extended packet goes too: what hides the place leaves that part out.

    Raises:
        XMPError: the packet is not XMP, or more than is read.
    """
    root = _parsed(packet)
    changed = False
    for element in list(root.iter(etree.Element)):
        for name in list(element.attrib):
            if _is_hidden(name):
                del element.attrib[name]
                changed = True
        if _is_hidden(element.tag) and element.getparent() is not None:
            element.getparent().remove(element)
            changed = True
    return _serialised(root) if changed else packet


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
    local = etree.QName(name).localname
    return tells_place(local) or name == _expanded("xmpNote:HasExtendedXMP")


def _parsed(packet: bytes) -> Any:
    packet = packet.strip(b"\0 \t\r\n")
    if not packet or len(packet) > MAX_PACKET_BYTES:
        raise XMPError("empty or too large")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(packet, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XMPError(str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise XMPError("a document type")
    _rdf(root)
    return root


def _rdf(root: Any) -> Any:
    found = root if root.tag == _rdf_name("RDF") else root.find(_rdf_name("RDF"))
    if found is None:
        raise XMPError("no RDF")
    return found


def _descriptions(root: Any) -> Iterator[Any]:
    return iter(_rdf(root).findall(_rdf_name("Description")))


def _members(element: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """What a description or a structure holds, attributes and elements alike."""
    for name, value in element.attrib.items():
        if short := _short(name, element):
            yield short, value.strip()
    for child in element.iterchildren(etree.Element):
        if short := _short(child.tag, child):
            yield short, _value(child, depth + 1)


def _value(element: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    inner = next(element.iterchildren(etree.Element), None)
    if inner is not None and inner.tag in (_rdf_name("Bag"), _rdf_name("Seq"), _rdf_name("Alt")):
        items = inner.findall(_rdf_name("li"))
        if any(item.get(LANG) for item in items):
            return {item.get(LANG) or DEFAULT: _text(item) for item in items}
        return [_value(item, depth + 1) for item in items]
    if inner is not None and inner.tag == _rdf_name("Description"):
        return dict(_members(inner, depth))
    structure = dict(_members(element, depth))
    if structure:
        return structure
    return element.get(_rdf_name("resource")) or _text(element)


def _text(element: Any) -> str:
    return "".join(element.itertext()).strip()


def _short(name: str, element: Any) -> str:
    """`prefix:name`; empty for RDF's and XML's own, and where a known prefix stands for something else."""
    qualified = etree.QName(name)
    namespace = qualified.namespace or ""
    if namespace in (RDF, XML):
        return ""
    if namespace in PREFIXES:
        return f"{PREFIXES[namespace]}:{qualified.localname}"
    prefix = next((prefix for prefix, uri in element.nsmap.items() if prefix and uri == namespace), "")
    return "" if not prefix or prefix in NAMESPACES else f"{prefix}:{qualified.localname}"


def _taken_out(descriptions: list[Any], name: str) -> Any:
    """Remove the property; returns the value that it had."""
    value = None
    for description in descriptions:
        value = description.attrib.pop(name, value)
        for element in description.findall(name):
            value = _value(element, 1)
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


def _put(description: Any, name: str, value: Value) -> None:
    if not value or (isinstance(value, dict) and not any(value.values())):
        return
    prefix = name.partition(":")[0]
    element = etree.SubElement(description, _expanded(name), nsmap={prefix: NAMESPACES[prefix]})
    if isinstance(value, str):
        element.text = _allowed(value)
    elif isinstance(value, list):
        bag = etree.SubElement(element, _rdf_name("Bag"))
        for text in value:
            etree.SubElement(bag, _rdf_name("li")).text = _allowed(text)
    else:
        alternatives = etree.SubElement(element, _rdf_name("Alt"))
        for code, language_text in value.items():
            if language_text:
                etree.SubElement(alternatives, _rdf_name("li"), {LANG: code}).text = _allowed(language_text)


def _allowed(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return FORBIDDEN.sub("", text)


def _new() -> Any:
    root = etree.Element(f"{{{META}}}xmpmeta", nsmap={"x": META})
    etree.SubElement(root, _rdf_name("RDF"), nsmap={"rdf": RDF})
    return root


def _serialised(root: Any) -> bytes:
    packet: bytes = etree.tostring(root, encoding="UTF-8")
    packet = packet.removeprefix(b"<?xml version='1.0' encoding='UTF-8'?>\n")
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode()
    return begin + packet + b'\n<?xpacket end="w"?>'


def _expanded(name: str) -> str:
    prefix, _separator, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _rdf_name(local: str) -> str:
    return f"{{{RDF}}}{local}"

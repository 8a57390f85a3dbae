"""Elements written out as XML under chosen prefixes; ElementTree's own writer renames unknown ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

XML = "http://www.w3.org/XML/1998/namespace"


def written_out(root: Element, prefixes: Mapping[str, str]) -> str:
    """The element and all in it.

    Args:
        prefixes: prefix by namespace; namespaces without one get the next free `ns1`, `ns2` and so on.
    """
    used = _used(root, prefixes)
    declared = {f"xmlns:{prefix}": namespace for namespace, prefix in used.items() if namespace != XML}
    return "".join(_lines(root, used, declared))


def _used(root: Element, prefixes: Mapping[str, str]) -> dict[str, str]:
    names = (name for element in root.iter() for name in (element.tag, *element.attrib))
    namespaces = dict.fromkeys(name[1:].partition("}")[0] for name in names if name.startswith("{"))
    free = (f"ns{number}" for number in count(1))
    taken = set(prefixes.values())
    return {
        namespace: prefixes.get(namespace) or next(name for name in free if name not in taken)
        for namespace in namespaces
    }


def _lines(element: Element, used: Mapping[str, str], more: Mapping[str, str]) -> Iterator[str]:
    tag = _short(element.tag, used)
    attributes = {**more, **{_short(name, used): value for name, value in element.attrib.items()}}
    yield f"<{tag}{''.join(f' {name}={_quoted(value)}' for name, value in attributes.items())}"
    if not element.text and not len(element):
        yield "/>"
    else:
        yield f">{_escaped(element.text or '')}"
        for child in element:
            yield from _lines(child, used, {})
        yield f"</{tag}>"
    yield _escaped(element.tail or "") if not more else ""


def _short(name: str, used: Mapping[str, str]) -> str:
    if not name.startswith("{"):
        return name
    namespace, _brace, local = name[1:].partition("}")
    return f"{used[namespace]}:{local}"


def _quoted(value: str) -> str:
    return quoteattr(value, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})

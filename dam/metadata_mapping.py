"""Which embedded field is which field of an asset, in both directions.

Of each row the first source that a file has is read; the asset's value is written to the first XMP property,
and to the first IPTC dataset where the file has an IPTC block.

    title, title_zh              dc:title · IPTC ObjectName · EXIF XPTitle
    description, description_zh  dc:description · IPTC Caption-Abstract · EXIF ImageDescription, XPComment
    alt_text, alt_text_zh        Iptc4xmpCore:AltTextAccessibility
    credit                       photoshop:Credit · IPTC Credit
    rights_holder                dc:rights, plus:CopyrightOwner, plus:Licensor · IPTC CopyrightNotice ·
                                 EXIF Copyright
    licence                      xmpRights:UsageTerms
    tags                         dc:subject · IPTC Keywords · EXIF XPKeywords

XMP comes before IPTC, IPTC before EXIF. A text without a language is Chinese if it has Chinese characters
and no kana, and English otherwise. Everything else (camera, exposure, date, place) stays metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dam import xmp

MAX_DESCRIPTION = 10_000
MAX_TAG = 80
MAX_TAGS = 50
ENGLISH, CHINESE = "en", "zh"
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
KANA = re.compile(r"[\u3040-\u30ff]")
SEPARATORS = re.compile(r"[;；,，、\n]")


@dataclass(frozen=True)
class Field:
    """One field of an asset.

    Attributes:
        sources: `group:name`, the first that has a text wins.
        written_to: the XMP property that holds it.
        dataset: the IPTC dataset that must agree, where a file has an IPTC block.
        language: the field is for texts in this language.
        limit: how many characters are kept.
    """

    name: str
    sources: tuple[str, ...]
    written_to: str
    limit: int
    dataset: str = ""
    language: str = ""


TITLE = ("xmp:dc:title", "iptc:ObjectName", "exif:XPTitle")
ALT_TEXT = ("xmp:Iptc4xmpCore:AltTextAccessibility",)
DESCRIPTION = (
    "xmp:dc:description",
    "iptc:Caption-Abstract",
    "exif:ImageDescription",
    "exif:XPComment",
)
RIGHTS = (
    "xmp:dc:rights",
    "xmp:plus:CopyrightOwner",
    "xmp:plus:Licensor",
    "iptc:CopyrightNotice",
    "exif:Copyright",
)
TEXTS = (
    Field("title", TITLE, "dc:title", 255, "ObjectName", ENGLISH),
    Field("title_zh", TITLE, "dc:title", 255, "ObjectName", CHINESE),
    Field("alt_text", ALT_TEXT, "Iptc4xmpCore:AltTextAccessibility", 500, "", ENGLISH),
    Field("alt_text_zh", ALT_TEXT, "Iptc4xmpCore:AltTextAccessibility", 500, "", CHINESE),
    Field("description", DESCRIPTION, "dc:description", MAX_DESCRIPTION, "Caption-Abstract", ENGLISH),
    Field("description_zh", DESCRIPTION, "dc:description", MAX_DESCRIPTION, "Caption-Abstract", CHINESE),
    Field("credit", ("xmp:photoshop:Credit", "iptc:Credit"), "photoshop:Credit", 255, "Credit"),
    Field("rights_holder", RIGHTS, "dc:rights", 255, "CopyrightNotice"),
    Field("licence", ("xmp:xmpRights:UsageTerms",), "xmpRights:UsageTerms", 255),
)
TAG_SOURCES = ("xmp:dc:subject", "iptc:Keywords", "exif:XPKeywords")
TAGS = "tags"
TAGS_WRITTEN_TO, TAGS_DATASET = "dc:subject", "Keywords"
FIELD_NAMES = (*(field.name for field in TEXTS), TAGS)
LANGUAGE_ALTERNATIVES = {"dc:rights", "xmpRights:UsageTerms"}
# Cameras fill these into every picture; they describe nothing.
PLACEHOLDERS = {"default", "untitled", "olympus digital camera", "sony dsc", "samsung", "dcim", "screenshot"}


@dataclass(frozen=True)
class Found:
    """What a file says for one field, and where: `xmp:dc:title`."""

    value: Any
    source: str


def found_in(metadata: Mapping[str, Any]) -> dict[str, Found]:
    """What the file says for each field that it has something for; tags are a list of words."""
    found: dict[str, Found] = {}
    for field in TEXTS:
        # The first source that is there decides for both languages: the others are copies of it.
        source = next((source for source in field.sources if _at(metadata, source)), "")
        if text := _text(_at(metadata, source), field.language)[: field.limit].strip():
            found[field.name] = Found(text, source)
    for source in TAG_SOURCES:
        if words := _words(_at(metadata, source)):
            found[TAGS] = Found(words, source)
            break
    return found


def properties_of(
    values: Mapping[str, Any], emptied: Iterable[str]
) -> tuple[dict[str, xmp.Value], dict[str, list[str]]]:
    """The XMP properties and IPTC datasets that hold these values by field.

    Args:
        emptied: fields without a value whose property must go; that of any other such field stays.
    """
    emptied = set(emptied)
    properties: dict[str, xmp.Value] = {}
    datasets: dict[str, list[str]] = {}
    for field in TEXTS:
        value = values.get(field.name) or None
        if value is None and field.name not in emptied:
            continue
        if field.language:
            texts = properties.setdefault(field.written_to, {})
            assert isinstance(texts, dict)  # noqa: S101  as it was made the line before
            texts[field.language] = value
        else:
            properties[field.written_to] = (
                {xmp.DEFAULT: value} if value and field.written_to in LANGUAGE_ALTERNATIVES else value
            )
        if field.dataset and not datasets.get(field.dataset):
            datasets[field.dataset] = [value] if value else []
    if values.get(TAGS) or TAGS in emptied:
        words = list(values.get(TAGS) or ())
        properties[TAGS_WRITTEN_TO], datasets[TAGS_DATASET] = words or None, words
    return properties, datasets


def _at(metadata: Mapping[str, Any], source: str) -> Any:
    group, _separator, name = source.partition(":")
    part = metadata.get(group)
    return part.get(name) if isinstance(part, dict) else None


def _text(value: Any, language: str) -> str:
    """The text for a field of this language (empty: of any)."""
    if isinstance(value, list):  # an ordered list of owners or licensors
        value = value[0] if value else None
    if isinstance(value, dict):
        names = [text for name, text in value.items() if name.endswith(("OwnerName", "LicensorName"))]
        if names:
            return xmp.text_of(names[0])
    if isinstance(value, str):
        value = {xmp.DEFAULT: value}
    if not isinstance(value, dict):
        return ""
    by_language = {code.lower(): text for code, text in value.items() if isinstance(text, str)}
    if not language:
        return xmp.text_of(by_language, xmp.DEFAULT, ENGLISH, CHINESE)
    own = _in_language(by_language, language)
    other = _in_language(by_language, CHINESE if language == ENGLISH else ENGLISH)
    default = by_language.get(xmp.DEFAULT, "")
    if own or default == other or _is_placeholder(default):
        return own
    return default if _is_chinese(default) == (language == CHINESE) else ""


def _in_language(texts: Mapping[str, str], language: str) -> str:
    """The language itself, or the first of its varieties (simplified characters before others)."""
    exact = (language, f"{language}-hans", f"{language}-cn", f"{language}-us")
    varieties = [code for code in texts if code.split("-")[0] == language]
    return next((texts[code] for code in (*exact, *varieties) if texts.get(code)), "")


def _is_chinese(text: str) -> bool:
    return HAN.search(text) is not None and KANA.search(text) is None


def _is_placeholder(text: str) -> bool:
    return " ".join(text.lower().split()) in PLACEHOLDERS


def _words(value: Any) -> list[str]:
    """Keywords as tags: a list as it is, one text (as Windows writes it) by its separators."""
    if isinstance(value, dict):
        value = list(value.values())
    listed = SEPARATORS.split(value) if isinstance(value, str) else value if isinstance(value, list) else []
    words = [word.strip() for word in listed if isinstance(word, str)]
    return list(dict.fromkeys(word for word in words if 0 < len(word) <= MAX_TAG))[:MAX_TAGS]

"""The style that the pictures of a plan are to have: a style set, or “more like these pictures”."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dam.languages import in_language
from dam.models import Asset
from generation.models import StyleSet

# So many reference pictures go in at most: more dilute what the others show.
MOST_PICTURES = 3


class StyleError(ValueError):
    """There is no such style; the message is a sentence."""


@dataclass(frozen=True)
class Style:
    """Reference pictures and words, in both languages; `slug` where they are a set's."""

    pictures: tuple[Asset, ...] = ()
    words: str = ""
    words_zh: str = ""
    negative: str = ""
    negative_zh: str = ""
    slug: str = ""

    def in_words(self, language: str) -> str:
        """The words in this language, or in the other one."""
        return in_language(self.words, self.words_zh, language)

    def without(self, language: str) -> str:
        """What is not to be seen, in this language or in the other one."""
        return in_language(self.negative, self.negative_zh, language)


def find_style(slug: str) -> Style:
    """The style set of this name; in two queries.

    Raises:
        StyleError: there is none.
    """
    row = StyleSet.objects.filter(slug=slug).first()
    if row is None:
        known = ", ".join(StyleSet.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise StyleError(
            _("There is no style set “%(name)s”. Known: %(known)s.")
            % {"name": slug, "known": known or _("none")}
        )
    pictures = row.pictures.select_related("current").order_by("pk")[:MOST_PICTURES]
    return Style(tuple(pictures), row.words, row.words_zh, row.negative, row.negative_zh, row.slug)


def like(assets: Sequence[Asset]) -> Style:
    """More in the style of these pictures."""
    return Style(tuple(assets[:MOST_PICTURES]))

"""Why an asset was found, for people: which words, which colour, which likeness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dam.models import Asset
from search.index.lexemes import lexemes, spelling
from search.index.palette import likeness
from search.request import LegMatch, SearchRequest, Why, WordMatch, forms_of
from search.understanding import Understanding

FIELDS = {
    "sku": gettext_lazy("SKU"),
    "title": gettext_lazy("title"),
    "alt_text": gettext_lazy("alternative text"),
    "tag": gettext_lazy("tag"),
    "description": gettext_lazy("description"),
}
SHOWN_WORDS = 8


class Reasons:
    """Explains the hits of one request from what is loaded for showing them; no queries.

    Other words for what was asked are told of an asset that has none of those that were typed.
    """

    def __init__(self, request: SearchRequest, understood: Understanding) -> None:
        self._request = request
        self._typed = {form.casefold() for form in forms_of(request.text)}
        self._asked = _lexemes([understood.wanted])
        self._also = _lexemes(understood.also) if understood.wanted else set()

    def of(self, asset: Asset, legs: Sequence[LegMatch]) -> Why:
        """Expects the asset's version, tags and SKUs to be loaded (`AssetQuerySet.with_listing`)."""
        words = tuple(_words(asset, self._asked)) or tuple(_words(asset, self._also))
        exact = self._exact(asset) if any(leg.leg == "exact" for leg in legs) else ""
        colours = tuple(self._colours(asset))
        return Why(
            sentence=" ".join(self._sentences(legs, words, exact, colours)),
            legs=tuple(legs),
            words=words,
            colours=colours,
            exact=exact,
        )

    def _exact(self, asset: Asset) -> str:
        names = [link.sku.code for link in asset.sku_links.all()] + [asset.title, asset.title_zh]
        return next((name for name in names if name.casefold() in self._typed), "")

    def _colours(self, asset: Asset) -> Iterator[str]:
        """Of the asset's own colours those that are meant by the picked ones."""
        kept = asset.current.colours if asset.current else []
        for picked in self._request.colours:
            near = max(kept, key=lambda colour: likeness(picked, [colour]), default=None)
            if near is not None and likeness(picked, [near]) > 0:
                yield near["hex"]

    def _sentences(
        self, legs: Sequence[LegMatch], words: Sequence[WordMatch], exact: str, colours: Sequence[str]
    ) -> Iterator[str]:
        if exact:
            yield _("Its code or title is “%(name)s”.") % {"name": exact}
        elif words:
            listed = _(", ").join(_("“%(word)s”") % {"word": match.word} for match in words[:SHOWN_WORDS])
            fields = _(", ").join(dict.fromkeys(match.label for match in words))
            yield _("Has %(words)s (%(fields)s).") % {"words": listed, "fields": fields}
        for leg in legs:
            if leg.leg == "cosine":
                yield self._nearness(leg)
        if colours:
            yield _("Has a colour close to the one that was picked: %(colours)s.") % {
                "colours": _(", ").join(colours)
            }
        if any(leg.leg == "newest" for leg in legs):
            yield _("One of the newest.")

    def _nearness(self, leg: LegMatch) -> str:
        told = {"rank": leg.rank, "score": f"{leg.score:.2f}", "encoder": leg.space}
        if self._request.all_parts or self._request.likes:
            return _("Looks alike: number %(rank)d by “%(encoder)s” (cosine %(score)s).") % told
        return _("Shows what is described: number %(rank)d by “%(encoder)s” (cosine %(score)s).") % told


def _lexemes(texts: Iterable[str]) -> set[str]:
    return {lexeme for text in texts for lexeme in lexemes(text, query=True)}


def _words(asset: Asset, asked: set[str]) -> Iterator[WordMatch]:
    """Each word once, in the first field that has it."""
    missing = set(asked)
    for name, text in _texts(asset):
        if not missing:
            return
        if here := sorted(missing.intersection(lexemes(text))):
            spelled = spelling(text)
            for lexeme in here:
                yield WordMatch(spelled.get(lexeme, lexeme), name, str(FIELDS[name]))
            missing.difference_update(here)


def _texts(asset: Asset) -> Iterator[tuple[str, str]]:
    for link in asset.sku_links.all():
        yield "sku", f"{link.sku.code} {link.sku.name} {link.sku.name_zh}"
    yield "title", f"{asset.title} {asset.title_zh}"
    for tag in asset.tags.all():
        yield "tag", " ".join((tag.label, tag.label_zh, *tag.synonyms))
    yield "alt_text", f"{asset.alt_text} {asset.alt_text_zh}"
    yield "description", f"{asset.description} {asset.description_zh}"

"""What does not go together in one picture, and why: combination rules applied to assets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.models import Asset, AssetKind, Tag
from generation.models import CombinationRule

KIND = "kind:"


class RuleError(ValueError):
    """A rule is written wrongly; the message is a sentence."""


@dataclass(frozen=True)
class Rule:
    """A rule with the keys of the assets of a plan that it means."""

    name: str
    meant: frozenset[int]
    others: frozenset[int]
    at_most: int

    def offenders(self, assets: Sequence[Asset]) -> tuple[Asset, ...]:
        """Those of the assets of one picture that this rule does not let together."""
        meant = [asset for asset in assets if asset.pk in self.meant]
        if not meant:
            return ()
        if not self.others:
            return tuple(meant) if len(meant) > self.at_most else ()
        with_them = [asset for asset in assets if asset.pk in self.others and asset.pk not in self.meant]
        return (*meant, *with_them) if with_them else ()

    @property
    def reason(self) -> str:
        """Why, as a sentence."""
        if self.others:
            return _("Rule “%(rule)s”: these do not go together.") % {"rule": self.name}
        sentence = ngettext(
            "Rule “%(rule)s”: at most %(count)d of these in one picture.",
            "Rule “%(rule)s”: at most %(count)d of these in one picture.",
            self.at_most,
        )
        return sentence % {"rule": self.name, "count": self.at_most}


def rules_for(assets: Iterable[Asset]) -> list[Rule]:
    """The active rules that mean some of these assets; in three queries, whatever their number."""
    rows = list(CombinationRule.objects.filter(active=True))
    by_key = {asset.pk: asset for asset in assets}
    if not rows or not by_key:
        return []
    carried: dict[int, set[int]] = defaultdict(set)
    links = Asset.tags.through.objects.filter(asset__in=by_key)
    for asset_id, tag_id in links.values_list("asset_id", "tag_id"):
        carried[tag_id].add(asset_id)
    tags = _Tags(Tag.objects.only("id", "slug", "label", "label_zh", "synonyms", "parent_id"))
    found = []
    for row in rows:
        meant, others = (_meant(terms, by_key, carried, tags) for terms in (row.terms, row.others))
        if meant and (others or not row.others):
            found.append(Rule(str(row), meant, others, row.at_most))
    return found


def check_terms(terms: Sequence[str]) -> list[str]:
    """The terms as a rule keeps them.

    Raises:
        RuleError: one names a kind that there is not.
    """
    kept = [term.strip() for term in terms if term.strip()]
    for term in kept:
        kind = term.removeprefix(KIND)
        if term.startswith(KIND) and kind not in AssetKind.values:
            raise RuleError(
                _("There is no kind “%(kind)s”. Kinds: %(known)s.")
                % {"kind": kind, "known": ", ".join(AssetKind.values)}
            )
    return kept


class _Tags:
    """Tags by every word that they are called by, with those below them."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        self._by_word: dict[str, set[int]] = defaultdict(set)
        self._below: dict[int, list[int]] = defaultdict(list)
        for tag in tags:
            for word in (tag.slug, tag.label, tag.label_zh, *tag.synonyms):
                self._by_word[word.strip().casefold()].add(tag.pk)
            if tag.parent_id:
                self._below[tag.parent_id].append(tag.pk)

    def named(self, word: str) -> set[int]:
        found: set[int] = set()
        waiting = list(self._by_word.get(word.casefold(), ()))
        while waiting:
            tag = waiting.pop()
            if tag not in found:
                found.add(tag)
                waiting += self._below[tag]
        return found


def _meant(
    terms: Sequence[str], assets: Mapping[int, Asset], carried: Mapping[int, set[int]], tags: _Tags
) -> frozenset[int]:
    meant: set[int] = set()
    for term in terms:
        if term.startswith(KIND):
            meant |= {key for key, asset in assets.items() if asset.kind == term.removeprefix(KIND)}
        else:
            for tag in tags.named(term):
                meant |= carried.get(tag, set())
    return frozenset(meant)

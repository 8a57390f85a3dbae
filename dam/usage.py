"""What uses assets, told in sentences before they are thrown away.

Each way to be used is a `Source`; the library registers its own (`dam.usage_sources`), other apps theirs.
What uses many assets takes one query for each source, two for accounts that see but a part of the library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, F, Model, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam.audit import name_of
from dam.models import Asset
from dam.roles import sees_library

SHOWN = 5  # uses that are named, of one kind and asset
PROBED = 2000  # assets that are looked at when many are thrown away
Viewer = User | AnonymousUser | None  # None: the command line, which sees everything


@dataclass(frozen=True)
class Use:
    """One thing that uses an asset.

    Attributes:
        thing: the row itself.
        name: what people call it.
        detail: in which way it uses the asset, where there is more to say.
        breaks: people outside lose something if the asset is thrown away.
    """

    thing: Model
    name: str
    detail: str = ""
    breaks: bool = False

    def __str__(self) -> str:
        return f"“{self.name}” ({self.detail})" if self.detail else f"“{self.name}”"

    @property
    def id(self) -> str:
        """Its public name."""
        return name_of(self.thing)


@dataclass(frozen=True)
class Source:
    """One way in which assets are used.

    Attributes:
        kind: its name in the API.
        label: what people call it.
        asset: the column of `rows` with the asset's key.
        rows: a row for each use of one of these assets.
        seen: those rows that an account may see which does not see the whole library.
        use: what a row tells.
        says: the number of uses and their names as a part of a sentence about the asset.
        remedy: what to do before the asset can be deleted for good; empty: it does not stand in the way.
        order: the uses that are named first.
    """

    kind: str
    label: str | Promise
    asset: str
    rows: Callable[[Sequence[int]], QuerySet]
    seen: Callable[[QuerySet, Viewer], QuerySet]
    use: Callable[[Any], Use]
    says: Callable[[int, str], str]
    remedy: str | Promise = ""
    order: tuple[Any, ...] = ("pk",)

    @property
    def hinders(self) -> bool:
        return bool(self.remedy)


_sources: dict[str, Source] = {}


@dataclass(frozen=True)
class UsedBy:
    """The uses of one kind that the account may see: how many, and the first of them."""

    source: Source
    count: int
    first: list[Use]

    def __str__(self) -> str:
        names = ", ".join(map(str, self.first))
        if self.more:
            names = _("%(names)s and %(more)d more") % {"names": names, "more": self.more}
        return self.source.says(self.count, names)

    @property
    def more(self) -> int:
        """Uses that are not named."""
        return self.count - len(self.first)


@dataclass
class Usage:
    """What uses one asset, as far as the account may see it.

    Attributes:
        hindering: uses that stand in the way of deleting it for good, those that the account may not see
            among them.
    """

    asset: Asset
    by: list[UsedBy] = field(default_factory=list)
    hindering: int = 0

    def __bool__(self) -> bool:
        return bool(self.by or self.hindering)

    @property
    def hidden(self) -> int:
        """Uses in the way of deleting for good that the account may not see."""
        return self.hindering - sum(one.count for one in self.by if one.source.hinders)

    @property
    def breaks(self) -> bool:
        """Whether throwing it away takes something from others: what restoring alone does not undo."""
        return bool(self.hindering) or any(use.breaks for one in self.by for use in one.first)

    @property
    def clauses(self) -> list[str]:
        """What is said of it, one kind of use after the other."""
        said = [str(one) for one in self.by]
        if self.hidden:
            said.append(
                ngettext(
                    "%(count)d thing uses it that you may not see",
                    "%(count)d things use it that you may not see",
                    self.hidden,
                )
                % {"count": self.hidden}
            )
        return said

    @property
    def sentence(self) -> str:
        """The whole of it; empty where nothing uses the asset."""
        if not self:
            return ""
        return _("“%(title)s” %(uses)s.") % {"title": self.asset, "uses": "; ".join(self.clauses)}

    @property
    def refusal(self) -> str:
        """Why it cannot be deleted for good, and what to do; empty where it can."""
        if not self.hindering:
            return ""
        hindering = [one for one in self.by if one.source.hinders]
        uses = "; ".join([*map(str, hindering), *self.clauses[len(self.by) :]])
        sentence = _("“%(title)s” cannot be deleted for good: %(uses)s.")
        remedies = [str(one.source.remedy) for one in hindering]
        return " ".join([sentence % {"title": self.asset, "uses": uses}, *remedies])


def of(assets: Iterable[Asset], viewer: Viewer) -> list[Usage]:
    """What uses each of these assets."""
    found = {asset.pk: Usage(asset) for asset in assets}
    keys = list(found)
    for source in sources():
        rows = source.rows(keys)
        seen = rows if viewer is None or sees_library(viewer) else source.seen(rows, viewer)
        for key, used_by in _first(source, seen).items():
            found[key].by.append(used_by)
            found[key].hindering += used_by.count if source.hinders and seen is rows else 0
        if source.hinders and seen is not rows:
            for key, number in _numbers(source, rows).items():
                found[key].hindering += number
    return list(found.values())


def among(assets: QuerySet[Asset] | Iterable[Asset], viewer: Viewer, shown: int) -> tuple[list[Usage], int]:
    """What uses the first of many assets that are used, and how many of at most PROBED are."""
    if isinstance(assets, QuerySet):
        keys = list(assets.order_by("pk").values_list("pk", flat=True)[:PROBED])
    else:
        keys = [asset.pk for asset in assets][:PROBED]
    used: set[int] = set()
    for source in sources():
        rows = source.rows(keys)
        if not (viewer is None or sees_library(viewer) or source.hinders):
            rows = source.seen(rows, viewer)
        used.update(rows.order_by().values_list(source.asset, flat=True).distinct())
    first = Asset.objects.filter(pk__in=sorted(used)[:shown]).select_related("current").order_by("pk")
    return of(first, viewer), len(used)


def register(source: Source) -> None:
    """Add a way in which assets are used; one of the same kind is replaced."""
    _sources[source.kind] = source


def sources() -> list[Source]:
    """All ways in which assets are used."""
    return list(_sources.values())


def _first(source: Source, rows: QuerySet) -> dict[int, UsedBy]:
    """By asset; the window is counted before the rows are cut."""
    counted = rows.annotate(
        uses=Window(Count("*"), partition_by=[F(source.asset)]),
        place=Window(RowNumber(), partition_by=[F(source.asset)], order_by=source.order),
    )
    found: dict[int, UsedBy] = {}
    for row in counted.filter(place__lte=SHOWN).order_by(source.asset, "place"):
        key = getattr(row, source.asset)
        found.setdefault(key, UsedBy(source, row.uses, [])).first.append(source.use(row))
    return found


def _numbers(source: Source, rows: QuerySet) -> Counter[int]:
    numbers = rows.order_by().values_list(source.asset).annotate(number=Count("pk"))
    return Counter(dict(numbers))

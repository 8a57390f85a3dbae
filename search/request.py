"""What somebody asks of the search, and what they are told."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date

from django.utils.translation import gettext as _
from PIL import Image

from dam.models import Asset
from search.understanding import Understanding

CANDIDATES = 200
MAX_DEPTH = 5_000
MAX_WORDS = 1_000
MAX_PARTS = 20
MAX_WEIGHT = 10.0
MAX_VALUES = 100
MAX_COLOURS = 6
HEX = re.compile(r"#[0-9a-f]{6}")


def forms_of(text: str) -> list[str]:
    """As it was typed, and in plain width: ＤＲ－７７ is how DR-77 is typed among Chinese."""
    return list(dict.fromkeys(form.strip() for form in (text, unicodedata.normalize("NFKC", text))))


class SearchError(Exception):
    """The request cannot be answered; the message says why and what to do."""


@dataclass(frozen=True)
class Filters:
    """What hits must be (any of the values of a field) and must not be (none of them).

    Attributes:
        tag: slugs, labels or synonyms; tags below them count as well.
        all_tags: each of these must be there.
        sku: codes.
        colour: main colour families.
        collection, owner: primary keys.
        created_from, created_to: days in the local time zone, both included.
    """

    kind: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    aspect: tuple[str, ...] = ()
    colour: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    all_tags: tuple[str, ...] = ()
    sku: tuple[str, ...] = ()
    collection: tuple[int, ...] = ()
    owner: tuple[int, ...] = ()
    not_kind: tuple[str, ...] = ()
    not_state: tuple[str, ...] = ()
    not_origin: tuple[str, ...] = ()
    not_aspect: tuple[str, ...] = ()
    not_colour: tuple[str, ...] = ()
    not_tag: tuple[str, ...] = ()
    not_sku: tuple[str, ...] = ()
    not_collection: tuple[int, ...] = ()
    not_owner: tuple[int, ...] = ()
    created_from: date | None = None
    created_to: date | None = None

    def __bool__(self) -> bool:
        return any(asdict(self).values())


@dataclass(frozen=True)
class Part:
    """One of several things that are asked for at once; exactly one of text, image and asset is given.

    Attributes:
        weight: how much it counts beside the others; below 0: not like this.
    """

    weight: float = 1.0
    text: str = ""
    image: Image.Image | None = None
    asset: Asset | None = None


@dataclass(frozen=True)
class SearchRequest:
    """What somebody asks for. Words, pictures and assets may be combined; filters narrow.

    Attributes:
        text: a sentence. It is taken apart: "t-shirt without logo" asks for one thing and not for another.
        image, like: a picture and an asset that count as much as the text.
        likes: pictures of one thing; their mean counts as one picture.
        parts: more of them, each with a weight.
        colours: picked colours as "#rrggbb"; hits have each of them, the nearest first.
        collapse: near duplicates and variants of one article count as one hit.
        literal: the text is taken as it is written; nothing in it is corrected.
        relevant_only: a text finds nothing where nothing is near enough; otherwise always the nearest.
        space: slug of the space that is asked instead of the live ones, to compare encoders.
        group: the group that is opened, `Hit.group`; only its members are found.
        facets: what was found is counted by kind, colour, tag and so on, which takes its time.
        offset: how many hits to leave out; `after` is better where it is at hand.
        after: `SearchResults.next` of the page before.
    """

    text: str = ""
    image: Image.Image | None = None
    like: Asset | None = None
    likes: tuple[Asset, ...] = ()
    parts: tuple[Part, ...] = ()
    colours: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    collapse: bool = False
    literal: bool = False
    relevant_only: bool = True
    space: str = ""
    group: str = ""
    facets: bool = False
    limit: int = 48
    offset: int = 0
    after: str = ""

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """Everything but `text` and `likes` with its weight."""
        single = []
        if self.image is not None:
            single.append(Part(image=self.image))
        if self.like is not None:
            single.append(Part(asset=self.like))
        return (*single, *self.parts)

    @property
    def asks_by_meaning(self) -> bool:
        """Something is given that has a vector."""
        return bool(self.text.strip() or self.likes or self.all_parts)

    @property
    def is_selective(self) -> bool:
        """A sentence may find nothing; to a picture something is always the most alike."""
        alone = not self.likes and not self.all_parts
        return self.relevant_only and alone and bool(self.text.strip())

    @property
    def not_itself(self) -> tuple[int, ...]:
        """Assets that are asked with are no answer."""
        return tuple(part.asset.pk for part in self.all_parts if part.asset is not None)

    def fingerprint(self) -> str:
        """The same for requests that differ in their page only."""
        digest = hashlib.blake2b(digest_size=12)
        digest.update(
            json.dumps(
                [
                    self.text,
                    self.colours,
                    self.collapse,
                    self.relevant_only,
                    self.literal,
                    self.space,
                    self.group,
                ]
            ).encode()
        )
        digest.update(json.dumps(asdict(self.filters), default=str).encode())
        for kind in _identities(self):
            digest.update(kind)
        return digest.hexdigest()

    def check(self) -> None:
        """Refuse what is too long, too deep or contradicts itself.

        Raises:
            SearchError: with a sentence saying what to change.
        """
        if len(self.text) > MAX_WORDS or any(len(part.text) > MAX_WORDS for part in self.parts):
            raise SearchError(
                _("The text is longer than %(most)d characters; shorten it.") % {"most": MAX_WORDS}
            )
        if not 1 <= self.limit <= CANDIDATES:
            raise SearchError(_("“limit” must lie between 1 and %(most)d.") % {"most": CANDIDATES})
        if not 0 <= self.offset <= MAX_DEPTH:
            raise SearchError(
                _("Nobody pages deeper than %(most)d results; refine the search.") % {"most": MAX_DEPTH}
            )
        if len(self.parts) > MAX_PARTS:
            raise SearchError(_("Ask with at most %(most)d things at once.") % {"most": MAX_PARTS})
        if any(not 0 < abs(part.weight) <= MAX_WEIGHT for part in self.parts):
            raise SearchError(
                _("A weight lies between -%(most)d and %(most)d and is not 0.") % {"most": MAX_WEIGHT}
            )
        if len(self.colours) > MAX_COLOURS:
            raise SearchError(_("Pick at most %(most)d colours.") % {"most": MAX_COLOURS})
        if any(not HEX.fullmatch(colour) for colour in self.colours):
            raise SearchError(_("A colour is written like #1e90ff."))
        if any(isinstance(v, tuple) and len(v) > MAX_VALUES for v in vars(self.filters).values()):
            raise SearchError(_("A filter takes at most %(most)d values.") % {"most": MAX_VALUES})


def _identities(request: SearchRequest) -> Iterator[bytes]:
    for asset in request.likes:
        yield b"like%d" % asset.pk
    for part in request.all_parts:
        yield f"{part.weight}|{part.text}|{part.asset.pk if part.asset else ''}|".encode()
        if part.image is not None:
            yield hashlib.blake2b(part.image.tobytes(), digest_size=16).digest()


@dataclass(frozen=True)
class LegMatch:
    """What one leg says of a hit: "cosine" in a space, "bm25", "words", "exact", "colour" or "newest".

    Attributes:
        rank: its place in that leg, from 1.
    """

    leg: str
    score: float
    rank: int
    space: str = ""


@dataclass(frozen=True)
class WordMatch:
    """A word of the question that stands in the asset, and the field where it stands."""

    word: str
    field: str
    label: str


@dataclass(frozen=True)
class Why:
    """Why an asset was found.

    Attributes:
        sentence: for people, in their language.
        exact: the SKU code or title that is exactly what was typed, or empty.
        colours: the asset's colours that are meant, as "#rrggbb".
    """

    sentence: str
    legs: tuple[LegMatch, ...] = ()
    words: tuple[WordMatch, ...] = ()
    colours: tuple[str, ...] = ()
    exact: str = ""


@dataclass(frozen=True)
class Hit:
    """An asset, its fused score, and each leg's own: cosine, bm25, exact.

    Attributes:
        similar: how many more of the same stand behind it (near duplicates, variants of its article).
        group: names that group for `SearchRequest.group`; empty where there is no other.
    """

    asset: Asset
    score: float
    legs: dict[str, float]
    why: Why = field(default_factory=lambda: Why(""))
    similar: int = 0
    group: str = ""


@dataclass(frozen=True)
class FacetCount:
    """How many of the found assets have this value; `value` is what the filter of that name takes."""

    value: str
    label: str
    count: int


@dataclass(frozen=True)
class SearchResults:
    """A page of hits.

    Attributes:
        total: assets that were found, those behind a group's first included.
        groups: hits that can be paged through; less than `total` where groups are collapsed.
        complete: false where more than `total` would be found by paging on.
        degraded: why the answer is poorer than usual, or empty.
        understood: how the text was taken; with its corrections and unwanted phrases.
        facets: if asked for, of the found assets: kind, colour, tag, aspect, origin, and state for those who
            see more than the storefront; each the most frequent first.
        empty_because: why nothing was found and what to try, or empty.
        next: for `SearchRequest.after`; empty on the last page.
        query_id: names this question in the log of queries, where one is kept.
    """

    hits: list[Hit]
    total: int
    took_ms: float
    encoder: str
    degraded: str = ""
    groups: int = 0
    complete: bool = True
    understood: Understanding = field(default_factory=lambda: Understanding(""))
    facets: dict[str, list[FacetCount]] = field(default_factory=dict)
    empty_because: str = ""
    next: str = ""
    query_id: str = ""

    @property
    def corrections(self) -> dict[str, str]:
        return self.understood.corrections

    @property
    def unwanted(self) -> tuple[str, ...]:
        return self.understood.unwanted

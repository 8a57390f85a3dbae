"""Loading the sample library: drawings, their colourways and backdrops, through the ordinary ingest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, zip_longest

from tqdm import tqdm

from dam import editing
from dam.ingest import AssetMetadata, IngestItem, Outcome, ingest_many
from dam.models import SKU, Asset, AssetKind, AssetOrigin, AssetState, Collection, SKURole, Tag
from dam.sample import openmoji
from dam.sample.backdrops import BACKDROPS, WIDTH
from dam.sample.colourways import colourways
from dam.svg import rasterise

DRAWING_SIDE = 618  # the size at which OpenMoji itself publishes PNG
SOLD = (AssetKind.GARMENT, AssetKind.ACCESSORY, AssetKind.PRODUCT)
# A small part of the library is a mixture of these; the rest, kind `other`, comes after them.
KINDS_FIRST = (
    AssetKind.SCENE,
    AssetKind.MODEL,
    AssetKind.GARMENT,
    AssetKind.ACCESSORY,
    AssetKind.CHARACTER,
    AssetKind.PROP,
    AssetKind.PRODUCT,
)
BACKDROP_TAGS = (
    ("studio", "Studio", "影棚"),
    ("indoor", "Indoor", "室内"),
    ("outdoor", "Outdoor", "户外"),
    ("backdrop", "Backdrop", "背景"),
)
COLLECTIONS = (
    ("Wardrobe", "衣橱", {"kind__in": [AssetKind.GARMENT, AssetKind.ACCESSORY]}),
    ("Backdrops", "背景", {"tags__slug": "backdrop"}),
    ("Fantasy cast", "奇幻角色", {"tags__slug": "fantasy"}),
)


@dataclass(frozen=True)
class Sample:
    """One picture of the sample library, not rendered yet."""

    code: str
    svg: Callable[[], bytes]
    side: int
    metadata: AssetMetadata


@dataclass
class LoadReport:
    """What loading did."""

    imported: int = 0
    duplicates: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def pictures_per_second(self) -> float:
        return (self.imported + self.duplicates) / self.seconds if self.seconds else 0.0


def load_sample(limit: int | None = None, *, skin_tones: bool = False) -> LoadReport:
    """Load the sample library; what is in the library already is left as it is.

    Args:
        limit: only so many pictures, a mixture of all kinds.
        skin_tones: also every person and hand in five skin tones.
    """
    report = LoadReport()
    started = time.perf_counter()
    chosen = samples(skin_tones)[:limit]
    _name_tags()
    _name_skus(chosen)
    # What is most useful comes last, since the library shows the newest first.
    items = (_item(sample) for sample in reversed(chosen))
    taken = ingest_many(items, owner=None, origin=AssetOrigin.IMPORTED)
    for outcome in tqdm(taken, "Sample library", len(chosen), unit=" pictures", disable=None):
        _count(outcome, report)
    _collect()
    report.seconds = time.perf_counter() - started
    return report


def samples(skin_tones: bool = False) -> list[Sample]:
    """Everything there is, a mixture of the kinds first."""
    everything = list(_all(skin_tones))
    by_kind = [[sample for sample in everything if sample.metadata.kind == kind] for kind in KINDS_FIRST]
    mixture = [sample for row in zip_longest(*by_kind) for sample in row if sample is not None]
    return mixture + [sample for sample in everything if sample.metadata.kind not in KINDS_FIRST]


def _all(skin_tones: bool) -> Iterator[Sample]:
    for backdrop in BACKDROPS:
        metadata = AssetMetadata(
            title=backdrop.title,
            title_zh=backdrop.title_zh,
            kind=AssetKind.SCENE,
            licence="CC0 1.0",
            rights_holder="Atelier",
            tags=("backdrop", *backdrop.tags),
            state=AssetState.APPROVED,
        )
        yield Sample(backdrop.code, partial(getattr, backdrop, "svg"), WIDTH, metadata)
    drawings = openmoji.drawings(skin_tones)
    for drawing in drawings:
        metadata = _of_openmoji(
            drawing.code,
            drawing.title,
            drawing.title_zh,
            drawing.group,
            description="".join(f"Also: {title}. " for title, _title_zh in drawing.also).strip(),
            description_zh="".join(f"也是：{title_zh}。" for _title, title_zh in drawing.also),
        )
        yield Sample(drawing.code, partial(getattr, drawing, "svg"), DRAWING_SIDE, metadata)
    for dyed in colourways(drawings):
        metadata = _of_openmoji(
            dyed.code,
            dyed.title,
            dyed.title_zh,
            dyed.drawing.group,
            description=f"Recoloured from the OpenMoji drawing {dyed.drawing.code}.",
            description_zh=f"由 OpenMoji 图画 {dyed.drawing.code} 改色而成。",
        )
        yield Sample(dyed.code, partial(getattr, dyed, "svg"), DRAWING_SIDE, metadata)


def _of_openmoji(
    code: str,
    title: str,
    title_zh: str,
    group: openmoji.Group,
    description: str = "",
    description_zh: str = "",
) -> AssetMetadata:
    return AssetMetadata(
        title=title,
        title_zh=title_zh,
        description=description,
        description_zh=description_zh,
        kind=group.kind,
        licence=openmoji.LICENCE,
        rights_holder=openmoji.RIGHTS_HOLDER,
        tags=(group.tag,),
        skus=((sku_code(code), SKURole.PACKSHOT),) if group.kind in SOLD else (),
        state=AssetState.APPROVED,
    )


def sku_code(code: str) -> str:
    """The SKU of the article that a drawing shows."""
    return f"OM-{code}"


def _item(sample: Sample) -> IngestItem:
    return IngestItem(
        source=lambda: rasterise(sample.svg(), sample.side),
        filename=f"{sample.code}.png",
        metadata=sample.metadata,
    )


def _name_tags() -> None:
    """Ingest would create the tags too, but with one word for both languages."""
    drawn = ((group.tag, group.label, group.label_zh) for group in openmoji.groups())
    Tag.objects.bulk_create(
        [
            Tag(slug=slug, label=label, label_zh=label_zh)
            for slug, label, label_zh in chain(drawn, BACKDROP_TAGS)
        ],
        ignore_conflicts=True,
    )


def _name_skus(chosen: Iterable[Sample]) -> None:
    """Ingest would create the SKUs too, but without names."""
    SKU.objects.bulk_create(
        [
            SKU(code=code, name=sample.metadata.title, name_zh=sample.metadata.title_zh)
            for sample in chosen
            for code, _role in sample.metadata.skus
        ],
        ignore_conflicts=True,
    )


def _count(outcome: Outcome, report: LoadReport) -> None:
    if outcome.error:
        report.rejected.append({"file": outcome.item.filename, "reason": str(outcome.error)})
    elif outcome.result and outcome.result.created:
        report.imported += 1
    else:
        report.duplicates += 1


def _collect() -> None:
    """Three collections, filled once: afterwards they belong to the people who use them."""
    for name, name_zh, chosen in COLLECTIONS:
        collection, created = Collection.objects.get_or_create(name=name, defaults={"name_zh": name_zh})
        if created:
            assets = Asset.objects.in_library().filter(origin=AssetOrigin.IMPORTED, **chosen)
            editing.add_to_collection(collection, assets.order_by("-pk"), actor=None)

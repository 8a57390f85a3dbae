"""The one entrance of files into the library: uploads, imports and generated pictures alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from dam import audit, custom_fields, field_rules, from_file, rights, tagging
from dam.arrivals import Arrival, Source, title_of
from dam.audit import Actor
from dam.custom_values import PREFIX, BadValues, Fields, merged, text_of
from dam.errors import IngestError
from dam.field_rules import Rules
from dam.metadata_mapping import found_in
from dam.models import (
    Asset,
    AssetKind,
    AssetOrigin,
    AssetSKU,
    AssetState,
    AssetVersion,
    Lineage,
    ModelRelease,
    Rendition,
    SKURole,
)
from dam.roles import sees_library
from dam.signals import assets_changed

__all__ = [
    "AssetMetadata",
    "Check",
    "IngestError",
    "IngestItem",
    "IngestResult",
    "Outcome",
    "ParentLink",
    "check_many",
    "ingest",
    "ingest_many",
    "is_own_arrival",
]

BATCH = 100
CHUNK_BYTES = 256 * 1024**2
THREADS = 2 * (os.cpu_count() or 1)  # half of them wait for files that are decoded in other processes


@dataclass(frozen=True)
class AssetMetadata:
    """What is known about a picture besides its file."""

    title: str = ""
    title_zh: str = ""
    alt_text: str = ""
    alt_text_zh: str = ""
    description: str = ""
    description_zh: str = ""
    kind: str = AssetKind.OTHER
    licence: str = ""
    rights_holder: str = ""
    credit: str = ""
    rights_expire_on: date | None = None
    model_release: str = ModelRelease.NOT_NEEDED
    release_expires_on: date | None = None
    territories: Sequence[str] = ()  # codes (ISO 3166-1 alpha-2); none: everywhere
    tags: Sequence[str] = ()  # slugs or labels; created when absent
    skus: Sequence[tuple[str, str]] = ()  # code and role; created when absent
    custom: Mapping[str, Any] = field(default_factory=dict)  # by slug, as `dam.custom_values` keeps them
    state: str = AssetState.DRAFT  # a draft where it lacks what this state asks for

    def to_plain(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON keeps it."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        defaults = AssetMetadata()
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in given.items()
            if value != getattr(defaults, name)
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> AssetMetadata:
        """What `to_plain` gave, after JSON."""
        known = dict(plain)
        for name in ("rights_expire_on", "release_expires_on"):
            if known.get(name):
                known[name] = date.fromisoformat(known[name])
        if "territories" in known:
            known["territories"] = tuple(known["territories"])
        if "skus" in known:
            known["skus"] = tuple((code, role) for code, role in known["skus"])
        return cls(**known)


@dataclass(frozen=True)
class ParentLink:
    """An asset that the new one was made from, and as what."""

    asset: Asset
    role: str


@dataclass(frozen=True)
class IngestItem:
    """One file on its way in; a callable source is asked for its bytes in a worker thread.

    Attributes:
        size: bytes of a callable source, where they are known before it is asked.
    """

    source: Source
    filename: str
    metadata: AssetMetadata = AssetMetadata()
    parents: Sequence[ParentLink] = ()
    size: int = 0


@dataclass(frozen=True)
class IngestResult:
    """The asset of a file; not created: the library had exactly this file already.

    Attributes:
        notice: why it came in as a draft although another state was asked for, and which values were not
            kept; empty where there is nothing of the kind.
    """

    asset: Asset
    created: bool
    notice: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a result, or the reason why it was refused."""

    item: IngestItem
    result: IngestResult | None = None
    error: IngestError | None = None


@dataclass(frozen=True)
class Check:
    """What would become of one item: whether the library has it, or the reason for a refusal.

    Attributes:
        notice: why it would come in as a draft although another state is asked for.
    """

    item: IngestItem
    is_known: bool
    error: IngestError | None = None
    notice: str = ""


def ingest(
    source: Source,
    *,
    filename: str,
    owner: User | None,
    origin: AssetOrigin,
    metadata: AssetMetadata = AssetMetadata(),
    parents: Sequence[ParentLink] = (),
    action: str = "asset.ingested",
) -> IngestResult:
    """Take one file in.

    Row, tags, SKUs, lineage, audit entry and whatever hears `assets_changed` commit together. A file
    that the library has already is answered with its asset, taken out of the trash if it was there; if the
    storage has lost it, it is put back.

    Raises:
        IngestError: the file was refused; nothing of it was kept.
    """
    item = IngestItem(source, filename, metadata, parents)
    outcome = _Intake(owner, origin, action, map).take([item])[0]
    if outcome.result is None:
        raise outcome.error or RuntimeError("An outcome has a result or an error.")
    return outcome.result


def ingest_many(
    items: Iterable[IngestItem],
    *,
    owner: User | None,
    origin: AssetOrigin,
    action: str = "asset.imported",
) -> Iterator[Outcome]:
    """Take many files in, in order; a refused one does not stop the others.

    Files are decoded and stored on all cores, rows are written a hundred at a time (fewer of large files),
    each hundred in one transaction: an interrupted run leaves complete assets only, and can simply be run
    again.
    """
    with ThreadPoolExecutor(THREADS, "ingest") as pool:
        intake = _Intake(owner, origin, action, pool.map)
        for chunk in _chunks(items):
            yield from intake.take(chunk)


def check_many(items: Iterable[IngestItem]) -> Iterator[Check]:
    """Say what would become of each item, in order; nothing is written."""
    seen: set[str] = set()
    with ThreadPoolExecutor(THREADS, "check") as pool:
        for chunk in _chunks(items):
            yield from _checked(chunk, pool, seen)


def _chunks(items: Iterable[IngestItem]) -> Iterator[list[IngestItem]]:
    """Those that are taken together, which all wait on disk meanwhile."""
    chunk: list[IngestItem] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += item.size or _size(item.source)
        if len(chunk) == BATCH or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _size(source: Source) -> int:
    """In bytes; 0 where only reading it would tell."""
    if isinstance(source, bytes):
        return len(source)
    if isinstance(source, Path):
        with suppress(OSError):  # what cannot be read is told where it is read
            return source.stat().st_size
        return 0
    return 0 if callable(source) else source.seek(0, os.SEEK_END)


def is_own_arrival(asset: Asset, owner: User | None, origin: AssetOrigin, since: datetime) -> bool:
    """Whether a known asset was brought in by this owner, in this way, since then.

    A run that was cut off between taking a file in and noting that finds its own asset known.
    """
    mine = asset.owner_id == (owner.pk if owner else None)
    return mine and asset.origin == origin and asset.created >= since


def _asset_of(known: AssetMetadata, *, owner: User | None, origin: AssetOrigin) -> Asset:
    """The row of a new asset, without its file; not saved."""
    return Asset(
        title=known.title[:255],
        title_zh=known.title_zh[:255],
        alt_text=known.alt_text[:500],
        alt_text_zh=known.alt_text_zh[:500],
        description=known.description,
        description_zh=known.description_zh,
        kind=known.kind,
        origin=origin,
        state=known.state,
        owner=owner,
        licence=known.licence[:255],
        rights_holder=known.rights_holder[:255],
        credit=known.credit[:255],
        rights_expire_on=known.rights_expire_on,
        model_release=known.model_release,
        release_expires_on=known.release_expires_on,
        territories=list(known.territories),
        custom=dict(known.custom),
    )


def _checked(items: Sequence[IngestItem], pool: ThreadPoolExecutor, seen: set[str]) -> list[Check]:
    entries = [_Entry(item) for item in items]
    rules = _rules_for(items)
    try:
        _run(pool.map, _Entry.receive, entries)
        digests = [entry.arrival.sha256 for entry in entries if entry.is_open]
        seen.update(AssetVersion.objects.filter(sha256__in=digests).values_list("sha256", flat=True))
        new = [entry for entry in entries if entry.arrival.sha256 not in seen]
        _run(pool.map, partial(_Entry.check, rules=rules), new)
        checks = []
        for entry in entries:
            is_known = entry.arrival.sha256 in seen
            notice = "" if is_known else entry.notice(rules)
            checks.append(Check(entry.item, is_known, entry.error, notice))
            if entry.is_open:
                seen.add(entry.arrival.sha256)
    finally:
        for entry in entries:
            entry.finish()
    return checks


def _run(
    run: Callable[..., Iterable[Any]], work: Callable[[_Entry], None], entries: Iterable[_Entry]
) -> None:
    """Do the work on every open entry; what is refused keeps its reason."""

    def guarded(entry: _Entry) -> None:
        try:
            work(entry)
        except IngestError as error:
            entry.error = error

    for _done in run(guarded, [entry for entry in entries if entry.is_open]):
        pass


@transaction.atomic
def note_put_back(version: AssetVersion, actor: Actor) -> None:
    """A file that the storage had lost is back; the index may take it in again."""
    asset = version.asset
    audit.record(actor, "asset.file_restored", asset, version=version.number, sha256=version.sha256)
    assets_changed.send(sender=Asset, asset_ids=[asset.pk])


class _Intake:
    """Takes items in; `run` maps the work that needs no database over them."""

    def __init__(
        self, owner: User | None, origin: AssetOrigin, action: str, run: Callable[..., Iterable[Any]]
    ) -> None:
        self.owner = owner
        self.origin = origin
        self.action = action
        self.run = run
        self.rules = Rules({}, {})

    def take(self, items: Sequence[IngestItem]) -> list[Outcome]:
        """The outcome of each item, in order."""
        entries = [_Entry(item) for item in items]
        self.rules = _rules_for(items)
        try:
            _run(self.run, _Entry.receive, entries)
            self._answer_known(entries)
            first: dict[str, _Entry] = {}
            for entry in entries:
                if entry.is_open:
                    first.setdefault(entry.arrival.sha256, entry)
            _run(self.run, self._prepare, first.values())
            self._write([entry for entry in first.values() if entry.is_open])
            for entry in entries:
                if entry.is_open:  # the same file once more in this batch
                    entry.error = first[entry.arrival.sha256].error
            self._answer_known(entries)
        finally:
            for entry in entries:
                entry.finish()
        return [Outcome(entry.item, entry.result, entry.error) for entry in entries]

    def _prepare(self, entry: _Entry) -> None:
        entry.asset = _asset_of(entry.item.metadata, owner=self.owner, origin=self.origin)
        entry.arrival.prepare(entry.asset)
        assert entry.arrival.version is not None  # noqa: S101  just prepared
        entry.fill_from_file(entry.arrival.version.metadata)
        entry.hold_back(self.rules)

    def _answer_known(self, entries: Sequence[_Entry]) -> None:
        """Answer every open entry whose file the library has."""
        waiting = [entry for entry in entries if entry.is_open]
        digests = {entry.arrival.sha256 for entry in waiting}
        versions = AssetVersion.objects.filter(sha256__in=digests).select_related("asset__current")
        known = {version.sha256: version for version in versions} if digests else {}
        for entry in waiting:
            entry.known = known.get(entry.arrival.sha256)
        _run(self.run, _Entry.put_back, [entry for entry in waiting if entry.known])
        for entry in waiting:
            if entry.is_open and entry.known:
                asset = entry.known.asset
                self._welcome_back(asset, entry)
                entry.result = IngestResult(asset, created=False, notice=entry.notice(self.rules))

    @transaction.atomic
    def _welcome_back(self, asset: Asset, entry: _Entry) -> None:
        """An upload takes its asset out of the trash, in the state that the upload asks for: the one
        before may have been more than this uploader may give. What others threw away stays there."""
        if asset.is_trashed and self._may_restore(asset):
            entry.hold_back_known(asset, self.rules)
            asset.state, asset.state_before_trash, asset.trashed_at = entry.state, "", None
            asset.save(update_fields=["state", "state_before_trash", "trashed_at", "updated"])
            audit.record(self.owner, "asset.restored", asset, reason="uploaded again")
            assets_changed.send(sender=Asset, asset_ids=[asset.pk], state_changed=True)
        if entry.known and entry.is_put_back:
            note_put_back(entry.known, self.owner)
        if asset.origin == AssetOrigin.GENERATED:
            _link_parents([(asset, entry.item.parents)])
            _settle_rights([asset])

    def _may_restore(self, asset: Asset) -> bool:
        """The command line, editors, and whoever owns it."""
        return self.owner is None or sees_library(self.owner) or asset.owner_id == self.owner.pk

    def _write(self, entries: Sequence[_Entry]) -> None:
        """All rows in one transaction; again without those that another upload was faster with."""
        if not entries:
            return
        try:
            with transaction.atomic():
                self._write_rows(entries)
        except IntegrityError:
            self._answer_known(entries)
            others = [entry for entry in entries if entry.is_open]
            if len(others) == len(entries):
                raise
            for entry in others:
                entry.forget_keys()
            self._write(others)
            return
        for entry in entries:
            entry.result = IngestResult(entry.asset, created=True, notice=entry.notice(self.rules))

    def _write_rows(self, entries: Sequence[_Entry]) -> None:
        assets = [entry.asset for entry in entries]
        custom = custom_fields.held(slug for entry in entries for slug in entry.item.metadata.custom)
        for entry in entries:
            entry.fill_custom(custom, self.rules)
        Asset.objects.bulk_create(assets)
        _write_files(entries, self.owner)
        _link_tags(entries)
        _link_skus(entries)
        _link_parents([(entry.asset, entry.item.parents) for entry in entries])
        _settle_rights(assets)
        audit.record_many(self.owner, self.action, [(entry.asset, entry.story()) for entry in entries])
        keys = [asset.pk for asset in assets]
        assets_changed.send(sender=Asset, asset_ids=keys, state_changed=True)


class _Entry:
    """One item, how far it has come, and what became of it."""

    def __init__(self, item: IngestItem) -> None:
        self.item = item
        self.arrival = Arrival(item.source, item.filename)
        self.asset = Asset()
        self.known: AssetVersion | None = None
        self.is_put_back = False
        self.keywords: Sequence[str] = ()
        self.lacks: list[str] = []  # what keeps it from the state that was asked for
        self.untaken: dict[
            str, Any
        ] = {}  # values of fields that were deleted or changed since they were given
        self.result: IngestResult | None = None
        self.error: IngestError | None = None

    @property
    def is_open(self) -> bool:
        return self.result is None and self.error is None

    def receive(self) -> None:
        self.arrival.receive()

    def put_back(self) -> None:
        assert self.known is not None  # noqa: S101  looked up before
        self.is_put_back = self.arrival.put_back(self.known)

    def check(self, rules: Rules) -> None:
        embedded = self.arrival.check()
        if rules:
            self.asset = _asset_of(self.item.metadata, owner=None, origin=AssetOrigin.IMPORTED)
            self.fill_from_file(embedded)
            self.hold_back(rules)

    @property
    def tags(self) -> Sequence[str]:
        """Those that came with it, or else the keywords of the file."""
        return self.item.metadata.tags or self.keywords

    def fill_from_file(self, embedded: dict[str, Any]) -> None:
        """What nobody gave is taken from the file's own metadata; a title may also be its name."""
        tags = self.item.metadata.tags
        taken = from_file.missing(self.asset, tags, found_in(embedded))
        self.keywords = from_file.fill(self.asset, taken)
        if not (self.asset.title or self.asset.title_zh):
            self.asset.title = title_of(self.item.filename)[:255]

    def fill_custom(self, fields: Fields, rules: Rules) -> None:
        """The values that fields take now; an upload may have begun long ago."""
        self.untaken = {}
        for slug, value in self.item.metadata.custom.items():
            try:
                merged({}, {slug: value}, fields, self.asset.kind)
            except BadValues:
                self.untaken[slug] = value
        if self.untaken:
            given = self.item.metadata.custom.items()
            self.asset.custom = {slug: value for slug, value in given if slug not in self.untaken}
            self.hold_back(rules)

    @property
    def state(self) -> str:
        """The one that was asked for, or draft where something is missing for that."""
        return AssetState.DRAFT if self.lacks else self.item.metadata.state

    def hold_back(self, rules: Rules) -> None:
        """A new asset that lacks what its state asks for begins as a draft."""
        self.lacks = rules.for_entering(
            self.asset,
            self.item.metadata.state,
            has_tags=bool(self.tags),
            has_skus=bool(self.item.metadata.skus),
        )
        self.asset.state = self.state

    def hold_back_known(self, asset: Asset, rules: Rules) -> None:
        """The same of an asset that comes out of the trash; what it has counts, not what came now."""
        self.lacks = rules.for_entering(
            asset,
            self.item.metadata.state,
            has_tags=bool(rules) and asset.tags.exists(),
            has_skus=bool(rules) and asset.sku_links.exists(),
        )

    def notice(self, rules: Rules) -> str:
        """Why it is a draft although another state was asked for, and which values no field took."""
        sentences = [field_rules.taken_as_draft(rules, self.lacks)] if self.lacks else []
        if self.untaken:
            told = (f"{PREFIX}{slug} = “{text_of(value)[:60]}”" for slug, value in self.untaken.items())
            sentences.append(
                _("Not kept, since the fields were deleted or changed meanwhile: %(values)s.")
                % {"values": _(", ").join(told)}
            )
        return " ".join(sentences)

    def rows(self) -> Iterator[Model]:
        """The rows made for it, in the order in which they refer to each other."""
        yield from filter(None, (self.asset, self.arrival.version, self.arrival.thumbnail))

    def forget_keys(self) -> None:
        """A rolled-back insert leaves keys on its rows that the database does not know."""
        for row in self.rows():
            row.pk = None
            row._state.adding = True
        self.asset.current = None

    def story(self) -> dict[str, Any]:
        """What the audit log keeps of it."""
        return {
            "file": self.arrival.filename,
            "sha256": self.arrival.sha256,
            "size": self.arrival.size,
            "origin": self.asset.origin,
            **({"from_file": sorted(self.asset.from_file)} if self.asset.from_file else {}),
            **({"custom": self.asset.custom} if self.asset.custom else {}),
            **({"custom_not_kept": self.untaken} if self.untaken else {}),
            **({"missing": self.lacks} if self.lacks else {}),
        }

    def finish(self) -> None:
        """Free what it holds; without a row of its own, its stored files go again."""
        self.arrival.close()
        if self.result is None or not self.result.created:
            self.arrival.discard()


def _rules_for(items: Sequence[IngestItem]) -> Rules:
    """The rules, if one of the items asks for a state that has any; drafts need none."""
    asked = {item.metadata.state for item in items}
    return field_rules.load() if asked.intersection(field_rules.STEPS) else Rules({}, {})


def _write_files(entries: Sequence[_Entry], owner: User | None) -> None:
    versions, thumbnails = [], []
    for entry in entries:
        version, thumbnail = entry.arrival.version, entry.arrival.thumbnail
        assert version is not None  # noqa: S101  prepared before
        assert thumbnail is not None  # noqa: S101
        version.asset, version.created_by = entry.asset, owner
        versions.append(version)
        thumbnails.append(thumbnail)
    AssetVersion.objects.bulk_create(versions)
    for version, thumbnail in zip(versions, thumbnails, strict=True):
        thumbnail.version = version
        version.asset.current = version
    Rendition.objects.bulk_create(thumbnails)
    Asset.objects.bulk_update([version.asset for version in versions], ["current"])


def _link_tags(entries: Sequence[_Entry]) -> None:
    tags = tagging.ensure_tags(word for entry in entries for word in entry.tags)
    links = {
        (entry.asset.pk, tags[word.strip()].pk)
        for entry in entries
        for word in entry.tags
        if word.strip() in tags
    }
    through = Asset.tags.through
    through.objects.bulk_create(through(asset_id=asset, tag_id=tag) for asset, tag in sorted(links))


def _link_skus(entries: Sequence[_Entry]) -> None:
    skus = tagging.ensure_skus(code for entry in entries for code, _role in entry.item.metadata.skus)
    links = {
        (entry.asset.pk, skus[code.strip()].pk, role or SKURole.PACKSHOT)
        for entry in entries
        for code, role in entry.item.metadata.skus
        if code.strip() in skus
    }
    AssetSKU.objects.bulk_create(
        AssetSKU(asset_id=asset, sku_id=sku, role=role) for asset, sku, role in sorted(links)
    )


def _settle_rights(assets: Sequence[Asset]) -> None:
    """Those that are bounded, or inherit a bound, get to know it."""
    own = {asset.pk for asset in assets if rights.own_end(asset) or rights.own_territories(asset)}
    made = Lineage.objects.filter(child__in=[asset.pk for asset in assets])
    if concerned := own.union(made.values_list("child", flat=True)):
        rights.settle(concerned)


def _link_parents(families: Sequence[tuple[Asset, Sequence[ParentLink]]]) -> None:
    links = [
        Lineage(parent_id=link.asset.pk, child=child, role=link.role, position=position)
        for child, parents in families
        for position, link in enumerate(parents)
        if link.asset.pk != child.pk
    ]
    # The same parent in the same role twice says nothing more.
    Lineage.objects.bulk_create(links, ignore_conflicts=True)

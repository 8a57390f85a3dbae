"""Verdicts on results: approve, reject, regenerate; who gave them and when; taking them back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import field_rules, workflow
from dam.audit import record_many
from dam.editing import link_pictures, lock, set_state, unlink_pictures
from dam.models import Asset, AssetSKU, AssetState
from dam.roles import Role
from generation import prompts
from generation.jobs import LEFT_OUT, finish_job_if_done, idempotency_key, work_waiting
from generation.models import (
    GenerationItem,
    GenerationJob,
    ItemInput,
    ItemState,
    JobKind,
    JobState,
    Verdict,
    VerdictEntry,
)
from generation.providers.registry import UnknownProvider, get_provider
from generation.sku_roles import links_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What people and programs call them when they give one.
VERDICTS = {
    "approve": Verdict.APPROVED,
    "reject": Verdict.REJECTED,
    "regenerate": Verdict.REGENERATE,
}
# What a verdict does to the picture.
_STATES = {Verdict.APPROVED: AssetState.APPROVED, Verdict.REJECTED: AssetState.REJECTED}
_AGAIN_FROM = (ItemState.SUCCEEDED, ItemState.BLOCKED, ItemState.FAILED)
_ROWS_AT_ONCE = 500


class ReviewError(Exception):
    """No verdict can be given; the message is a sentence."""


@dataclass
class Judged:
    """What became of a verdict on several results.

    Attributes:
        deed: under which name it is taken back.
        done: the items that it was given to.
        refused: the others, each with the reason.
        again: the items that were made of those done, where they are made again.
    """

    deed: uuid.UUID = field(default_factory=uuid.uuid4)
    done: list[GenerationItem] = field(default_factory=list)
    refused: list[tuple[GenerationItem, Exception]] = field(default_factory=list)
    again: list[GenerationItem] = field(default_factory=list)

    def refuse(self, item: GenerationItem, reason: Exception) -> None:
        """It gets no verdict."""
        self.refused.append((item, reason))


@dataclass(frozen=True)
class Undone:
    """Verdicts taken back: how many, and why others were not."""

    count: int
    reasons: list[str]


def approve(item: GenerationItem, *, actor: User | None, note: str = "", sku_role: str = "") -> None:
    """The result is good: it is approved and shows the SKUs that went into it.

    Args:
        sku_role: the role that it shows them in; empty: as `generation.sku_roles` finds fit.

    Raises:
        Incomplete: required fields are empty; there is no verdict then, and the picture waits.
        NotPermitted: the account is no reviewer.
        ReviewError: there is no picture to judge.
    """
    _the_one(judge(Verdict.APPROVED, [item], actor=actor, note=note, sku_role=sku_role))


def reject(item: GenerationItem, *, actor: User | None, note: str = "") -> None:
    """The result is not good: it is kept for its time (`generation.retention`), and never shown."""
    _the_one(judge(Verdict.REJECTED, [item], actor=actor, note=note))


def regenerate(item: GenerationItem, *, actor: User | None, note: str = "") -> GenerationItem:
    """Make this picture again, with the note in its prompt, as a new item of the same job.

    A blocked or failed item may be sent again too: the note changes its prompt.
    """
    return _the_one(judge(Verdict.REGENERATE, [item], actor=actor, note=note)).again[0]


@transaction.atomic
def judge(
    verdict: Verdict,
    items: Iterable[GenerationItem],
    *,
    actor: User | None,
    note: str = "",
    sku_role: str = "",
) -> Judged:
    """The same verdict on all of them, in one transaction and a number of queries that does not grow.

    One that cannot be judged stops none of the others.
    """
    judged = Judged()
    chosen = _locked([item.pk for item in items], with_jobs=verdict == Verdict.REGENERATE)
    able = [item for item in chosen if not _refused(judged, item, verdict, actor)]
    made: dict[int, list[int]] = {}
    if verdict == Verdict.APPROVED:
        able, made = _link_skus(judged, able, actor, sku_role)
    if verdict == Verdict.REGENERATE:
        judged.again = _new_items(able, note)
    # The verdict before the state, so that `follow_states` leaves the rest to this.
    _write(able, verdict, actor, note, deed=judged.deed, made=made, again=judged.again)
    moved = [item.output for item in able if item.output and _moves(item.output, verdict)]
    set_state(moved, actor=actor, state=_STATES.get(verdict, AssetState.REJECTED))
    for job_id in sorted({item.job_id for item in judged.again}):
        work_waiting.send(GenerationJob, job_id=job_id)
    judged.done = able
    return judged


@transaction.atomic
def follow_states(asset_ids: Sequence[int]) -> None:
    """Results that somebody approved or rejected in the library, not in the review: the same follows from it.

    Once for each result, so that a link that somebody takes away later stays away.
    """
    results = GenerationItem.objects.filter(output__in=asset_ids, state=ItemState.SUCCEEDED)
    approved = results.filter(output__state=AssetState.APPROVED).exclude(verdict=Verdict.APPROVED)
    rejected = results.filter(output__state=AssetState.REJECTED, verdict__in=(Verdict.NONE, Verdict.APPROVED))
    for verdict, found in ((Verdict.APPROVED, approved), (Verdict.REJECTED, rejected)):
        if items := _with_inputs(found):
            _write(items, verdict, None, None)
            if verdict == Verdict.APPROVED:
                link_pictures([link for item in items for link in links_of(item)], actor=None)


def last_deed(actor: User) -> list[VerdictEntry]:
    """What the account decided last and has not taken back: one entry for each result; maybe none."""
    own = VerdictEntry.objects.filter(actor=actor, undone_at=None).order_by("-id").values("deed")[:1]
    return list(VerdictEntry.objects.filter(deed=Subquery(own), undone_at=None))


@transaction.atomic
def undo(deed: uuid.UUID, *, actor: User | None) -> Undone:
    """Take back what was decided at one stroke: verdict, state and SKU links are as they were before.

    A picture that is being made again is made no more where its call has not begun; what was paid stays.
    What was judged anew or moved on since is left as it is.

    Raises:
        NotPermitted: the verdict is somebody else's, which takes a reviewer, or the account may not move the
            pictures back.
        ReviewError: there is nothing to take back.
    """
    entries = list(_entries(deed))
    if any(entry.actor_id is None or entry.actor != actor for entry in entries):
        workflow.check_role(actor, Role.REVIEWER)
    items = {item.pk: item for item in _locked([entry.item_id for entry in entries], with_jobs=True)}
    entries = list(_entries(deed))  # by a second click it may have been taken back meanwhile
    latest = _latest_of(items)
    reasons: list[str] = []
    back: list[VerdictEntry] = []
    for entry in entries:
        if reason := _why_it_stays(entry, items[entry.item_id], latest):
            reasons.append(reason)
        else:
            back.append(entry)
    if not back:
        raise ReviewError(" ".join(dict.fromkeys(reasons)) or _("There is no verdict to take back."))
    _restore(back, items, actor)
    return Undone(len(back), list(dict.fromkeys(reasons)))


def history_of(item: GenerationItem) -> QuerySet[VerdictEntry]:
    """All verdicts on a result, the last first, those that were taken back among them."""
    return item.verdicts.select_related("actor", "undone_by", "again").order_by("-id")


def new_item(job: GenerationJob, item: GenerationItem, note: str) -> GenerationItem:
    """The same picture once more, with the note in its prompt, as the job's last item; `job` is locked."""
    item.job = job
    return _create_again([item], note)[0]


# ── The parts of a verdict ────────────────────────────────────────────────────────────────────────


def _the_one(judged: Judged) -> Judged:
    if judged.refused:
        raise judged.refused[0][1]
    return judged


def _locked(keys: Sequence[int], *, with_jobs: bool) -> list[GenerationItem]:
    """The rows as they are now, held to the end of the transaction, in the order of all who lock them."""
    rows = GenerationItem.objects.filter(pk__in=keys)
    if with_jobs:
        jobs = GenerationJob.objects.filter(pk__in=rows.values("job")).order_by("pk")
        list(jobs.select_for_update(no_key=True))
    lock(Asset.objects.filter(pk__in=rows.values("output")))
    return _with_inputs(rows.select_for_update(no_key=True, of=("self",)))


def _with_inputs(items: QuerySet[GenerationItem]) -> list[GenerationItem]:
    shown = items.select_related("job", "output").prefetch_related("inputs__asset__sku_links__sku")
    return list(shown.order_by("pk"))


def _refused(judged: Judged, item: GenerationItem, verdict: Verdict, actor: User | None) -> bool:
    try:
        _check(item, verdict, actor)
    except (ReviewError, workflow.NotPermitted) as error:
        judged.refuse(item, error)
        return True
    return False


def _check(item: GenerationItem, verdict: Verdict, actor: User | None) -> None:
    asset = item.output
    if verdict == Verdict.REGENERATE:
        if item.state not in _AGAIN_FROM:
            raise ReviewError(_("This picture is not made yet."))
        if item.job.kind == JobKind.TRY_ON:  # a new item would be nobody's, and its picture for all to see
            raise ReviewError(_("A try-on is made again from the person's picture, on its own page."))
        if asset and _moves(asset, verdict):
            workflow.check_steps(actor, [asset], AssetState.REJECTED)
        return
    if item.state != ItemState.SUCCEEDED or asset is None:
        raise ReviewError(_("This item has no picture to judge."))
    if asset.state == AssetState.TRASHED:
        raise ReviewError(_("The picture is in the trash; restore it first."))
    if _moves(asset, verdict):
        workflow.check_steps(actor, [asset], _STATES[verdict])


def _moves(asset: Asset, verdict: Verdict) -> bool:
    """Whether the verdict moves the picture; what is approved already is not taken away by making another."""
    if verdict == Verdict.REGENERATE:
        return asset.state == AssetState.IN_REVIEW
    return asset.state != _STATES[verdict]


class _SomeLack(Exception):
    """Undoes links of pictures that cannot be approved."""

    def __init__(self, refusals: dict[int, field_rules.Incomplete]) -> None:
        self.refusals = refusals


def _link_skus(
    judged: Judged, items: list[GenerationItem], actor: User | None, sku_role: str
) -> tuple[list[GenerationItem], dict[int, list[int]]]:
    """Link what can be approved with its SKUs, which a rule may ask for before anything is approved.

    Returns:
        The items that can be approved, and the keys of the new links of each picture.
    """
    try:
        with transaction.atomic():
            made = _linked(items, actor, sku_role)
            assets = [item.output for item in items if item.output]
            waiting = [asset for asset in assets if asset.state != AssetState.APPROVED]
            if lacking := field_rules.refusals(waiting, AssetState.APPROVED):
                raise _SomeLack(lacking)
    except _SomeLack as some:
        complete = []
        for item in items:
            if reason := some.refusals.get(item.output_id or 0):
                judged.refuse(item, reason)
            else:
                complete.append(item)
        return complete, _linked(complete, actor, sku_role)
    return items, made


def _linked(items: Iterable[GenerationItem], actor: User | None, sku_role: str) -> dict[int, list[int]]:
    made: dict[int, list[int]] = {}
    links = [link for item in items for link in links_of(item, sku_role)]
    for row in link_pictures(links, actor=actor):
        made.setdefault(row.asset_id, []).append(row.pk)
    return made


def _write(
    items: Sequence[GenerationItem],
    verdict: Verdict,
    actor: User | None,
    note: str | None,
    *,
    deed: uuid.UUID | None = None,
    made: dict[int, list[int]] | None = None,
    again: Sequence[GenerationItem] = (),
) -> None:
    """Down in the items, the history and the audit; without a note, each keeps the one that it has."""
    now = timezone.now()
    deed = deed or uuid.uuid4()
    follow = {one.regenerates_id: one for one in again}
    VerdictEntry.objects.bulk_create(
        VerdictEntry(
            deed=deed,
            item=item,
            verdict=verdict,
            note=item.verdict_note if note is None else note,
            actor=actor,
            actor_name=actor.get_username() if actor else "",
            given=now,
            asset_state_before=item.output.state if item.output else "",
            sku_links=(made or {}).get(item.output_id or 0, []),
            again=follow.get(item.pk),
        )
        for item in items
    )
    for item in items:
        item.verdict, item.reviewed_by, item.reviewed_at = verdict, actor, now
        item.verdict_note = item.verdict_note if note is None else note
    fields = ["verdict", "verdict_note", "reviewed_by", "reviewed_at"]
    GenerationItem.objects.bulk_update(items, fields, batch_size=_ROWS_AT_ONCE)
    record_many(actor, f"item.{verdict.value}", [(item, {"note": item.verdict_note}) for item in items])


# ── Made again ────────────────────────────────────────────────────────────────────────────────────


def _new_items(items: Sequence[GenerationItem], note: str) -> list[GenerationItem]:
    """Each once more; their jobs, which are locked, go on."""
    again = _create_again(items, note)
    ended = [item.job_id for item in items if item.job.state in (JobState.FINISHED, JobState.CANCELLED)]
    GenerationJob.objects.filter(pk__in=ended).update(state=JobState.QUEUED, finished=None)
    return again


def _create_again(items: Sequence[GenerationItem], note: str) -> list[GenerationItem]:
    last = dict(
        GenerationItem.objects.filter(job__in={item.job_id for item in items})
        .order_by()
        .values_list("job")
        .annotate(Max("position"))
    )
    sources: list[tuple[GenerationItem, list[ItemInput]]] = []
    for item in items:
        last[item.job_id] = last.get(item.job_id, 0) + 1
        links = sorted(item.inputs.all(), key=lambda link: link.position)
        sources.append((_again(item, links, last[item.job_id], note), links))
    made = GenerationItem.objects.bulk_create([one for one, _links in sources], batch_size=_ROWS_AT_ONCE)
    ItemInput.objects.bulk_create(
        (link.of(one) for one, links in sources for link in links),
        batch_size=_ROWS_AT_ONCE,
    )
    return made


def _again(item: GenerationItem, links: Sequence[ItemInput], position: int, note: str) -> GenerationItem:
    language = item.job.parameters.get("language", "en")
    prompt, left_out = prompts.with_note(
        item.prompt, note, language=language, tokens=_prompt_tokens(item.job)
    )
    # The position makes each attempt a picture of its own, also where the note is empty.
    parameters = {**item.parameters, "variation": position, "note": note}
    if left_out:
        parameters[LEFT_OUT] = " ".join(filter(None, (left_out, item.parameters.get(LEFT_OUT))))
    inputs = [(link.role, link.asset_id, link.asset.current_id) for link in links]
    return GenerationItem(
        job=item.job,
        position=position,
        prompt=prompt,
        parameters=parameters,
        state=ItemState.QUEUED,
        cell_hash=item.cell_hash,
        regenerates=item,
        idempotency_key=idempotency_key(item.job, prompt, inputs, parameters),
    )


def _prompt_tokens(job: GenerationJob) -> int:
    try:
        return get_provider(job.provider).capability.prompt_tokens
    except UnknownProvider:  # it is said when the item runs
        return 0


# ── Taken back ────────────────────────────────────────────────────────────────────────────────────


def _entries(deed: uuid.UUID) -> QuerySet[VerdictEntry]:
    found = VerdictEntry.objects.filter(deed=deed, undone_at=None)
    return found.select_related("actor").order_by("item_id")


def _latest_of(items: Iterable[int]) -> dict[int, int]:
    """Key of each item → key of the verdict that holds."""
    holding = VerdictEntry.objects.filter(item__in=list(items), undone_at=None).order_by()
    return dict(holding.values_list("item").annotate(Max("pk")))


def _why_it_stays(entry: VerdictEntry, item: GenerationItem, latest: dict[int, int]) -> str:
    if latest[item.pk] != entry.pk:
        return _("Another verdict was given since.")
    asset = item.output
    if asset is None or not entry.asset_state_before:
        return "" if entry.verdict == Verdict.REGENERATE else _("The picture is not there any more.")
    after = _STATES.get(Verdict(entry.verdict), AssetState.REJECTED)
    if entry.asset_state_before != asset.state and asset.state != after:
        return _("The picture was moved on in the library since; move it back there.")
    return ""


def _restore(entries: Sequence[VerdictEntry], items: dict[int, GenerationItem], actor: User | None) -> None:
    now = timezone.now()
    VerdictEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(undone_at=now, undone_by=actor)
    # The verdict before the state: what the library says of it then is known already.
    _restore_verdicts(entries, items)
    for state in sorted({entry.asset_state_before for entry in entries} - {""}):
        outputs = [items[entry.item_id].output for entry in entries if entry.asset_state_before == state]
        set_state([asset for asset in outputs if asset], actor=actor, state=state)
    links = [key for entry in entries for key in entry.sku_links]
    unlink_pictures(AssetSKU.objects.filter(pk__in=links), actor=actor)
    _give_up([entry.again_id for entry in entries if entry.again_id], now)
    record_many(
        actor,
        "item.verdict_undone",
        [(items[entry.item_id], {"verdict": entry.verdict, "note": entry.note}) for entry in entries],
    )


def _restore_verdicts(entries: Sequence[VerdictEntry], items: dict[int, GenerationItem]) -> None:
    """Each result has the verdict again that held before, with who gave it and when."""
    keys = [entry.item_id for entry in entries]
    newest = VerdictEntry.objects.filter(item=OuterRef("item"), undone_at=None).order_by("-id").values("pk")
    before = {
        entry.item_id: entry for entry in VerdictEntry.objects.filter(item__in=keys, pk=Subquery(newest[:1]))
    }
    for key in keys:
        item, held = items[key], before.get(key)
        item.verdict = held.verdict if held else Verdict.NONE
        item.verdict_note = held.note if held else ""
        item.reviewed_by_id = held.actor_id if held else None
        item.reviewed_at = held.given if held else None
    fields = ["verdict", "verdict_note", "reviewed_by", "reviewed_at"]
    GenerationItem.objects.bulk_update([items[key] for key in keys], fields, batch_size=_ROWS_AT_ONCE)


def _give_up(keys: Sequence[int], now: datetime) -> None:
    """Make no more what nobody has begun to make; one query more for each job that ends with it."""
    waiting = GenerationItem.objects.filter(
        pk__in=keys, state__in=(ItemState.PLANNED, ItemState.QUEUED), answer=""
    )
    jobs = sorted(set(waiting.values_list("job", flat=True)))
    waiting.update(state=ItemState.CANCELLED, finished=now)
    for job in jobs:
        finish_job_if_done(job)

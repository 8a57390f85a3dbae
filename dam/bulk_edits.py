"""Bulk edits: a selection of any size is noted in one statement, changed in slices by a worker, and undone.

A slice is one transaction with its outcome, so that a worker that is killed repeats nothing; the sweep gives
what it left to another one. What the account may not change, what lacks fields that the new state asks for,
and what has no such field, is left as it is, and counted.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import CharField, Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import audit, clock, custom_fields, editing, tagging, territories, workflow
from dam.custom_values import BadValues, Fields, cleaned, is_storable, merged, sayable
from dam.field_rules import Incomplete
from dam.leases import renewed
from dam.models import Asset, AssetState, BulkEdit, BulkEditItem, BulkOutcome, BulkState
from dam.roles import Role, has_role, lower, lowered_to
from dam.workflow import NotPermitted

SLICE = 500
LEASE = timedelta(seconds=45)  # renewed while a worker is at it
AT_WORK = (BulkState.RUNNING, BulkState.UNDOING)
# What makes sense for many assets alike.
FIELDS = (
    "kind", "rights_holder", "licence", "credit", "rights_expire_on", "model_release", "release_expires_on",
    "territories",
)  # fmt: skip
# Beside these, custom fields by names like “custom.season”; None empties.


class CannotEdit(ValueError):
    """The bulk edit cannot begin, or not be undone; `str()` says why and what to do."""


@dataclass(frozen=True)
class Change:
    """What happens to each asset of a bulk edit.

    Attributes:
        fields: values by name; the names in FIELDS, and those of custom fields (“custom.season”).
        state: into which they move; empty: they stay in theirs.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    state: str = ""

    def __bool__(self) -> bool:
        return bool(self.fields or self.add_tags or self.remove_tags or self.state)


@transaction.atomic
def start(assets: QuerySet[Asset], change: Change, *, actor: User) -> BulkEdit:
    """Note the selection as it is now; the worker does the rest.

    Raises:
        CannotEdit: nothing is to be changed, a field does not take its value, or nothing is chosen.
        NotPermitted: the account is no contributor.
    """
    workflow.check_role(actor, Role.CONTRIBUTOR)
    if not change:
        raise CannotEdit(_("Choose at least one thing to change."))
    edit = BulkEdit.objects.create(
        owner=actor,
        role=lowered_to(actor),
        changes=_stored(_checked(change.fields, custom_fields.by_slug())),
        add_tags=list(change.add_tags),
        remove_tags=list(change.remove_tags),
        to_state=AssetState(change.state) if change.state else "",
    )
    edit.total = _note(edit, assets)
    if not edit.total:
        raise CannotEdit(_("No asset is chosen."))
    edit.save(update_fields=["total"])
    audit.record(
        actor, "bulk_edit.started", edit, assets=edit.total, changes=edit.changes, state=edit.to_state
    )
    return edit


def edits_of(user: User) -> QuerySet[BulkEdit]:
    """Those that the account may see: one's own, editors all."""
    edits = BulkEdit.objects.select_related("owner")
    return edits if has_role(user, Role.EDITOR) else edits.filter(owner=user)


def outcomes(edit: BulkEdit) -> Counter[str]:
    """How many of its assets there are by outcome."""
    rows = edit.items.order_by().values("outcome").annotate(number=Count("pk"))
    return Counter({row["outcome"]: row["number"] for row in rows})


@transaction.atomic
def stop(edit: BulkEdit, *, actor: User) -> None:
    """Leave the rest as it is.

    Raises:
        NotPermitted: it is somebody else's.
    """
    _check_owner(edit, actor)
    if BulkEdit.objects.filter(pk=edit.pk, state__in=AT_WORK).update(
        state=BulkState.STOPPED, finished=timezone.now()
    ):
        audit.record(actor, "bulk_edit.stopped", edit)


@transaction.atomic
def undo(edit: BulkEdit, *, actor: User) -> None:
    """Give each asset back what it had before, unless somebody has changed it since.

    Raises:
        NotPermitted: it is somebody else's.
        CannotEdit: it is still at work, or undone already.
    """
    _check_owner(edit, actor)
    undone = BulkEdit.objects.filter(pk=edit.pk, state__in=(BulkState.DONE, BulkState.STOPPED)).update(
        state=BulkState.UNDOING, finished=None, leased_until=None, role=lowered_to(actor)
    )
    if not undone:
        raise CannotEdit(_("It is at work, or undone already. Stop it first, or wait."))
    audit.record(actor, "bulk_edit.undone", edit)


def due() -> list[int]:
    """Edits at work that no worker holds."""
    clock.mend(BulkEdit.objects.filter(state__in=AT_WORK), "leased_until", LEASE)
    free = Q(leased_until=None) | Q(leased_until__lt=clock.Now())
    return list(BulkEdit.objects.filter(free, state__in=AT_WORK).values_list("pk", flat=True))


def work(key: int, *, seconds: float) -> bool:
    """Do slices of an edit for so long. Returns whether there is more to do."""
    free = Q(leased_until=None) | Q(leased_until__lt=clock.Now())
    held = BulkEdit.objects.filter(free, pk=key, state__in=AT_WORK)
    if not held.update(leased_until=clock.after(LEASE)):
        return False
    until = time.monotonic() + seconds
    more = True
    at_it = BulkEdit.objects.filter(pk=key, state__in=AT_WORK, leased_until__isnull=False)
    try:
        with renewed(at_it, LEASE):
            while more and time.monotonic() < until:
                more = _slice(key)
    except Exception:
        _release(key)  # what fails now may work a moment later: the sweep need not wait for the lease
        raise
    _release(key)
    return more


def _release(key: int) -> None:
    BulkEdit.objects.filter(pk=key).update(leased_until=None)


@transaction.atomic
def _slice(key: int) -> bool:
    """Some of its assets, with what became of them. Returns whether there are more."""
    edit = BulkEdit.objects.select_for_update(no_key=True).get(pk=key)
    steps: dict[str, tuple[str, Callable[[BulkEdit, list[BulkEditItem]], None], BulkState]] = {
        BulkState.RUNNING: (BulkOutcome.WAITING, _change, BulkState.DONE),
        BulkState.UNDOING: (BulkOutcome.CHANGED, _restore, BulkState.UNDONE),
    }
    if edit.state not in steps:
        return False
    if edit.owner is None and edit.state == BulkState.RUNNING:
        # Whose rights bounded it is gone, and no account is the system, which may everything.
        BulkEdit.objects.filter(pk=key).update(state=BulkState.STOPPED, finished=timezone.now())
        return False
    outcome, deed, end = steps[edit.state]
    if edit.role and edit.owner is not None:
        lower(edit.owner, Role(edit.role))
    BulkEdit.objects.filter(pk=key).update(leased_until=clock.after(LEASE))
    items = list(edit.items.filter(outcome=outcome).order_by("pk")[:SLICE])
    if not items:
        BulkEdit.objects.filter(pk=key).update(state=end, finished=timezone.now())
        return False
    deed(edit, items)
    BulkEditItem.objects.bulk_update(items, ["outcome", "before", "changed_at"])
    return True


def _change(edit: BulkEdit, items: list[BulkEditItem]) -> None:
    by_asset = {item.asset_id: item for item in items}
    locked = editing.lock(Asset.objects.filter(pk__in=by_asset))
    for item in items:
        item.outcome = BulkOutcome.SKIPPED
    fields = custom_fields.by_slug() if any(map(custom_fields.slug_in, edit.changes)) else {}
    allowed = [asset for asset in locked if _may(edit, asset) and _takes(edit, asset, fields)]
    before = _before(edit, allowed)
    for asset in _written(edit, allowed):
        item = by_asset[asset.pk]
        item.outcome, item.before = BulkOutcome.CHANGED, before[asset.pk]
    _note_times(by_asset)


def _before(edit: BulkEdit, assets: Sequence[Asset]) -> dict[int, dict[str, Any]]:
    tags = _tags_of(assets)
    return {
        asset.pk: {
            "fields": _stored({name: _value(asset, name) for name in edit.changes}),
            "tags": tags[asset.pk],
            "state": asset.state,
        }
        for asset in assets
    }


def _value(asset: Asset, name: str) -> Any:
    slug = custom_fields.slug_in(name)
    return getattr(asset, name) if slug is None else asset.custom.get(slug)


def _written(edit: BulkEdit, assets: list[Asset]) -> list[Asset]:
    """Change those that lack nothing. A refusal names all that do, so the others are tried without them."""
    if not assets:
        return []
    try:
        with transaction.atomic():
            _write(edit, assets)
    except Incomplete as refusal:
        return _written(edit, [asset for asset in assets if str(asset.public_id) not in refusal.missing])
    return assets


def _write(edit: BulkEdit, assets: list[Asset]) -> None:
    with editing.moving(assets, actor=edit.owner, state=edit.to_state):
        if edit.changes or edit.add_tags or edit.remove_tags:
            editing.update_assets(
                assets,
                actor=edit.owner,
                changes=_plain(edit.changes),
                add_tags=edit.add_tags,
                remove_tags=edit.remove_tags,
            )


def _restore(edit: BulkEdit, items: list[BulkEditItem]) -> None:
    by_asset = {item.asset_id: item for item in items}
    locked = editing.lock(Asset.objects.filter(pk__in=by_asset))
    for item in items:
        item.outcome = BulkOutcome.KEPT
    alike: dict[str, list[Asset]] = defaultdict(list)
    for asset in locked:
        item = by_asset[asset.pk]
        if asset.updated == item.changed_at and workflow.may_change(edit.owner, asset):
            alike[_ENCODER.encode(item.before)].append(asset)
    for assets in alike.values():
        before = by_asset[assets[0].pk].before
        if _give_back(edit, assets, before):
            given_back = assets
        else:  # what stands in one's way stands not in that of the others
            given_back = [asset for asset in assets if _give_back(edit, [asset], before)]
        for asset in given_back:
            by_asset[asset.pk].outcome = BulkOutcome.UNDONE


def _give_back(edit: BulkEdit, assets: list[Asset], before: dict[str, Any]) -> bool:
    """Returns whether it was permitted, and everything still takes what it had."""
    added = {tag.slug for tag in tagging.find_tags(edit.add_tags).values()}
    removed = {tag.slug for tag in tagging.find_tags(edit.remove_tags).values()}
    had = set(before["tags"])
    try:
        with transaction.atomic():
            if assets[0].is_trashed:
                editing.restore(assets, actor=edit.owner)
            with editing.moving(assets, actor=edit.owner, state=before["state"]):
                editing.update_assets(
                    assets,
                    actor=edit.owner,
                    changes=_history(before["fields"]),
                    add_tags=sorted(removed & had),
                    remove_tags=sorted(added - had),
                )
    except (NotPermitted, BadValues):
        return False
    return True


def _may(edit: BulkEdit, asset: Asset) -> bool:
    actor = edit.owner
    if asset.is_trashed or not workflow.may_change(actor, asset):
        return False
    return edit.to_state in ("", asset.state) or workflow.may_step(actor, asset, edit.to_state)


def _takes(edit: BulkEdit, asset: Asset, fields: Fields) -> bool:
    """Whether the asset, of the kind that it will be, has these fields."""
    given = {slug: value for name, value in edit.changes.items() if (slug := custom_fields.slug_in(name))}
    try:
        merged(asset.custom, given, fields, edit.changes.get("kind") or asset.kind)
    except BadValues:
        return False
    return True


def _note(edit: BulkEdit, assets: QuerySet[Asset]) -> int:
    """Write the selection in one statement, whatever its size."""
    try:
        chosen, values = assets.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return 0
    table, quote = BulkEditItem._meta.db_table, connection.ops.quote_name
    statement = (
        f"INSERT INTO {quote(table)} (edit_id, asset_id, outcome, {quote('before')}) "  # noqa: S608  names of ours
        f"SELECT %s, chosen.* , %s, '{{}}' FROM ({chosen}) AS chosen"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [edit.pk, BulkOutcome.WAITING, *values])
        return cursor.rowcount


def _note_times(by_asset: dict[int, BulkEditItem]) -> None:
    for key, updated in Asset.objects.filter(pk__in=by_asset).values_list("pk", "updated"):
        if by_asset[key].outcome == BulkOutcome.CHANGED:
            by_asset[key].changed_at = updated


def _tags_of(assets: Sequence[Asset]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {asset.pk: [] for asset in assets}
    links = Asset.tags.through.objects.filter(asset__in=assets)
    for key, slug in links.order_by("tag__slug").values_list("asset_id", "tag__slug"):
        found[key].append(slug)
    return found


_ENCODER = DjangoJSONEncoder(sort_keys=True)


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON keeps them: days as ISO 8601."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()
    }


def _checked(values: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """As the library has them.

    Raises:
        CannotEdit: a field that is not for many at once, or a value that it does not take.
    """
    possible = (*FIELDS, *(field.name for field in fields.values() if field.active))
    if unknown := values.keys() - set(possible):
        raise CannotEdit(
            _("Not for many at once: %(names)s. Possible are: %(possible)s.")
            % {"names": ", ".join(sayable(name) for name in sorted(unknown)), "possible": ", ".join(possible)}
        )
    custom = {}
    for name, value in values.items():
        slug = custom_fields.slug_in(name)
        if slug is None:
            continue
        try:
            custom[name] = cleaned(fields[slug], value)
        except BadValues as bad:
            raise CannotEdit(str(bad)) from bad
    plain = _plain({name: value for name, value in values.items() if name not in custom})
    if "territories" in plain:
        plain["territories"] = territories.codes_of(plain["territories"])
    return {**plain, **custom}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the model has them; those of custom fields are checked where they are written.

    Raises:
        CannotEdit: a value that the field does not take.
    """
    checked = {}
    for name, value in values.items():
        if custom_fields.slug_in(name) is not None:
            checked[name] = value
            continue
        column = Asset._meta.get_field(name)
        if isinstance(column, CharField):
            _check_text(str(column.verbose_name), value)
        try:
            checked[name] = column.clean(value, None)  # type: ignore[union-attr]
        except TypeError as error:  # a number, which JSON has; all others are taken as text
            sentence = _("“%(text)s” is no date; write it like 2027-12-31.") % {"text": value}
            raise CannotEdit(sentence) from error
        except ValidationError as error:
            raise CannotEdit(f"{column.verbose_name}: {' '.join(error.messages)}") from error  # type: ignore[union-attr]
    return checked


def _check_text(field: str, value: Any) -> None:
    """A column of text makes a text of whatever JSON has."""
    if not isinstance(value, str):
        raise CannotEdit(_("“%(field)s” takes a text.") % {"field": field})
    if not is_storable(value):
        raise CannotEdit(
            _("“%(field)s” holds a character that no database keeps. Type the text anew, or paste it.")
            % {"field": field}
        )


def _history(values: Mapping[str, Any]) -> dict[str, Any]:
    """What assets had: as the model has it, also where it would not be taken any more."""
    kept = {name: value for name, value in values.items() if name == "territories"}
    return _plain({name: value for name, value in values.items() if name not in kept}) | kept


def _check_owner(edit: BulkEdit, actor: User) -> None:
    if edit.owner_id != actor.pk and not has_role(actor, Role.ADMINISTRATOR):
        raise NotPermitted(_("Only who began a bulk edit and administrators stop or undo it."))

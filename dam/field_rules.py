"""Which fields must be filled before an asset enters review or is approved, and what still is missing.

Rules are few: a verb or request loads them once. Drafts are never refused anything. A generated picture
enters review whatever is missing, since it was paid for; only its approval waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import cast

from django.db import transaction
from django.db.models import Exists, Field, OuterRef, Q, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dam import audit, custom_fields, workflow
from dam.audit import Actor
from dam.custom_values import Fields
from dam.models import Asset, AssetKind, AssetOrigin, AssetSKU, AssetState, FieldRule, ModelRelease
from dam.roles import Role
from dam.workflow import NotPermitted

MANAGING = Role.ADMINISTRATOR
TEXTS = (
    "title", "title_zh", "alt_text", "alt_text_zh", "description", "description_zh", "rights_holder",
    "licence", "credit",
)  # fmt: skip
TAGS, SKUS, RELEASE = "tags", "skus", "model_release"
BUILT_IN = (*TEXTS, TAGS, SKUS, RELEASE)
# Each step asks for what those before it ask for.
STEPS = (AssetState.IN_REVIEW, AssetState.APPROVED)


class Incomplete(NotPermitted):
    """Required fields are missing; `str()` names them and says where to fill them.

    Attributes:
        missing: their names by the public id of each asset.
    """

    def __init__(self, sentence: str, missing: Mapping[str, Sequence[str]]) -> None:
        super().__init__(sentence)
        self.missing = {key: list(names) for key, names in missing.items()}


@dataclass(frozen=True)
class Rules:
    """The rules as they are now: (kind, state) → names of the required fields.

    Attributes:
        fields: all custom fields; empty where no rule asks for one.
    """

    required_by: Mapping[tuple[str, str], Sequence[str]]
    fields: Fields

    def __bool__(self) -> bool:
        return bool(self.required_by)

    def required(self, kind: str, state: str) -> list[str]:
        """What an asset of this kind needs in this state, in the order of the page; states without rules
        need nothing."""
        if state not in STEPS or not self:
            return []
        names = {
            name
            for step in STEPS[: STEPS.index(AssetState(state)) + 1]
            for rule_kind in ("", kind)
            for name in self.required_by.get((rule_kind, step), ())
        }
        custom = [field.name for field in custom_fields.asked_for(self.fields, kind)]
        return [name for name in (*BUILT_IN, *custom) if name in names]

    def missing(self, asset: Asset, state: str, *, has_tags: bool, has_skus: bool) -> list[str]:
        """Those of the required fields that are empty."""
        linked = {TAGS: has_tags, SKUS: has_skus}
        return [
            name
            for name in self.required(asset.kind, state)
            if not (linked[name] if name in linked else _is_filled(asset, name))
        ]

    def for_entering(self, asset: Asset, state: str, *, has_tags: bool, has_skus: bool) -> list[str]:
        """What keeps the asset from entering the state."""
        if asset.origin == AssetOrigin.GENERATED and state == AssetState.IN_REVIEW:
            return []
        return self.missing(asset, state, has_tags=has_tags, has_skus=has_skus)

    def label(self, name: str) -> str:
        """What people call a field."""
        return label_of(name, self.fields)

    def labels(self, names: Iterable[str]) -> str:
        """The labels in a row."""
        return _(", ").join(f"“{self.label(name)}”" for name in names)


def load() -> Rules:
    """The rules; one query, and one more where there are any."""
    rows = {(rule.kind, rule.state): rule.required for rule in FieldRule.objects.all() if rule.required}
    return Rules(rows, custom_fields.by_slug() if rows else {})


def label_of(name: str, fields: Fields) -> str:
    """What people call a field of either sort."""
    slug = custom_fields.slug_in(name)
    if slug is not None:
        return str(fields[slug]) if slug in fields else name
    fixed = {TAGS: _("Tags"), SKUS: _("SKUs")}
    return fixed.get(name) or str(capfirst(cast(Field, Asset._meta.get_field(name)).verbose_name))


def missing_of(assets: Sequence[Asset], state: str, rules: Rules) -> dict[int, list[str]]:
    """Key of each asset → what it lacks for this state; at most two queries."""
    return _found_missing(assets, rules, lambda _asset: state, rules.missing)


def missing_by_step(asset: Asset, rules: Rules, *, has_tags: bool, has_skus: bool) -> dict[str, list[str]]:
    """Each step → what the asset lacks for it."""
    return {step.value: rules.missing(asset, step, has_tags=has_tags, has_skus=has_skus) for step in STEPS}


def check_entering(assets: Sequence[Asset], state: str) -> None:
    """
    Raises:
        Incomplete: one of them lacks what the state asks for.
    """
    if lacking := without_fields(assets, state):
        rules, missing = lacking
        raise Incomplete(_entering_sentence(assets, missing, state, rules), _by_id(assets, missing))


def refusals(assets: Sequence[Asset], state: str) -> dict[int, Incomplete]:
    """Key → why that asset may not enter the state, each by itself; those that may are not among them."""
    lacking = without_fields(assets, state)
    if lacking is None:
        return {}
    rules, missing = lacking
    alone = [([asset], {asset.pk: missing[asset.pk]}) for asset in assets if asset.pk in missing]
    return {
        one[0].pk: Incomplete(_entering_sentence(one, names, state, rules), _by_id(one, names))
        for one, names in alone
    }


def without_fields(assets: Sequence[Asset], state: str) -> tuple[Rules, dict[int, list[str]]] | None:
    """The assets that may not enter the state yet, by key, with what they lack; None where all may."""
    if state not in STEPS or not assets or not (rules := load()):
        return None
    found = _found_missing(assets, rules, lambda _asset: state, rules.for_entering)
    lacking = {key: names for key, names in found.items() if names}
    return (rules, lacking) if lacking else None


def lacking_for_return(assets: Sequence[Asset]) -> tuple[Rules, dict[int, list[str]]]:
    """Key → what an asset of the trash lacks for the state that it had before."""
    rules = Rules({}, {})
    lacking: dict[int, list[str]] = {}
    for state in STEPS:
        returning = [asset for asset in assets if asset.state_before_trash == state]
        if found := without_fields(returning, state):
            rules = found[0]
            lacking |= found[1]
    return rules, lacking


class Guard:
    """Keeps an edit from emptying what the state of an asset asks for. What was missing before is no fault.

    Costs nothing while there are no rules, or while all of the assets are drafts.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        self.assets = [asset for asset in assets if asset.state in STEPS]
        self.rules = load() if self.assets else Rules({}, {})
        self.before = self._missing(self.assets)

    def check(self, edited: Mapping[int, Asset] | None = None) -> None:
        """
        Args:
            edited: the assets by key as they are now, where their columns changed.

        Raises:
            Incomplete: the edit left a required field empty.
        """
        if not self.rules:
            return
        now = [(edited or {}).get(asset.pk, asset) for asset in self.assets]
        emptied = {
            key: names
            for key, missing in self._missing(now).items()
            if (names := [name for name in missing if name not in self.before[key]])
        }
        if emptied:
            raise Incomplete(_emptied_sentence(now, emptied, self.rules), _by_id(now, emptied))

    def _missing(self, assets: Sequence[Asset]) -> dict[int, list[str]]:
        if not self.rules:
            return {}
        return _found_missing(assets, self.rules, lambda asset: asset.state, self.rules.missing)


def is_step_back(before: str, after: str) -> bool:
    """Whether less is asked for in the state after than in the one before."""
    return _rank(after) < _rank(before)


def incomplete(assets: QuerySet[Asset], state: str, rules: Rules) -> QuerySet[Asset]:
    """Those of the assets that lack something for this state."""
    parts = []
    for kind in AssetKind.values:
        if names := rules.required(kind, state):
            parts.append(Q(kind=kind) & reduce(or_, [_is_empty(name) for name in names]))
    return assets.filter(reduce(or_, parts)) if parts else assets.none()


def taken_as_draft(rules: Rules, missing: Sequence[str]) -> str:
    """The sentence about a file that comes in as a draft, since it lacks what the wished state asks for."""
    return ngettext(
        "Comes in as a draft: %(fields)s is still missing. Fill it on the asset’s page, then move it on.",
        "Comes in as a draft: %(fields)s are still missing. Fill them on the asset’s page, then move it on.",
        len(missing),
    ) % {"fields": rules.labels(missing)}


# ── Managing ──────────────────────────────────────────────────────────────────────────────────────


def requirable(fields: Fields) -> dict[str, str]:
    """Name → label of everything that a rule may ask for."""
    names = (*BUILT_IN, *(field.name for field in fields.values() if field.active))
    return {name: label_of(name, fields) for name in names}


def problems_with(rule: FieldRule) -> dict[str, str]:
    """What is wrong with a rule beyond single columns, by column."""
    names = rule.required
    if not isinstance(names, list) or not names:
        return {"required": _("Choose at least one field.")}
    known = requirable(custom_fields.by_slug())
    if unknown := [str(name) for name in names if name not in known]:
        return {
            "required": _("No fields that can be asked for: %(names)s. Possible are: %(possible)s.")
            % {"names": ", ".join(unknown)[:200], "possible": ", ".join(known)}
        }
    return {}


@transaction.atomic
def save(rule: FieldRule, *, actor: Actor) -> None:
    """Create or update; assets that are in the state already stay there.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    action = "field_rule.updated" if rule.pk else "field_rule.created"
    rule.required = list(dict.fromkeys(rule.required))
    rule.save()
    audit.record(actor, action, rule, **_story(rule))


@transaction.atomic
def delete(rule: FieldRule, *, actor: Actor) -> None:
    """Ask for these fields no more.

    Raises:
        NotPermitted: the account is no administrator.
    """
    workflow.check_role(actor, MANAGING)
    audit.record(actor, "field_rule.deleted", rule, **_story(rule))
    rule.delete()


def _story(rule: FieldRule) -> dict[str, object]:
    return {"kind": rule.kind, "state": rule.state, "required": rule.required}


# ── What is missing ───────────────────────────────────────────────────────────────────────────────


def _is_filled(asset: Asset, name: str) -> bool:
    slug = custom_fields.slug_in(name)
    if slug is not None:
        return slug in asset.custom
    if name == RELEASE:
        return asset.model_release != ModelRelease.MISSING
    return bool(str(getattr(asset, name)).strip())


def _is_empty(name: str) -> Q:
    slug = custom_fields.slug_in(name)
    if slug is not None:
        return ~Q(custom__has_key=slug)
    if name == TAGS:
        return ~Q(Exists(Asset.tags.through.objects.filter(asset=OuterRef("pk"))))
    if name == SKUS:
        return ~Q(Exists(AssetSKU.objects.filter(asset=OuterRef("pk"))))
    if name == RELEASE:
        return Q(model_release=ModelRelease.MISSING)
    return Q(**{name: ""})


def _found_missing(
    assets: Sequence[Asset],
    rules: Rules,
    state_of: Callable[[Asset], str],
    missing: Callable[..., list[str]],
) -> dict[int, list[str]]:
    """Tags and SKUs are looked up for all at once, and only where a rule asks for them."""
    asked = {name for asset in assets for name in rules.required(asset.kind, state_of(asset))}
    keys = [asset.pk for asset in assets]
    tagged, linked = set(), set()
    if TAGS in asked:
        tagged = set(Asset.tags.through.objects.filter(asset__in=keys).values_list("asset_id", flat=True))
    if SKUS in asked:
        linked = set(AssetSKU.objects.filter(asset__in=keys).values_list("asset_id", flat=True))
    return {
        asset.pk: missing(asset, state_of(asset), has_tags=asset.pk in tagged, has_skus=asset.pk in linked)
        for asset in assets
    }


def _rank(state: str) -> int:
    return STEPS.index(AssetState(state)) + 1 if state in STEPS else 0


def _by_id(assets: Sequence[Asset], missing: Mapping[int, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {str(asset.public_id): missing[asset.pk] for asset in assets if asset.pk in missing}


def _entering_sentence(
    assets: Sequence[Asset], missing: Mapping[int, list[str]], state: str, rules: Rules
) -> str:
    first = next(asset for asset in assets if asset.pk in missing)
    details = {
        "title": first.display_title,
        "state": str(AssetState(state).label),
        "fields": rules.labels(missing[first.pk]),
        "others": len(missing) - 1,
    }
    if len(missing) == 1:
        return (
            _(
                "“%(title)s” cannot become “%(state)s” yet; it still needs: %(fields)s. "
                "Fill that on its page, then try again."
            )
            % details
        )
    return (
        ngettext(
            "“%(title)s” cannot become “%(state)s” yet; it still needs: %(fields)s. %(others)d other asset "
            "lacks something too. Fill that on their pages, then try again.",
            "“%(title)s” cannot become “%(state)s” yet; it still needs: %(fields)s. %(others)d other assets "
            "lack something too. Fill that on their pages, then try again.",
            len(missing) - 1,
        )
        % details
    )


def _emptied_sentence(assets: Sequence[Asset], emptied: Mapping[int, list[str]], rules: Rules) -> str:
    first = next(asset for asset in assets if asset.pk in emptied)
    return _(
        "“%(title)s” is “%(state)s”, which asks for: %(fields)s. Fill that, or move the asset back to draft "
        "first."
    ) % {
        "title": first.display_title,
        "state": str(AssetState(first.state).label),
        "fields": rules.labels(emptied[first.pk]),
    }

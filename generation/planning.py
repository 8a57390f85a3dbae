"""Plans: which pictures a job would make, what is left out and why, what it costs. Changes nothing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from dam import rights
from dam.models import Asset, AssetState
from generation import composition, prompts
from generation.models import InputRole, JobKind
from generation.providers.base import Capability, Provider
from generation.providers.registry import UnknownProvider, get_provider
from generation.selection import find

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_CELLS = 20_000
ALTERNATIVES = 6
# Tall for people, square for things; a provider that knows neither uses its own.
_ASPECT_RATIOS = {JobKind.OUTFITS: "3:4", JobKind.COMPOSITION: "3:4", JobKind.SCENES: "1:1"}


class PlanError(Exception):
    """Nothing can be planned; the message is a sentence."""


@dataclass(frozen=True)
class PlanCell:
    """One picture to make: role-ordered inputs and the prompt."""

    inputs: tuple[tuple[str, Asset], ...]
    prompt: str

    @property
    def description(self) -> str:
        return " × ".join(asset.display_title for _role, asset in self.inputs)


@dataclass(frozen=True)
class Exclusion:
    """What was left out, why, and how many pictures that takes away."""

    description: str
    reason: str
    cells: int


@dataclass(frozen=True)
class SlotChoice:
    """A slot of a composition, the asset chosen for it and the others that were found."""

    role: str
    text: str
    chosen: Asset | None
    alternatives: tuple[Asset, ...] = ()

    @property
    def label(self) -> str:
        return str(InputRole(self.role).label)

    @property
    def candidates(self) -> tuple[Asset, ...]:
        """The chosen asset and the others."""
        return (self.chosen, *self.alternatives) if self.chosen else ()


@dataclass(frozen=True)
class Fill:
    """What pictures are made for: SKUs that lack them in a role, by key and code."""

    role: str
    skus: Mapping[int, str]


@dataclass(frozen=True)
class Plan:
    """A matrix of pictures with count, price and time."""

    kind: str
    provider: str
    cells: tuple[PlanCell, ...]
    excluded: tuple[Exclusion, ...]
    price_per_picture: Decimal
    currency: str
    seconds: float
    parameters: Mapping[str, str]
    sentence: str = ""
    instruction: str = ""
    slots: tuple[SlotChoice, ...] = field(default=())
    fill: Fill | None = None

    @property
    def picture_count(self) -> int:
        return len(self.cells)

    @property
    def cost(self) -> Decimal:
        return self.price_per_picture * len(self.cells)


def plan_outfits(
    models: Sequence[Asset],
    garments: Sequence[Asset],
    accessories: Sequence[Asset] = (),
    *,
    provider: str = "",
    language: str = "",
) -> Plan:
    """Each model in each garment, with each accessory where accessories are given."""
    axes = [(InputRole.MODEL, models), (InputRole.GARMENT, garments)]
    if accessories:
        axes.append((InputRole.ACCESSORY, accessories))
    return _matrix(JobKind.OUTFITS, axes, provider=provider, language=language)


def plan_scenes(
    products: Sequence[Asset], scenes: Sequence[Asset], *, provider: str = "", language: str = ""
) -> Plan:
    """Each product in each scene."""
    axes = [(InputRole.PRODUCT, products), (InputRole.SCENE, scenes)]
    return _matrix(JobKind.SCENES, axes, provider=provider, language=language)


def plan_edit(
    asset: Asset | Sequence[Asset], instruction: str, *, provider: str = "", language: str = ""
) -> Plan:
    """One asset, or each of several, changed as the instruction says."""
    instruction = instruction.strip()
    if not instruction:
        raise PlanError(_("Say in the instruction what is to be changed."))
    assets = [asset] if isinstance(asset, Asset) else asset
    return _matrix(
        JobKind.EDIT,
        [(InputRole.REFERENCE, assets)],
        provider=provider,
        language=language or _language_of(instruction),
        instruction=instruction,
    )


def plan_composition(
    sentence: str,
    user: User | AnonymousUser | None,
    *,
    choices: Mapping[int, Asset] | None = None,
    provider: str = "",
    language: str = "",
) -> Plan:
    """One picture of what the sentence describes; `choices` replaces what was found, by slot number."""
    sentence = sentence.strip()
    slots = composition.split(sentence)
    if not slots:
        raise PlanError(_("Write one sentence that says who is shown and with what."))
    chosen = _choose(slots, user, choices or {})
    found = [(slot.role, [slot.chosen]) for slot in chosen if slot.chosen is not None]
    if not found:
        raise PlanError(_("Nothing was found for “%(text)s”.") % {"text": sentence})
    missing = [
        Exclusion(slot.text, _("Nothing in the library shows this; only the prompt names it."), 0)
        for slot in chosen
        if slot.chosen is None
    ]
    return _matrix(
        JobKind.COMPOSITION,
        found,
        provider=provider,
        language=language or _language_of(sentence),
        sentence=sentence,
        slots=tuple(chosen),
        excluded=missing,
    )


def choose_provider(name: str = "") -> tuple[str, Provider]:
    """The provider of that name, or the configured default.

    Raises:
        PlanError: there is none of that name.
    """
    name = name or settings.GENERATION_PROVIDER
    try:
        return name, get_provider(name)
    except UnknownProvider:
        known = ", ".join(sorted(settings.GENERATION_PROVIDERS))
        raise PlanError(
            _("There is no provider “%(name)s”. Known: %(known)s.") % {"name": name, "known": known}
        ) from None


def named_inputs(inputs: Iterable[tuple[str, Asset]]) -> list[prompts.NamedInput]:
    """Inputs as the prompt templates take them."""
    return [prompts.NamedInput(role, asset.title, asset.title_zh) for role, asset in inputs]


def _choose(
    slots: Sequence[composition.Slot], user: User | AnonymousUser | None, choices: Mapping[int, Asset]
) -> list[SlotChoice]:
    """The nearest asset for each slot; no asset fills two."""
    taken: set[int] = set()
    chosen = []
    for number, slot in enumerate(slots):
        found = find(slot.text, user=user, kinds=slot.kinds, limit=ALTERNATIVES)
        free = (asset for asset in found if asset.pk not in taken and not why_unusable(asset))
        best = choices.get(number) or next(free, None)
        if best is None:
            chosen.append(SlotChoice(slot.role, slot.text, None))
            continue
        taken.add(best.pk)
        others = tuple(asset for asset in found if asset.pk != best.pk)
        chosen.append(SlotChoice(slot.role_of(best.kind), slot.text, best, others))
    return chosen


def _matrix(
    kind: JobKind,
    axes: Sequence[tuple[str, Sequence[Asset]]],
    *,
    provider: str,
    language: str,
    sentence: str = "",
    instruction: str = "",
    slots: tuple[SlotChoice, ...] = (),
    excluded: Sequence[Exclusion] = (),
) -> Plan:
    provider, engine = choose_provider(provider)
    capability = engine.capability
    if not capability.price_known:
        raise PlanError(
            _("What a picture by “%(provider)s” costs is not known. “manage.py doctor” says how to set it.")
            % {"provider": provider}
        )
    distinct = [(role, list({asset.pk: asset for asset in assets}.values())) for role, assets in axes]
    _refuse_too_many(distinct)
    usable, left_out = _without_unusable(distinct)
    combinations, refused = _combinations(usable, capability, provider)
    language = language or ("zh" if (translation.get_language() or "").startswith("zh") else "en")
    parameters = _parameters(kind, capability, language)
    cells = tuple(
        PlanCell(
            combination,
            prompts.render(
                kind,
                named_inputs(combination),
                language=language,
                sentence=sentence,
                instruction=instruction,
            ),
        )
        for combination in combinations
    )
    return Plan(
        kind=kind,
        provider=provider,
        cells=cells,
        excluded=(*excluded, *left_out, *refused),
        price_per_picture=engine.price(parameters, inputs=len(axes)),
        currency=capability.currency,
        seconds=math.ceil(len(cells) / max(1, capability.parallel_calls)) * capability.seconds_per_picture,
        parameters=parameters,
        sentence=sentence,
        instruction=instruction,
        slots=slots,
    )


def _parameters(kind: JobKind, capability: Capability, language: str) -> dict[str, str]:
    parameters = {"language": language, "prompt_version": prompts.VERSION}
    if (ratio := _ASPECT_RATIOS.get(kind)) in capability.aspect_ratios:
        parameters["aspect_ratio"] = str(ratio)
    return parameters


def _refuse_too_many(axes: Sequence[tuple[str, Sequence[Asset]]]) -> None:
    for role, assets in axes:
        if not assets:
            raise PlanError(_("No picture was chosen as %(role)s.") % {"role": InputRole(role).label.lower()})
    count = math.prod(len(assets) for _role, assets in axes)
    if count > MAX_CELLS:
        raise PlanError(
            _("That would be %(count)s pictures; a job holds at most %(limit)s. Choose fewer.")
            % {"count": f"{count:,}", "limit": f"{MAX_CELLS:,}"}
        )


def _without_unusable(
    axes: Sequence[tuple[str, list[Asset]]],
) -> tuple[list[tuple[str, list[Asset]]], list[Exclusion]]:
    count = math.prod(len(assets) for _role, assets in axes)
    kept: list[tuple[str, list[Asset]]] = []
    left_out: list[Exclusion] = []
    for role, assets in axes:
        reasons = {asset.pk: why_unusable(asset) for asset in assets}
        kept.append((role, [asset for asset in assets if not reasons[asset.pk]]))
        left_out += [
            Exclusion(
                f"{asset.display_title} ({InputRole(role).label})", reasons[asset.pk], count // len(assets)
            )
            for asset in assets
            if reasons[asset.pk]
        ]
    return kept, left_out


def why_unusable(asset: Asset) -> str:
    """Why nothing may be made from this asset, as a sentence; empty where it may."""
    if asset.state == AssetState.TRASHED:
        return _("It is in the trash.")
    if asset.state == AssetState.REJECTED:
        return _("It was rejected in review.")
    if asset.current_id is None:
        return _("It has no file.")
    return rights.why_unusable(asset)


def _combinations(
    axes: Sequence[tuple[str, list[Asset]]], capability: Capability, provider: str
) -> tuple[list[tuple[tuple[str, Asset], ...]], list[Exclusion]]:
    """Every combination once, without those that the provider cannot take."""
    count = math.prod(len(assets) for _role, assets in axes)
    if count and (reason := _why_refused([role for role, _assets in axes], capability, provider)):
        return [], [Exclusion(_("Every cell"), reason, count)]
    kept: list[tuple[tuple[str, Asset], ...]] = []
    refused: list[Exclusion] = []
    seen: set[frozenset[tuple[str, int]]] = set()
    for assets in itertools.product(*(assets for _role, assets in axes)):
        cell = tuple(zip((role for role, _assets in axes), assets, strict=True))
        key = frozenset((role, asset.pk) for role, asset in cell)
        if key in seen:
            continue
        seen.add(key)
        if len({asset.pk for asset in assets}) < len(assets):
            title = " × ".join(asset.display_title for asset in assets)
            refused.append(Exclusion(title, _("The same picture would be used twice."), 1))
            continue
        kept.append(cell)
    return kept, refused


def _why_refused(roles: Sequence[str], capability: Capability, provider: str) -> str:
    untaken = [InputRole(role).label.lower() for role in roles if role not in capability.roles]
    if untaken:
        return _("The provider “%(provider)s” takes no picture as %(roles)s.") % {
            "provider": provider,
            "roles": ", ".join(dict.fromkeys(untaken)),
        }
    if len(roles) > capability.max_inputs:
        return _("%(count)s pictures go in; the provider “%(provider)s” takes %(limit)s.") % {
            "count": len(roles),
            "provider": provider,
            "limit": capability.max_inputs,
        }
    return ""


def _language_of(text: str) -> str:
    return "zh" if re.search(r"[\u3400-\u9fff]", text) else "en"

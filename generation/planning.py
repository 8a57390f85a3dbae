"""Plans: which pictures a job would make, what is left out and why, what it costs. Changes nothing."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _

from dam import rights
from dam.languages import reader_language
from dam.models import Asset, AssetState
from generation import composition, prompts
from generation.finding import Found, cell_hash, made_before, request_hash
from generation.models import InputRole, JobKind
from generation.prompts import Template, TemplateError, Words
from generation.providers.base import Capability, Provider
from generation.providers.registry import UnknownProvider, get_provider
from generation.rules import Rule, rules_for
from generation.selection import find
from generation.styles import Style
from generation.templates import find_template

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_CELLS = 20_000
ALTERNATIVES = 6
# Tall for people, square for things; a provider that knows neither uses its own.
_ASPECT_RATIOS = {JobKind.OUTFITS: "3:4", JobKind.COMPOSITION: "3:4", JobKind.SCENES: "1:1"}


class PlanError(Exception):
    """Nothing can be planned; the message is a sentence."""


@dataclass(frozen=True)
class Manner:
    """How the pictures of a plan are to be made.

    Attributes:
        template: a prompt template, as `key` or `key@version`; empty for that of the kind of job.
        slots: what a person wrote into the template's slots.
        style: the look that they share.
        negative: what is not to be seen, beside what template and style say.
        again: make, and pay, what there is already once more.
    """

    template: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    style: Style = field(default_factory=Style)
    negative: str = ""
    again: bool = False


@dataclass(frozen=True)
class PlanCell:
    """One cell of the matrix: role-ordered inputs, and its prompt where a picture is to be made.

    Attributes:
        reason: why it is left out, as a sentence; empty where it is not.
        found: what there is for it already.
        left_out: of the prompt, since the provider takes few words.
    """

    inputs: tuple[tuple[str, Asset], ...]
    prompt: str = ""
    cell_hash: str = ""
    request_hash: str = ""
    reason: str = ""
    found: Found | None = None
    left_out: str = ""

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
    """A matrix of pictures with count, price and time.

    Attributes:
        grid: every cell in the order of the matrix: to be made, found or left out.
        excluded: why cells are left out, each reason once for the pictures that it concerns.
        per_row: how many cells of the grid have the same first input.
        own_inputs: how many inputs of a cell are its own; those behind them give the style.
    """

    kind: str
    provider: str
    grid: tuple[PlanCell, ...]
    excluded: tuple[Exclusion, ...]
    price_per_picture: Decimal
    currency: str
    seconds_per_picture: float
    parallel_calls: int
    parameters: Mapping[str, Any]
    again: bool = False
    per_row: int = 1
    own_inputs: int = 1
    sentence: str = ""
    instruction: str = ""
    slots: tuple[SlotChoice, ...] = field(default=())
    fill: Fill | None = None

    @cached_property
    def cells(self) -> tuple[PlanCell, ...]:
        """The pictures that the job would make."""
        return tuple(cell for cell in self.grid if not cell.reason and (self.again or cell.found is None))

    @cached_property
    def found(self) -> tuple[PlanCell, ...]:
        """The cells that there is something for already."""
        return tuple(cell for cell in self.grid if cell.found is not None)

    @property
    def picture_count(self) -> int:
        return len(self.cells)

    @property
    def cost(self) -> Decimal:
        return self.price_per_picture * len(self.cells)

    @property
    def saved(self) -> Decimal:
        """What is not paid again."""
        return Decimal(0) if self.again else self.price_per_picture * len(self.found)

    @property
    def seconds(self) -> float:
        return math.ceil(len(self.cells) / max(1, self.parallel_calls)) * self.seconds_per_picture


@dataclass(frozen=True)
class _Axis:
    """One selection of a matrix; `together` of its assets go into each picture."""

    role: str
    assets: Sequence[Asset]
    together: int = 1

    @property
    def options(self) -> int:
        return math.comb(len(self.assets), self.together)


def plan_outfits(
    models: Sequence[Asset],
    garments: Sequence[Asset],
    accessories: Sequence[Asset] = (),
    *,
    garments_together: int = 1,
    provider: str = "",
    language: str = "",
    manner: Manner = Manner(),
) -> Plan:
    """Each model in each garment, or in each set of several, with each accessory where some are given."""
    axes = [_Axis(InputRole.MODEL, models), _Axis(InputRole.GARMENT, garments, garments_together)]
    if accessories:
        axes.append(_Axis(InputRole.ACCESSORY, accessories))
    return _matrix(JobKind.OUTFITS, axes, provider=provider, language=language, manner=manner)


def plan_scenes(
    products: Sequence[Asset],
    scenes: Sequence[Asset],
    *,
    provider: str = "",
    language: str = "",
    manner: Manner = Manner(),
) -> Plan:
    """Each product in each scene."""
    axes = [_Axis(InputRole.PRODUCT, products), _Axis(InputRole.SCENE, scenes)]
    return _matrix(JobKind.SCENES, axes, provider=provider, language=language, manner=manner)


def plan_edit(
    asset: Asset | Sequence[Asset],
    instruction: str = "",
    accessories: Sequence[Asset] = (),
    *,
    provider: str = "",
    language: str = "",
    manner: Manner = Manner(),
) -> Plan:
    """One asset, or each of several, changed as the instruction or a recipe's slots say; with each
    accessory where some are given."""
    instruction = instruction.strip()
    template = _template(manner.template, JobKind.EDIT)
    if not instruction and template.takes_instruction():
        raise PlanError(_("Say in the instruction what is to be changed."))
    if template.key == "accessory" and not accessories:
        raise PlanError(_("Choose the accessories that are to be worn."))
    assets = [asset] if isinstance(asset, Asset) else asset
    axes = [_Axis(InputRole.REFERENCE, assets)]
    if accessories:
        axes.append(_Axis(InputRole.ACCESSORY, accessories))
    return _matrix(
        JobKind.EDIT,
        axes,
        provider=provider,
        language=language or _language_of(instruction + "".join(manner.slots.values())),
        instruction=instruction,
        manner=manner,
    )


def plan_composition(
    sentence: str,
    user: User | AnonymousUser | None,
    *,
    choices: Mapping[int, Asset] | None = None,
    provider: str = "",
    language: str = "",
    manner: Manner = Manner(),
) -> Plan:
    """One picture of what the sentence describes; `choices` replaces what was found, by slot number."""
    sentence = sentence.strip()
    slots = composition.split(sentence)
    if not slots:
        raise PlanError(_("Write one sentence that says who is shown and with what."))
    chosen = _choose(slots, user, choices or {})
    found = [_Axis(slot.role, [slot.chosen]) for slot in chosen if slot.chosen is not None]
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
        manner=manner,
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
    axes: Sequence[_Axis],
    *,
    provider: str,
    language: str,
    sentence: str = "",
    instruction: str = "",
    slots: tuple[SlotChoice, ...] = (),
    excluded: Sequence[Exclusion] = (),
    manner: Manner,
) -> Plan:
    provider, engine = choose_provider(provider)
    capability = engine.capability
    if not capability.price_known:
        raise PlanError(
            _("What a picture by “%(provider)s” costs is not known. “manage.py doctor” says how to set it.")
            % {"provider": provider}
        )
    language = language or reader_language()
    brief = _brief(kind, manner, capability, language, sentence, instruction, sum(x.together for x in axes))
    axes = [replace(axis, assets=list({one.pk: one for one in axis.assets}.values())) for axis in axes]
    _refuse_too_many(axes)
    usable, left_out = _without_unusable(axes)
    inputs = sum(axis.together for axis in axes) + len(brief.style)
    everything = _why_refused([*_roles(axes), *(role for role, _asset in brief.style)], capability, provider)
    if everything:
        count = math.prod(axis.options for axis in usable)
        grid: list[PlanCell] = []
        refused = [Exclusion(_("Every cell"), everything, count)] if count else []
    else:
        grid, refused = _combinations(usable)
        grid = brief.written(grid, provider)
    return Plan(
        kind=kind,
        provider=provider,
        grid=tuple(grid),
        excluded=(*excluded, *brief.notes, *_unsaid(grid), *left_out, *refused),
        price_per_picture=engine.price(brief.parameters, inputs=inputs),
        currency=capability.currency,
        seconds_per_picture=capability.seconds_per_picture,
        parallel_calls=capability.parallel_calls,
        parameters=brief.parameters,
        again=manner.again,
        per_row=max(1, math.prod(axis.options for axis in usable[1:])),
        own_inputs=len(_roles(axes)),
        sentence=sentence,
        instruction=instruction or brief.template.summarised(brief.words.slots, language),
        slots=slots,
    )


@dataclass(frozen=True)
class _Brief:
    """What all cells of a plan have in common: template, words, parameters and style."""

    kind: str
    template: Template
    words: Words
    language: str
    parameters: Mapping[str, Any]
    style: tuple[tuple[str, Asset], ...]
    makes_photographs: bool
    prompt_tokens: int
    notes: tuple[Exclusion, ...] = ()

    def written(self, cells: Sequence[PlanCell], provider: str) -> list[PlanCell]:
        """The cells with their prompts, and with what there is for them already."""
        purpose: Sequence[Any] = [
            self.kind, self.makes_photographs, self.template.label, self.words.sentence,
            self.words.instruction, self.words.slots, self.words.style, self.words.negative,
            self.parameters.get("negative", ""),
        ]  # fmt: skip
        written = [cell if cell.reason else self._written(cell, purpose, provider) for cell in cells]
        made = made_before({cell.cell_hash: cell.request_hash for cell in written if cell.cell_hash})
        if not made:
            return written
        return [
            replace(cell, found=made[cell.cell_hash]) if cell.cell_hash in made else cell for cell in written
        ]

    def _written(self, cell: PlanCell, purpose: Sequence[Any], provider: str) -> PlanCell:
        inputs = (*cell.inputs, *self.style)
        prompt, left_out = prompts.rendered(
            self.template,
            named_inputs(inputs),
            language=self.language,
            words=self.words,
            tokens=self.prompt_tokens,
        )
        key = cell_hash(purpose, ((str(role), asset.pk, asset.current_id) for role, asset in inputs))
        request = request_hash(key, provider, self.parameters, prompt)
        return PlanCell(inputs, prompt, key, request, left_out=left_out)


def _brief(
    kind: JobKind,
    manner: Manner,
    capability: Capability,
    language: str,
    sentence: str,
    instruction: str,
    inputs: int,
) -> _Brief:
    template = _template(manner.template, kind)
    try:
        values = template.filled(manner.slots)
    except TemplateError as error:
        raise PlanError(str(error)) from error
    pictures, notes = _style_pictures(manner.style, capability, capability.max_inputs - inputs)
    without = (manner.negative, template.negative.get(language, ""), manner.style.without(language))
    negative = ", ".join(dict.fromkeys(text.strip() for text in without if text.strip()))
    words = Words(
        sentence=sentence,
        instruction=instruction,
        slots=values,
        style=manner.style.in_words(language),
        style_pictures=len(pictures),
        negative="" if capability.takes_negative else negative,
    )
    parameters: dict[str, Any] = {"language": language, "template": template.label}
    if (ratio := _ASPECT_RATIOS.get(kind)) in capability.aspect_ratios:
        parameters["aspect_ratio"] = str(ratio)
    if negative and capability.takes_negative:
        parameters["negative"] = negative
    if manner.style.slug:
        parameters["style"] = manner.style.slug
    return _Brief(
        kind,
        template,
        words,
        language,
        parameters,
        pictures,
        capability.makes_photographs,
        capability.prompt_tokens,
        notes,
    )


def _unsaid(cells: Sequence[PlanCell]) -> list[Exclusion]:
    """That the provider takes fewer words than the prompts have, with those of the first."""
    unsaid = next((cell.left_out for cell in cells if cell.left_out), "")
    reason = _("The provider takes few words; these are left out: “%(words)s”") % {"words": unsaid}
    return [Exclusion(_("Prompt"), reason, 0)] if unsaid else []


def _template(name: str, kind: JobKind) -> Template:
    try:
        return find_template(name, kind)
    except TemplateError as error:
        raise PlanError(str(error)) from error


def _style_pictures(
    style: Style, capability: Capability, room: int
) -> tuple[tuple[tuple[str, Asset], ...], tuple[Exclusion, ...]]:
    """The pictures of a style as inputs, and a note on those that cannot go in."""
    notes = [
        Exclusion(asset.display_title, _("The style goes without it: %(reason)s") % {"reason": reason}, 0)
        for asset in style.pictures
        if (reason := why_unusable(asset))
    ]
    usable = [asset for asset in style.pictures if not why_unusable(asset)]
    if not capability.makes_photographs or InputRole.REFERENCE not in capability.roles:
        room = 0
    if len(usable) > max(0, room):
        reason = _("The provider takes no more pictures beside these; the style goes by its words.")
        notes += [Exclusion(asset.display_title, reason, 0) for asset in usable[max(0, room) :]]
    return tuple((InputRole.REFERENCE, asset) for asset in usable[: max(0, room)]), tuple(notes)


def _roles(axes: Sequence[_Axis]) -> list[str]:
    return [role for axis in axes for role in [axis.role] * axis.together]


def _refuse_too_many(axes: Sequence[_Axis]) -> None:
    for axis in axes:
        named = {"role": InputRole(axis.role).label.lower(), "count": axis.together}
        if not axis.assets:
            raise PlanError(_("No picture was chosen as %(role)s.") % named)
        if len(axis.assets) < axis.together:
            raise PlanError(_("Choose at least %(count)s pictures as %(role)s.") % named)
    count = math.prod(axis.options for axis in axes)
    if count > MAX_CELLS:
        raise PlanError(
            _("That would be %(count)s pictures; a job holds at most %(limit)s. Choose fewer.")
            % {"count": f"{count:,}", "limit": f"{MAX_CELLS:,}"}
        )


def _without_unusable(axes: Sequence[_Axis]) -> tuple[list[_Axis], list[Exclusion]]:
    count = math.prod(axis.options for axis in axes)
    kept: list[_Axis] = []
    left_out: list[Exclusion] = []
    for axis in axes:
        reasons = {asset.pk: why_unusable(asset) for asset in axis.assets}
        kept.append(replace(axis, assets=[asset for asset in axis.assets if not reasons[asset.pk]]))
        cells = count * axis.together // len(axis.assets)  # those with this asset in them
        left_out += [
            Exclusion(f"{asset.display_title} ({InputRole(axis.role).label})", reasons[asset.pk], cells)
            for asset in axis.assets
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


def _combinations(axes: Sequence[_Axis]) -> tuple[list[PlanCell], list[Exclusion]]:
    """Every combination once; left out where a picture would be used twice or a rule forbids it."""
    rules = rules_for({asset.pk: asset for axis in axes for asset in axis.assets}.values())
    roles = [str(role) for role in _roles(axes)]
    # Only selections of the same role give the same picture twice.
    may_repeat = len({axis.role for axis in axes}) < len(axes)
    cells: list[PlanCell] = []
    refused: Counter[tuple[str, str]] = Counter()
    seen: set[frozenset[tuple[str, int]]] = set()
    for parts in itertools.product(*(itertools.combinations(axis.assets, axis.together) for axis in axes)):
        assets = tuple(itertools.chain.from_iterable(parts))
        if may_repeat:
            key = frozenset((role, asset.pk) for role, asset in zip(roles, assets, strict=True))
            if key in seen:
                continue
            seen.add(key)
        offenders, reason = _forbidden(assets, rules)
        if reason:
            refused[" × ".join(asset.display_title for asset in offenders), reason] += 1
        cells.append(PlanCell(tuple(zip(roles, assets, strict=True)), reason=reason))
    return cells, [Exclusion(title, reason, count) for (title, reason), count in refused.items()]


def _forbidden(assets: Sequence[Asset], rules: Sequence[Rule]) -> tuple[Sequence[Asset], str]:
    """Which of these assets do not go together, and why; no reason where all do."""
    if len({asset.pk for asset in assets}) < len(assets):
        return assets, _("The same picture would be used twice.")
    for rule in rules:
        if offenders := rule.offenders(assets):
            return offenders, rule.reason
    return (), ""


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

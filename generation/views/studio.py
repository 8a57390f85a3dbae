"""The studio: choose pictures by sentence, see the plan grow, run it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.models import Asset, AssetKind, SKURole
from generation import wording
from generation.forms import FILL, FILL_ROLE, SLOT_PREFIX, StudioForm
from generation.jobs import JobError, create_job
from generation.models import JobKind
from generation.orders import KINDS, LABELS, SELECTIONS, Order, plan_order
from generation.planning import Plan, PlanError
from generation.providers.registry import get_provider
from generation.quality import again
from generation.selection import SelectionError, find, reachable

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FOUND = 24
ROWS_SHOWN, COLUMNS_SHOWN = 20, 16
EXCLUSIONS_SHOWN = 50
# Where pictures that come from the search page go: the selection of their kind, else the last one.
_PLACES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    JobKind.OUTFITS: (
        ("models", (AssetKind.MODEL, AssetKind.CHARACTER)),
        ("accessories", (AssetKind.ACCESSORY, AssetKind.PROP)),
        ("garments", ()),
    ),
    JobKind.SCENES: (("scenes", (AssetKind.SCENE,)), ("products", ())),
    JobKind.EDIT: (("assets", ()),),
    JobKind.COMPOSITION: (),
}


@dataclass(frozen=True)
class Picker:
    """One selection on the page: what is picked, and what was found to pick from."""

    name: str
    label: str
    required: bool
    query: str
    picked: Sequence[Asset]
    found: Sequence[Asset]
    problem: str = ""


@dataclass(frozen=True)
class Matrix:
    """The plan as a table: the first selection down, the combinations of the others across."""

    columns: list[tuple[Asset, ...]]
    rows: list[tuple[Asset, list[int | None]]]
    hidden: int

    @property
    def has_columns(self) -> bool:
        return self.columns != [()]


@dataclass
class _Planned:
    plan: Plan | None = None
    problem: str = ""
    not_ready: str = ""
    matrix: Matrix | None = None


def studio_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the studio; with POST, the plan of what is ticked, or (with `do=run`) its job."""
    form = StudioForm(request.POST) if request.method == "POST" else _opened(request)
    planned = _plan(form, request.user)
    if request.POST.get("do") == "run" and planned.plan:
        try:
            job = create_job(
                planned.plan,
                owner=cast("User", request.user),
                budget=form.cleaned_data["budget"],
                parameters=again.parameters(form.cleaned_data["retry_poor"]),
            )
        except JobError as error:
            planned.problem = str(error)
        else:
            return redirect("admin:generation_generationjob_change", job.pk)
    context = {"form": form, **_plan_context(planned)}
    if request.headers.get("X-Fragment") == "plan":
        return TemplateResponse(request, "generation/plan.html", context)
    kind = form["kind"].value() or JobKind.OUTFITS
    context |= {
        **site.each_context(request),
        "title": _("Studio"),
        "kind": kind,
        "kinds": JobKind.choices,
        "pickers": _pickers(kind, form, request),
        "assets": request.GET.get("assets", ""),
        "fill_role": form.data.get(FILL_ROLE, ""),
        "fill_label": dict(SKURole.choices).get(form.data.get(FILL_ROLE, ""), ""),
        "fill_skus": form.data.getlist(FILL),  # type: ignore[attr-defined]  # it is bound to a QueryDict
    }
    return TemplateResponse(request, "generation/studio.html", context)


def found_tiles(request: HttpRequest) -> HttpResponse:
    """What a sentence finds for one selection, as tiles to tick."""
    name = request.GET.get("selection", "")
    if name not in KINDS:
        raise Http404
    found, problem = _found(name, request.GET.get("q", ""), request.user)
    context = {"name": name, "found": found, "problem": problem, "query": request.GET.get("q", "")}
    return TemplateResponse(request, "generation/tiles.html", context)


def _opened(request: HttpRequest) -> StudioForm:
    """The form as it opens, with the pictures that the address names put where they belong."""
    assets = _named(request.GET.get("assets", ""), request.user)
    kind = request.GET.get("kind", "")
    if kind not in JobKind.values:
        kind = _kind_for(assets)
    data = request.GET.copy()
    data["kind"] = kind
    data.setdefault("provider", settings.GENERATION_PROVIDER)
    for name, placed in _placed(kind, assets).items():
        data.setlist(name, [str(asset.public_id) for asset in placed])
    return StudioForm(data)


def _kind_for(assets: Sequence[Asset]) -> str:
    kinds = {asset.kind for asset in assets}
    if AssetKind.SCENE in kinds or AssetKind.PRODUCT in kinds:
        return JobKind.SCENES
    return JobKind.OUTFITS


def _placed(kind: str, assets: Sequence[Asset]) -> dict[str, list[Asset]]:
    placed: dict[str, list[Asset]] = defaultdict(list)
    for asset in assets:
        for name, kinds in _PLACES[kind]:
            if not kinds or asset.kind in kinds:
                placed[name].append(asset)
                break
    return placed


def _named(ids: str, user: Any) -> list[Asset]:
    """Assets by public id, in the order given; what is no id or not there is left out."""
    wanted = []
    for part in ids.split(","):
        try:
            wanted.append(uuid.UUID(part.strip()))
        except ValueError:
            continue
    found = {asset.public_id: asset for asset in reachable(user).filter(public_id__in=wanted)}
    return [found[public_id] for public_id in dict.fromkeys(wanted) if public_id in found]


def _plan(form: StudioForm, user: Any) -> _Planned:
    if not form.is_valid():
        return _Planned(not_ready=_("Choose what goes in to see the plan."))
    order = form.order()
    if waiting := _waits_for(order):
        return _Planned(not_ready=waiting)
    try:
        plan = plan_order(order, user=user)
    except (PlanError, SelectionError) as error:
        return _Planned(problem=str(error))
    return _Planned(plan, _unconfigured(plan), matrix=_matrix(plan))


def _waits_for(order: Order) -> str:
    """What is to be chosen next, while there is nothing to plan yet."""
    if order.kind == JobKind.COMPOSITION and not order.sentence.strip():
        return _("Describe the picture in one sentence, in English or Chinese.")
    for name, required in SELECTIONS[order.kind].items():
        if required and not order.selections[name]:
            return _("Choose the %(name)s to see the plan.") % {"name": LABELS[name]}
    if order.kind == JobKind.EDIT and not order.instruction.strip():
        return _("Say what is to be changed.")
    return ""


def _unconfigured(plan: Plan) -> str:
    return get_provider(plan.provider).check() or ""


def _plan_context(planned: _Planned) -> dict[str, Any]:
    plan = planned.plan
    context = {
        "plan": plan,
        "problem": planned.problem,
        "not_ready": planned.not_ready,
        "matrix": planned.matrix,
        "slot_prefix": SLOT_PREFIX,
    }
    if plan is None:
        return context
    return context | {
        "price": wording.money(plan.cost, plan.currency),
        "time": wording.duration(plan.seconds),
        "excluded": plan.excluded[:EXCLUSIONS_SHOWN],
        "more_excluded": max(0, len(plan.excluded) - EXCLUSIONS_SHOWN),
        "first_prompt": plan.cells[0].prompt if plan.cells else "",
    }


def _matrix(plan: Plan) -> Matrix | None:
    """The cells by first input and by the rest; a composition has its slots instead."""
    if plan.kind == JobKind.COMPOSITION or not plan.cells:
        return None
    rows: dict[int, dict[tuple[int, ...], int]] = defaultdict(dict)
    firsts: dict[int, Asset] = {}
    columns: dict[tuple[int, ...], tuple[Asset, ...]] = {}
    for number, cell in enumerate(plan.cells, 1):
        first, *others = (asset for _role, asset in cell.inputs)
        key = tuple(asset.pk for asset in others)
        firsts[first.pk] = first
        columns.setdefault(key, tuple(others))
        rows[first.pk][key] = number
    keys = list(columns)[:COLUMNS_SHOWN]
    shown = [(firsts[pk], [rows[pk].get(key) for key in keys]) for pk in list(firsts)[:ROWS_SHOWN]]
    visible = sum(number is not None for _asset, numbers in shown for number in numbers)
    return Matrix([columns[key] for key in keys], shown, plan.picture_count - visible)


def _pickers(kind: str, form: StudioForm, request: HttpRequest) -> list[Picker]:
    data: Any = form.data
    return [
        _picker(name, required, data.get(f"q_{name}", ""), data.getlist(name), request.user)
        for name, required in SELECTIONS[kind].items()
    ]


def _picker(name: str, required: bool, query: str, ids: Sequence[str], user: Any) -> Picker:
    picked = _named(",".join(ids), user)
    found, problem = _found(name, query, user)
    chosen = {asset.pk for asset in picked}
    rest = [asset for asset in found if asset.pk not in chosen]
    return Picker(name, str(LABELS[name]), required, query, picked, rest, problem)


def _found(name: str, query: str, user: Any) -> tuple[list[Asset], str]:
    """What the sentence finds; without one, the newest of these kinds."""
    try:
        found = find(query, user=user, kinds=KINDS[name], limit=FOUND)
    except SelectionError as error:
        return [], str(error)
    problem = "" if found else _("Nothing was found for “%(text)s”.") % {"text": query}
    return found, problem if query else ""

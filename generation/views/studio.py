"""The studio: choose pictures by sentence, see the plan grow, run it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from dam.models import Asset, AssetKind, SKURole
from generation import wording
from generation.finding import Found
from generation.forms import FILL, FILL_ROLE, LIKE, SLOT_PREFIX, WORD_PREFIX, StudioForm
from generation.jobs import JobError, create_job
from generation.models import JobKind
from generation.orders import KINDS, LABELS, ORDERED, SELECTIONS, Order, plan_order
from generation.planning import Plan, PlanCell, PlanError
from generation.prompts import Slot
from generation.providers.registry import get_provider
from generation.quality import again
from generation.selection import SelectionError, find, reachable, select_assets
from generation.selection_tables import select_from_table

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FOUND = 24
ROWS_SHOWN, COLUMNS_SHOWN = 20, 16
EXCLUSIONS_SHOWN = 50
TABLE_PREFIX = "table-"
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
    table_fault: str = ""


@dataclass(frozen=True)
class MatrixCell:
    """A cell as the table shows it: its number where it is made, what there is, or why it is left out."""

    number: int | None
    reason: str = ""
    found: Found | None = None
    picture: Asset | None = None


@dataclass(frozen=True)
class Span:
    """Which rows, or columns, of the matrix are shown; positions count from 0."""

    start: int
    end: int
    total: int
    size: int

    @property
    def first(self) -> int:
        return self.start + 1

    @property
    def before(self) -> int:
        return max(0, self.start - self.size)

    @property
    def is_all(self) -> bool:
        return self.end - self.start >= self.total

    @property
    def has_more(self) -> bool:
        return self.end < self.total

    @classmethod
    def of(cls, start: int, total: int, size: int) -> Span:
        start = min(max(0, start), max(0, total - 1)) // size * size
        return cls(start, min(start + size, total), total, size)


@dataclass(frozen=True)
class Matrix:
    """A part of the plan as a table: the first selection down, the combinations of the others across."""

    columns: list[tuple[Asset, ...]]
    rows: list[tuple[Asset, list[MatrixCell]]]
    across: Span
    down: Span

    @property
    def has_columns(self) -> bool:
        return self.columns != [()]

    @property
    def has_found(self) -> bool:
        return any(cell.found for _asset, cells in self.rows for cell in cells)

    @property
    def has_left_out(self) -> bool:
        return any(cell.reason for _asset, cells in self.rows for cell in cells)


@dataclass
class _Planned:
    plan: Plan | None = None
    problem: str = ""
    not_ready: str = ""
    matrix: Matrix | None = None


def studio_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the studio; with POST, the plan of what is ticked, or (with `do=run`) its job."""
    faults: dict[str, str] = {}
    if request.method == "POST":
        data, faults = _with_tables(request)
        form = StudioForm(data)
    else:
        form = _opened(request)
    planned = _plan(form, request.user)
    if request.POST.get("do") == "run" and planned.plan and not faults:
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
    if (fragment := request.headers.get("X-Fragment")) in ("plan", "matrix"):
        return TemplateResponse(request, f"generation/{fragment}.html", context)
    kind = form["kind"].value() or JobKind.OUTFITS
    context |= {
        **site.each_context(request),
        "title": _("Studio"),
        "kind": kind,
        "kinds": ORDERED,
        "pickers": _pickers(kind, form, request, faults),
        "template": form.chosen_template,
        "slots": _slots(form),
        "word_prefix": WORD_PREFIX,
        "like": _named(",".join(form.data.getlist(LIKE)), request.user),  # type: ignore[attr-defined]
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
    if kind not in SELECTIONS:
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
    if waiting := _waits_for(order, form):
        return _Planned(not_ready=waiting)
    try:
        plan = plan_order(order, user=user)
    except (PlanError, SelectionError) as error:
        return _Planned(problem=str(error))
    return _Planned(plan, _unconfigured(plan), matrix=_matrix(plan, form.data.get("at", "")))


def _waits_for(order: Order, form: StudioForm) -> str:
    """What is to be chosen next, while there is nothing to plan yet."""
    if order.kind == JobKind.COMPOSITION and not order.sentence.strip():
        return _("Describe the picture in one sentence, in English or Chinese.")
    for name, required in SELECTIONS[order.kind].items():
        if required and not order.selections[name]:
            return _("Choose the %(name)s to see the plan.") % {"name": LABELS[name]}
    template = form.chosen_template
    if template and template.takes_instruction() and not order.instruction.strip():
        return _("Say what is to be changed.")
    if empty := next((slot for slot, value in _slots(form) if slot.required and not value), None):
        return _("Fill in “%(slot)s”.") % {"slot": empty.display_label}
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
        "saved": wording.money(plan.saved, plan.currency) if plan.saved else "",
        "excluded": plan.excluded[:EXCLUSIONS_SHOWN],
        "more_excluded": max(0, len(plan.excluded) - EXCLUSIONS_SHOWN),
        "first_prompt": plan.cells[0].prompt if plan.cells else "",
    }


def _matrix(plan: Plan, at: str = "") -> Matrix | None:
    """The cells by first input and by the rest, from `row:column` on; a composition has its slots instead."""
    if plan.kind == JobKind.COMPOSITION or not plan.grid:
        return None
    row, _colon, column = at.partition(":")
    down = Span.of(_position(row), len(plan.grid) // plan.per_row, ROWS_SHOWN)
    across = Span.of(_position(column), plan.per_row, COLUMNS_SHOWN)
    shown = [
        plan.grid[row * plan.per_row + across.start : row * plan.per_row + across.end]
        for row in range(down.start, down.end)
    ]
    found = [cell.found.output for cells in shown for cell in cells if cell.found and cell.found.output]
    pictures = Asset.objects.select_related("current").defer("current__metadata").in_bulk(found)
    numbers = {id(cell): number for number, cell in enumerate(plan.cells, 1)}
    rows = [
        (cells[0].inputs[0][1], [_shown(cell, numbers.get(id(cell)), pictures) for cell in cells])
        for cells in shown
    ]
    columns = [tuple(asset for _role, asset in cell.inputs[1 : plan.own_inputs]) for cell in shown[0]]
    return Matrix(columns, rows, across, down)


def _position(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _shown(cell: PlanCell, number: int | None, pictures: Mapping[int, Asset]) -> MatrixCell:
    picture = pictures.get(cell.found.output) if cell.found and cell.found.output else None
    return MatrixCell(number, cell.reason, cell.found, picture)


def _slots(form: StudioForm) -> list[tuple[Slot, str]]:
    """The slots of the chosen template, each with what stands in it."""
    words = form.words()
    template = form.chosen_template
    return [(slot, words[slot.name] or slot.default) for slot in template.slots] if template else []


def _pickers(kind: str, form: StudioForm, request: HttpRequest, faults: Mapping[str, str]) -> list[Picker]:
    data: Any = form.data
    return [
        _picker(name, required, data.get(f"q_{name}", ""), data.getlist(name), request.user, faults.get(name))
        for name, required in SELECTIONS[kind].items()
    ]


def _picker(
    name: str, required: bool, query: str, ids: Sequence[str], user: Any, fault: str | None
) -> Picker:
    picked = _named(",".join(ids), user)
    found, problem = _found(name, query, user)
    chosen = {asset.pk for asset in picked}
    rest = [asset for asset in found if asset.pk not in chosen]
    return Picker(name, str(LABELS[name]), required, query, picked, rest, problem, fault or "")


def _found(name: str, query: str, user: Any) -> tuple[list[Asset], str]:
    """What the words, SKUs, collections or ids find; without any, the newest of these kinds."""
    try:
        if query.strip():
            return select_assets(query, user=user, kinds=KINDS[name], limit=FOUND), ""
        return find("", user=user, kinds=KINDS[name], limit=FOUND), ""
    except SelectionError as error:
        return [], str(error)


def _with_tables(request: HttpRequest) -> tuple[QueryDict, dict[str, str]]:
    """What was sent, with the pictures that uploaded tables name among those ticked; and what is wrong."""
    data, faults = request.POST.copy(), {}
    for name in KINDS:
        table = request.FILES.get(f"{TABLE_PREFIX}{name}")
        if table is None:
            continue
        try:
            chosen = select_from_table(table, user=request.user, kinds=KINDS[name])
        except SelectionError as error:
            faults[name] = str(error)
        else:
            ticked = dict.fromkeys([*data.getlist(name), *(str(asset.public_id) for asset in chosen)])
            data.setlist(name, list(ticked))
    return data, faults

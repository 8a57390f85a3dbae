"""From the coverage of SKUs into the studio: what is missing, with the pictures that it can be made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from dam.coverage import rows_of
from dam.keys import is_key
from dam.models import SKU, SKURole
from generation.filling import MAX_SKUS, Filling, fillings
from generation.forms import FILL, FILL_ROLE
from generation.orders import Order, order_to_fill
from generation.planning import PlanError


@dataclass(frozen=True)
class Step:
    """One role's pictures: made in the studio at this address."""

    filling: Filling
    address: str


def fill_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """What was ticked, by role, each with its way into the studio; a single role goes there at once.

    Takes `cell=KEY:role`, and `row=KEY` for every role that the SKU lacks.
    """
    problem, steps = "", []
    try:
        steps = [Step(filling, _studio_address(filling)) for filling in fillings(_wanted(request.GET))]
    except PlanError as error:
        problem = str(error)
    if len(steps) == 1 and steps[0].filling.sources and not steps[0].filling.without:
        return redirect(steps[0].address)
    if not steps and not problem:
        problem = _("Tick empty cells, or whole rows, first.")
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Generate what is missing"),
        "steps": steps,
        "problem": problem,
        "coverage_url": reverse("admin:dam_sku_coverage"),
    }
    return TemplateResponse(request, "generation/fill.html", context, status=400 if problem else 200)


def _wanted(ticked: QueryDict) -> list[tuple[int, str]]:
    wanted = []
    for cell in ticked.getlist("cell"):
        key, _colon, role = cell.partition(":")
        if is_key(key) and role in SKURole.values:
            wanted.append((int(key), role))
    keys = [int(key) for key in ticked.getlist("row") if is_key(key)][: MAX_SKUS + 1]
    for row in rows_of(list(SKU.objects.filter(pk__in=keys))):
        wanted += [(row.sku.pk, role) for role in row.missing]
    return wanted


def _studio_address(filling: Filling) -> str:
    order = order_to_fill(filling, Order(filling.way.kind))
    address = QueryDict(mutable=True)
    address["kind"] = order.kind
    if order.instruction:
        address["instruction"] = order.instruction
    address.update(order.selections)
    address[FILL_ROLE] = order.fill_role
    address.setlist(FILL, list(order.fill_skus))
    return f"{reverse('admin:generation_studio')}?{address.urlencode()}"

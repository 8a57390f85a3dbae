"""How one picture was made: the exact prompt, inputs, model and parameters; and the same once more."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from generation.jobs import JobError
from generation.making_again import find_item, make_again
from generation.models import GenerationItem, JobKind
from generation.parameters import parameters_in_words
from generation.wording import money


def made_page(request: HttpRequest, site: AdminSite, item: str) -> HttpResponse:
    """The recipe of an item's picture; with POST, a job that makes it again."""
    try:
        found = find_item(item)
    except JobError as error:
        raise Http404(str(error)) from error
    if found.job.kind == JobKind.TRY_ON:  # a person's own
        raise Http404
    if request.method == "POST":
        try:
            job = make_again(found, actor=cast(User, request.user))
        except JobError as error:
            messages.error(request, str(error))
        else:
            return redirect("admin:generation_generationjob_change", job.pk)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("How it was made"),
        "item": found,
        "inputs": found.inputs.select_related("asset__current", "version"),
        "facts": _facts(found),
        "like_url": _like_url(found),
    }
    return TemplateResponse(request, "generation/made.html", context)


def _facts(item: GenerationItem) -> list[tuple[str, str]]:
    parameters = {**item.job.parameters, **item.parameters}
    known = [
        (_("Provider"), item.job.provider),
        (_("Picture model"), item.model or "–"),
        (_("Cost"), money(item.cost, item.job.currency)),
    ]
    return [*known, *parameters_in_words(parameters)]


def _like_url(item: GenerationItem) -> str:
    """The studio, with this picture as the style of what is made there."""
    if item.output is None:
        return ""
    asked = urlencode({"kind": item.job.kind, "like": str(item.output.public_id)})
    return f"{reverse('admin:generation_studio')}?{asked}"

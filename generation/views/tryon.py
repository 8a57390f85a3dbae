"""Trying on: one's own picture, what it is dressed in, and what came of it; each person sees their own."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from generation import tryon, wording
from generation.forms import TryOnForm
from generation.jobs import JobError
from generation.models import PersonPhoto
from generation.orders import ORDERED
from generation.selection import SelectionError, find, select_assets
from generation.tryon import TryOnError

FOUND = 36
SELECTIONS = {"garments": ("garment",), "accessories": ("accessory",)}


def try_on_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The page; with POST, one of its deeds: take, delete or try on."""
    user = cast(User, request.user)
    form = TryOnForm(request.POST or None)
    if request.method == "POST":
        deed = {"take": _take, "delete": _delete, "run": _run}.get(request.POST.get("do", ""))
        if deed is None:
            raise Http404
        try:
            deed(request, user, form)
        except (TryOnError, JobError, SelectionError) as error:
            messages.error(request, str(error))
        else:
            return redirect("admin:generation_try_on")
    photos = tryon.with_results(tryon.photos_of(user))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Try-on"),
        "kinds": ORDERED,
        "consent": tryon.consent_text(),
        "results": [
            (photo, TryOnForm(auto_id=f"id_{number}_%s"), rows) for number, (photo, rows) in enumerate(photos)
        ],
        "garments": find("", user=user, kinds=SELECTIONS["garments"], limit=FOUND) if photos else [],
        "accessories": find("", user=user, kinds=SELECTIONS["accessories"], limit=FOUND) if photos else [],
    }
    return TemplateResponse(request, "generation/try_on.html", context)


def try_on_picture(request: HttpRequest, photo: str, item: str = "") -> HttpResponseBase:
    """The person's picture, or what was made of it for an item; for its owner alone, and kept by no cache."""
    held = tryon.find_photo(photo, cast(User, request.user))
    if held is None:
        raise Http404
    return private_file(held, item)


def private_file(photo: PersonPhoto, item: str = "") -> FileResponse:
    """
    Raises:
        Http404: there is no such file (any more).
    """
    row = photo.try_ons.filter(item__public_id=item).exclude(result="").first() if item else None
    if item and row is None:
        raise Http404
    file, mime = (row.result, row.mime) if row else (photo.file, photo.mime)
    try:
        answer = FileResponse(file.open("rb"), content_type=mime)
    except FileNotFoundError as error:
        raise Http404 from error
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _take(request: HttpRequest, user: User, form: TryOnForm) -> None:
    file = request.FILES.get("photo")
    if file is None:
        raise TryOnError(_("Choose a picture of the person first."))
    tryon.take_photo(file, owner=user, consent=request.POST.get("consent") == "yes")
    messages.success(request, _("The picture is kept privately. Choose what to try on."))


def _delete(request: HttpRequest, user: User, form: TryOnForm) -> None:
    tryon.delete_photo(_photo(request, user), actor=user)
    messages.success(request, _("The picture and everything made of it is deleted."))


def _run(request: HttpRequest, user: User, form: TryOnForm) -> None:
    photo = _photo(request, user)
    if not form.is_valid():
        raise TryOnError(" ".join(str(error) for errors in form.errors.values() for error in errors))
    chosen = {}
    for name, kinds in SELECTIONS.items():
        spec = form.cleaned_data[name] or ",".join(request.POST.getlist(f"pick_{name}"))
        chosen[name] = select_assets(spec, user=user, kinds=kinds) if spec else []
    job = tryon.try_on(
        photo,
        chosen["garments"],
        chosen["accessories"],
        provider=form.cleaned_data["provider"],
        budget=form.cleaned_data["budget"],
    )
    count, price, currency = tryon.forecast(**chosen, provider=job.provider)
    messages.success(
        request,
        _("%(count)s pictures are being made, for %(price)s; look again in a moment.")
        % {"count": count, "price": wording.money(price, currency)},
    )


def _photo(request: HttpRequest, user: User) -> PersonPhoto:
    photo = tryon.find_photo(request.POST.get("photo", ""), user)
    if photo is None:
        raise TryOnError(_("The person's picture was deleted."))
    return photo

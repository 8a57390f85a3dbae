"""The upload page: many files at once, each with its own outcome; works without JavaScript too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dam import editing
from dam.forms import UploadForm
from dam.ingest import AssetMetadata, IngestError, ingest
from dam.models import Asset, AssetOrigin, UploadPurpose, UploadSession, UploadState
from dam.people import signed_in

NAMED = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    asset: Asset | None = None
    created: bool = False
    error: str = ""
    notice: str = ""


def take_in(files: Iterable[UploadedFile], metadata: AssetMetadata, owner: User) -> list[Outcome]:
    """Ingest each file by itself: a bad one stops none of the others."""
    outcomes = []
    for file in files:
        name = file.name or ""
        try:
            result = ingest(
                cast(BinaryIO, file),
                filename=name,
                owner=owner,
                origin=AssetOrigin.UPLOADED,
                metadata=metadata,
            )
        except IngestError as error:
            outcomes.append(Outcome(name, error=str(error)))
        else:
            outcomes.append(Outcome(name, asset=result.asset, created=result.created, notice=result.notice))
    return outcomes


def interrupted_uploads(user: User) -> dict[str, Any]:
    """Names of some files of which the server has a part, and how many there are."""
    begun = UploadSession.objects.filter(
        owner=user, state=UploadState.RECEIVING, purpose=UploadPurpose.ASSET
    ).order_by("-id")
    names = list(begun.values_list("name", flat=True)[:NAMED])
    more = " …" if len(names) == NAMED else ""
    return {"interrupted": ", ".join(names) + more, "interrupted_count": begun.count()}


def upload_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the form; take in what a browser without JavaScript sends."""
    began = timezone.now()
    form = UploadForm(request.POST or None, request.FILES or None, user=signed_in(request))
    outcomes: list[Outcome] = []
    if request.method == "POST" and form.is_valid():
        outcomes = take_in(form.cleaned_data["pictures"], form.metadata(), signed_in(request))
        if collection := form.cleaned_data["collection"]:
            keys = [outcome.asset.pk for outcome in outcomes if outcome.asset]
            mine = Asset.objects.visible_to(signed_in(request)).filter(pk__in=keys)
            editing.add_to_collection(collection, mine, actor=signed_in(request))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Upload"),
        "form": form,
        "outcomes": outcomes,
        "endpoint": reverse("upload-list"),
        **interrupted_uploads(signed_in(request)),
        "change_url": reverse("admin:dam_asset_change", args=("PUBLIC-ID",)),
        "max_megabytes": settings.DAM_MAX_FILE_BYTES // 1024**2,
        "arrived_url": f"{reverse('admin:dam_asset_changelist')}?{urlencode({'arrived': began.isoformat()})}",
        "some_arrived": any(outcome.created for outcome in outcomes),
    }
    rejected_all = bool(outcomes) and all(outcome.error for outcome in outcomes)
    return TemplateResponse(request, "dam/upload.html", context, status=422 if rejected_all else 200)

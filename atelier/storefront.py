"""The sample storefront: a public page that knows nothing but the REST API."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.generic import TemplateView


class StorefrontView(TemplateView):
    """Search, what is alike, and trying on; setting `STOREFRONT_PAGE` takes the page away."""

    template_name = "storefront/shop.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.STOREFRONT_PAGE:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        api = reverse("search").removesuffix("search/")
        return {**super().get_context_data(**kwargs), "api": api, "languages": settings.LANGUAGES}

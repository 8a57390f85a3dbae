"""Addresses: the admin, the REST API, files, the sample shop. Those of machines that watch: `probes`."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from atelier.storefront import StorefrontView
from dam.api.problems import no_such_address

api: list[URLPattern | URLResolver] = [
    path("", include("dam.api.urls")),
    path("", include("search.api.urls")),
    path("", include("generation.api.urls")),
    re_path("", no_such_address),
]

handler400 = "atelier.errors.bad_request"
handler500 = "atelier.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("search/", RedirectView.as_view(pattern_name="admin:search_page", query_string=True), name="find"),
    path("admin/", admin.site.urls),
    path("assets/", include("dam.urls")),
    path("share/", include("dam.share_urls")),
    path("storefront/", StorefrontView.as_view(), name="storefront"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(template_name="api_docs.html"), name="docs"),
]

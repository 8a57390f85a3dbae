"""Addresses of files; `dam.addresses` computes them."""

from django.urls import path

from dam.views import DifferenceFile, OriginalFile, RenditionFile

urlpatterns = [
    path(
        "<uuid:public_id>/original/<int:number>-<slug:digest>.<slug:extension>",
        OriginalFile.as_view(),
        name="original-file",
    ),
    path(
        "<uuid:public_id>/versions/<int:before>/<int:after>/difference.webp",
        DifferenceFile.as_view(),
        name="difference-file",
    ),
    path(
        "<uuid:public_id>/<slug:preset>/<int:number>-<slug:recipe>.<slug:extension>",
        RenditionFile.as_view(),
        name="rendition-file",
    ),
]

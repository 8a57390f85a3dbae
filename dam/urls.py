"""Addresses of files; `dam.addresses` computes them."""

from django.urls import path

from dam.views import OriginalFile, RenditionFile

urlpatterns = [
    path(
        "<uuid:public_id>/original/<int:number>-<slug:digest>.<slug:extension>",
        OriginalFile.as_view(),
        name="original-file",
    ),
    path(
        "<uuid:public_id>/<slug:preset>/<int:number>-<slug:recipe>.<slug:extension>",
        RenditionFile.as_view(),
        name="rendition-file",
    ),
]

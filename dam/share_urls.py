"""Addresses behind a share link."""

from django.urls import path

from dam import share_views as views

urlpatterns = [
    path("<str:token>/", views.share, name="share"),
    path("<str:token>/password/", views.unlock, name="share-unlock"),
    path("<str:token>/all/", views.everything, name="share-all"),
    path("<str:token>/<uuid:public_id>/original/", views.original, name="share-original"),
    path("<str:token>/<uuid:public_id>/<slug:preset>/", views.picture, name="share-picture"),
]

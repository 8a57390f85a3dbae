"""Addresses of the library's API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from dam.api.uploads import UploadsView, UploadView
from dam.api.views import AssetViewSet, CollectionViewSet, SKUViewSet, TagViewSet

router = SimpleRouter()
router.register("assets", AssetViewSet, basename="asset")
router.register("tags", TagViewSet, basename="tag")
router.register("skus", SKUViewSet, basename="sku")
router.register("collections", CollectionViewSet, basename="collection")

urlpatterns = [
    path("uploads/", UploadsView.as_view(), name="upload-list"),
    path("uploads/<uuid:public_id>/", UploadView.as_view(), name="upload-detail"),
    *router.urls,
]

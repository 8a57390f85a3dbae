"""Addresses of the library's API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from dam.api.views import AssetViewSet, CollectionViewSet, SKUViewSet, TagViewSet
from dam.views import SidecarFile

router = SimpleRouter()
router.register("assets", AssetViewSet, basename="asset")
router.register("tags", TagViewSet, basename="tag")
router.register("skus", SKUViewSet, basename="sku")
router.register("collections", CollectionViewSet, basename="collection")

urlpatterns = [
    path("assets/<uuid:public_id>/sidecar.xmp", SidecarFile.as_view(), name="asset-sidecar"),
    *router.urls,
]

"""Addresses of the library's API."""

from rest_framework.routers import SimpleRouter

from dam.api.presets import PresetViewSet
from dam.api.views import AssetViewSet, CollectionViewSet, SKUViewSet, TagViewSet

router = SimpleRouter()
router.register("assets", AssetViewSet, basename="asset")
router.register("tags", TagViewSet, basename="tag")
router.register("skus", SKUViewSet, basename="sku")
router.register("collections", CollectionViewSet, basename="collection")
router.register("rendition-presets", PresetViewSet, basename="rendition-preset")

urlpatterns = router.urls

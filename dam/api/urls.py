"""Addresses of the library's API."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from dam.api.audit import AuditViewSet
from dam.api.browsing import SavedSearchViewSet
from dam.api.bulk_edits import BulkEditViewSet
from dam.api.collaboration import AssignmentViewSet, NoticeViewSet
from dam.api.duplicates import PairViewSet
from dam.api.fields_and_rules import CustomFieldViewSet, FieldRuleViewSet
from dam.api.imports import ImportViewSet
from dam.api.lookups import PUBLIC_ID
from dam.api.presets import PresetViewSet
from dam.api.provenance import AssetProvenanceView, ProvenanceView
from dam.api.trash import TrashViewSet
from dam.api.uploads import UploadsView, UploadView
from dam.api.views import AssetViewSet, CollectionViewSet, SKUViewSet, TagViewSet
from dam.api.webhooks import WebhookViewSet
from dam.views import SidecarFile

router = SimpleRouter()
router.register("assets", AssetViewSet, basename="asset")
router.register("tags", TagViewSet, basename="tag")
router.register("skus", SKUViewSet, basename="sku")
router.register("collections", CollectionViewSet, basename="collection")
router.register("assignments", AssignmentViewSet, basename="assignment")
router.register("duplicates", PairViewSet, basename="duplicate")
router.register("bulk-edits", BulkEditViewSet, basename="bulk-edit")
router.register("custom-fields", CustomFieldViewSet, basename="custom-field")
router.register("field-rules", FieldRuleViewSet, basename="field-rule")
router.register("notices", NoticeViewSet, basename="notice")
router.register("saved-searches", SavedSearchViewSet, basename="saved-search")
router.register("audit", AuditViewSet, basename="audit")
router.register("rendition-presets", PresetViewSet, basename="rendition-preset")
router.register("imports", ImportViewSet, basename="import")
router.register("trash", TrashViewSet, basename="trash")
router.register("webhooks", WebhookViewSet, basename="webhook")

urlpatterns = [
    path("assets/<uuid:public_id>/sidecar.xmp", SidecarFile.as_view(), name="asset-sidecar"),
    path("provenance/", ProvenanceView.as_view(), name="provenance"),
    path("provenance/<uuid:public_id>/", AssetProvenanceView.as_view(), name="provenance-of-asset"),
    path("uploads/", UploadsView.as_view(), name="upload-list"),
    path("uploads/<uuid:public_id>/", UploadView.as_view(), name="upload-detail"),
    re_path(
        rf"^imports/(?P<public_id>{PUBLIC_ID})/errors\.(?P<ending>csv|xlsx)$",  # a file has no slash
        ImportViewSet.as_view({"get": "errors"}),
        name="import-errors",
    ),
    *router.urls,
]

"""Addresses of generation's API."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from generation.api.fill import FillPlanView
from generation.api.views import CostsView, ItemViewSet, JobViewSet, PlanView

router = SimpleRouter()
router.register("generation/jobs", JobViewSet, basename="generation-job")
router.register("generation/items", ItemViewSet, basename="generation-item")

urlpatterns: list[URLPattern | URLResolver] = [
    path("generation/plans/", PlanView.as_view(), name="generation-plan"),
    path("generation/plans/fill/", FillPlanView.as_view(), name="generation-fill-plan"),
    path("generation/costs/", CostsView.as_view(), name="generation-costs"),
    *router.urls,
]

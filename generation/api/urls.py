"""Addresses of generation's API."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from generation.api.fill import FillPlanView
from generation.api.planning import RuleViewSet, SelectionView, StyleViewSet, TemplateViewSet
from generation.api.running import DeadLetterViewSet
from generation.api.tryon import ConsentView, TryOnViewSet
from generation.api.views import CostsView, ItemViewSet, JobViewSet, PlanView

router = SimpleRouter()
router.register("generation/jobs", JobViewSet, basename="generation-job")
router.register("generation/items", ItemViewSet, basename="generation-item")
router.register("generation/dead-letters", DeadLetterViewSet, basename="generation-dead-letter")
router.register("generation/templates", TemplateViewSet, basename="generation-template")
router.register("generation/styles", StyleViewSet, basename="generation-style")
router.register("generation/rules", RuleViewSet, basename="generation-rule")
router.register("generation/try-ons", TryOnViewSet, basename="generation-try-on")

urlpatterns: list[URLPattern | URLResolver] = [
    path("generation/plans/", PlanView.as_view(), name="generation-plan"),
    path("generation/plans/fill/", FillPlanView.as_view(), name="generation-fill-plan"),
    path("generation/try-ons/consent/", ConsentView.as_view(), name="generation-try-on-consent"),
    path("generation/selections/", SelectionView.as_view(), name="generation-selection"),
    path("generation/costs/", CostsView.as_view(), name="generation-costs"),
    *router.urls,
]

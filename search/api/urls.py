"""Addresses of search's API."""

from django.urls import path

from search.api.spend import SpendView
from search.api.typing import ClicksView, SuggestionsView
from search.api.views import SearchView, SimilarView, SKUSuggestionsView

urlpatterns = [
    path("search/spend/", SpendView.as_view(), name="search-spend"),
    path("search/", SearchView.as_view(), name="search"),
    path("search/suggestions/", SuggestionsView.as_view(), name="search-suggestions"),
    path("search/clicks/", ClicksView.as_view(), name="search-clicks"),
    path("assets/<uuid:public_id>/similar/", SimilarView.as_view(), name="asset-similar"),
    path("skus/<str:code>/suggestions/", SKUSuggestionsView.as_view(), name="sku-suggestions"),
]

"""Programs of the suite that speak to the REST API in somebody's name."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.test import APIClient


def api_of(user: User) -> APIClient:
    """A REST client that asks as this account, without signing in."""
    client = APIClient()
    client.force_authenticate(user)
    return client

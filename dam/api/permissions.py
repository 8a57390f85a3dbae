"""Who may write what through the API; what may be read is decided by `visible_to`."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class OwnOrStaff(BasePermission):
    """Everybody signed in may create; what exists is changed by its owner and by staff."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or request.user.is_authenticated

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        if request.method in SAFE_METHODS or request.user.is_staff:
            return True
        return obj.owner_id is not None and obj.owner_id == request.user.pk


class StaffWrites(BasePermission):
    """Only staff write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user and request.user.is_staff)

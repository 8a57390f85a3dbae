"""Who may write what through the API; what may be read is decided by `visible_to`."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dam.roles import Role, has_role, sees_library


class ContributorsWrite(BasePermission):
    """Contributors may create; what exists is changed by its owner and by editors."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or has_role(request.user, Role.CONTRIBUTOR)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        if request.method in SAFE_METHODS or sees_library(request.user):
            return True
        return obj.owner_id is not None and obj.owner_id == request.user.pk


class ContributorsOnly(BasePermission):
    """Only contributors, and those above them, for reading too."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return has_role(request.user, Role.CONTRIBUTOR)


class EditorsWrite(BasePermission):
    """Only editors write, and those above them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or has_role(request.user, Role.EDITOR)


class EditorsOnly(BasePermission):
    """Only editors, and those above them, for reading too."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return has_role(request.user, Role.EDITOR)


class AdministratorsOnly(BasePermission):
    """Only administrators, for reading too."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return has_role(request.user, Role.ADMINISTRATOR)


class AdministratorsWrite(BasePermission):
    """Only administrators write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or has_role(request.user, Role.ADMINISTRATOR)

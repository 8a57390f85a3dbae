"""What generation's API answers where nothing can be planned."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException

NOTHING_TO_PLAN = OpenApiResponse(description="Nothing can be made of this order; “detail” says why.")


class Unplannable(APIException):
    """The request is well formed, but nothing can be planned from it.

    Args:
        members: what the problem document says besides its sentence.
    """

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "unplannable"

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.members = members

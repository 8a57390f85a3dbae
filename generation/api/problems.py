"""What generation's API answers where nothing can be planned."""

from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException

NOTHING_TO_PLAN = OpenApiResponse(description="Nothing can be made of this order; “detail” says why.")


class Unplannable(APIException):
    """The request is well formed, but nothing can be planned from it."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "unplannable"

"""What encoders behind an API cost, over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dam.api.permissions import EditorsOnly
from search import spend_report
from search.encoders.base import EncoderError
from search.models import SpendPurpose


class AccountSerializer(serializers.Serializer):
    """One encoder's account."""

    encoder = serializers.CharField()
    currency = serializers.CharField()
    spent = serializers.CharField(help_text="In all, with what is set aside for calls under way.")
    today = serializers.CharField()
    budget = serializers.CharField(help_text="SEARCH_BUDGET_TOTAL, or “none”.")
    budget_day = serializers.CharField(help_text="SEARCH_BUDGET_DAY, or “none”.")
    queries = serializers.CharField(help_text="The part of today's that searches have cost.")
    budget_queries = serializers.CharField(help_text="SEARCH_BUDGET_QUERIES, or “none”.")
    waiting = serializers.IntegerField(help_text="Index entries that wait for the budget.")


class SpendRowSerializer(serializers.Serializer):
    """What was paid for one purpose."""

    encoder = serializers.CharField()
    purpose = serializers.ChoiceField(SpendPurpose.choices)
    calls = serializers.IntegerField()
    tokens = serializers.IntegerField()
    amount = serializers.CharField()
    currency = serializers.CharField()


class SpendDaySerializer(SpendRowSerializer):
    """What was paid on one day."""

    day = serializers.DateField()
    model = serializers.CharField()
    assumed = serializers.CharField(help_text="The part whose answers were lost; empty where there is none.")


class SpendAssetSerializer(serializers.Serializer):
    """What was paid for one asset."""

    asset = serializers.UUIDField(
        source="asset.public_id", allow_null=True, help_text="Null: it is no longer in the library."
    )
    calls = serializers.IntegerField()
    tokens = serializers.IntegerField()
    amount = serializers.CharField()
    currency = serializers.CharField()


class PriceSerializer(serializers.Serializer):
    """For a million tokens."""

    model = serializers.CharField()
    input = serializers.CharField()
    pictures = serializers.CharField()
    output = serializers.CharField()
    currency = serializers.CharField()
    as_of = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]


class SpendSerializer(serializers.Serializer):
    """Budgets, prices, and what was paid: of the last 30 days by day and by asset, of all time by space."""

    accounts = AccountSerializer(many=True)
    prices = PriceSerializer(many=True)
    by_day = SpendDaySerializer(many=True)
    by_space = SpendRowSerializer(many=True)
    by_asset = SpendAssetSerializer(many=True, help_text="The dearest 50.")


class SpendView(APIView):
    """What encoders behind an API cost. For editors."""

    permission_classes = (EditorsOnly,)

    @extend_schema(responses=SpendSerializer)
    def get(self, request: Request) -> Response:
        """Budgets, prices, and what was paid."""
        try:
            found = {
                "accounts": spend_report.summary(),
                "prices": spend_report.prices(),
                "by_day": spend_report.by_day(),
                "by_space": spend_report.by_space(),
                "by_asset": spend_report.by_asset(),
            }
        except EncoderError as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(SpendSerializer(found).data)

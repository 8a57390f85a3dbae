"""Endpoint for what SKUs lack: by role, how it would be made, from what and at which price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dam.api.coverage import CoverageQuerySerializer
from dam.api.permissions import EditorsOnly
from dam.coverage import CoverageQuery, page_of
from dam.models import Scope, SKURole
from generation.api.problems import NOTHING_TO_PLAN, Unplannable
from generation.api.serializers import (
    AssetBriefSerializer,
    ChoicesSerializer,
    OrderSerializer,
    PlanSerializer,
    SelectionField,
)
from generation.filling import MAX_SKUS, Filling, check_codes, fillings
from generation.orders import KINDS, Order, order_to_fill, plan_order
from generation.planning import Plan, PlanError
from generation.selection import SelectionError


class MissingSerializer(ChoicesSerializer, CoverageQuerySerializer):
    """Which SKUs, which of the roles that they lack, and what their pictures are made with.

    SKUs are named by their codes, or chosen by the filters of their coverage; of those the first
    that come after the code “after” are looked at.
    """

    skus = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        allow_empty=False,
        max_length=MAX_SKUS,
        help_text="Codes: these alone, as far as the filters choose them.",
    )
    roles = serializers.ListField(
        child=serializers.ChoiceField(SKURole.choices),
        required=False,
        allow_empty=False,
        help_text="These alone, where they are missing; without it, every role that is.",
    )
    models = SelectionField(required=False, help_text="Who wears it: for the role “on_model”.")
    accessories = SelectionField(required=False)
    scenes = SelectionField(required=False, help_text="Where it stands: for the role “scene”.")
    instruction = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="For “packshot” and “detail”, instead of their own.",
    )

    def query(self) -> CoverageQuery:
        """Which SKUs."""
        codes = self.validated_data.get("skus")
        chosen = super().query()
        return chosen if codes is None else replace(chosen, codes=tuple(codes))

    def given(self) -> Order:
        """What holds for the order of every role."""
        sent = self.validated_data
        return Order(
            kind="",
            selections={name: sent[name] for name in KINDS if name in sent},
            instruction=sent.get("instruction", ""),
            **self.chosen(),
        )


@dataclass(frozen=True)
class Step:
    """One role's pictures: the order that makes them, and its plan or why there is none."""

    filling: Filling
    order: Order | None
    plan: Plan | None
    problem: str


class SourceSerializer(serializers.Serializer):
    """A SKU, and the best of its pictures to start from."""

    sku = serializers.CharField(help_text="Its code.")
    picture = AssetBriefSerializer()


class StepSerializer(serializers.Serializer):
    """What is missing in one role."""

    role = serializers.ChoiceField(SKURole.choices, source="filling.role")
    sources = serializers.SerializerMethodField()
    without = serializers.SerializerMethodField(
        help_text="Codes of SKUs that have no picture that one could be made from."
    )
    plan = PlanSerializer(allow_null=True, help_text="The matrix, count, price and time.")
    problem = serializers.CharField(help_text="Why there is no plan yet; empty where there is one.")
    order = OrderSerializer(
        allow_null=True, help_text="What `POST /generation/jobs/` takes to make them; null: nothing to make."
    )

    @extend_schema_field(SourceSerializer(many=True))
    def get_sources(self, step: Step) -> Any:
        found = [{"sku": sku.code, "picture": asset} for sku, asset in step.filling.sources.items()]
        return SourceSerializer(found, many=True, context=self.context).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_without(self, step: Step) -> list[str]:
        return [sku.code for sku in step.filling.without]


class FillPlanSerializer(serializers.Serializer):
    """What is missing, by role, and where to go on."""

    after = serializers.CharField(
        allow_null=True, help_text="There are more SKUs: send this as “after” for the next ones."
    )
    results = StepSerializer(many=True)


class FillPlanView(APIView):
    """What SKUs lack, planned without side effects."""

    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE

    @extend_schema(
        operation_id="generation_fill_plan",
        request=MissingSerializer,
        responses={200: FillPlanSerializer, 422: NOTHING_TO_PLAN},
    )
    def post(self, request: Request) -> Response:
        """By role, the pictures that SKUs lack: from what each would be made, the count, price and time.

        Nothing is begun: each role has its “order”, which `POST /generation/jobs/` takes as it is. What is
        approved of that job is linked to its SKU in the role. Where a role's plan needs models or scenes
        that were not named, “problem” says so; they can be added to the order as well.
        """
        asked = MissingSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        sent = asked.validated_data
        roles = sent.get("roles", SKURole.values)
        try:
            check_codes(sent.get("skus", ()))
            page = page_of(asked.query(), after=sent.get("after", ""), most=MAX_SKUS)
            wanted = [(row.sku.pk, role) for row in page.rows for role in row.missing if role in roles]
            steps = list(_steps(fillings(wanted), asked.given(), request))
        except PlanError as error:
            raise Unplannable(str(error)) from error
        body = {"after": page.after or None, "results": steps}
        return Response(FillPlanSerializer(body, context={"request": request}).data)


def _steps(found: list[Filling], given: Order, request: Request) -> Iterator[Step]:
    for filling in found:
        if not filling.sources:
            problem = _(
                "None of these SKUs has a picture that one could be made from; link one to them first."
            )
            yield Step(filling, None, None, problem)
            continue
        order = order_to_fill(filling, given)
        try:
            yield Step(filling, order, plan_order(order, user=request.user), "")
        except (PlanError, SelectionError) as error:
            yield Step(filling, order, None, str(error))

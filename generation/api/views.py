"""Endpoints of generation: plans, jobs, items. For staff."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from dam.api.authentication import check_scopes
from dam.api.lookups import PUBLIC_ID
from dam.api.pagination import CursorPages
from dam.api.permissions import EditorsOnly
from dam.api.problems import Conflict
from dam.models import Scope
from dam.table_downloads import csv_download
from generation import costs, jobs, review
from generation.api.problems import NOTHING_TO_PLAN, Unplannable
from generation.api.serializers import (
    ApprovalSerializer,
    CostsSerializer,
    DaysSerializer,
    DeedSerializer,
    ItemSerializer,
    JobSerializer,
    JudgedSerializer,
    MakeAgainSerializer,
    NewJobSerializer,
    NoteSerializer,
    OrderSerializer,
    PlanOrderSerializer,
    PlanSerializer,
    PrioritySerializer,
    RetrySerializer,
    UndoneSerializer,
    VerdictEntrySerializer,
    VerdictsSerializer,
    WatchedSerializer,
)
from generation.costs import BadDays
from generation.jobs import JobError
from generation.making_again import make_again
from generation.models import GenerationItem, GenerationJob, ItemState
from generation.orders import plan_order
from generation.planning import Plan, PlanError
from generation.progress import watch
from generation.quality import again
from generation.review import VERDICTS, ReviewError
from generation.selection import SelectionError


def _planned(order: OrderSerializer, request: Request) -> Plan:
    try:
        return plan_order(order.order(), user=request.user)
    except (PlanError, SelectionError) as error:
        raise Unplannable(str(error)) from error


class PlanView(APIView):
    """Plans without side effects."""

    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE

    @extend_schema(
        operation_id="generation_plan",
        request=PlanOrderSerializer,
        responses={200: PlanSerializer, 422: NOTHING_TO_PLAN},
    )
    def post(self, request: Request) -> Response:
        """The matrix, count, price and time of an order, and what is left out with its reason."""
        order = PlanOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        plan = _planned(order, request)
        context = {"request": request, "offset": order.validated_data["offset"]}
        return Response(PlanSerializer(plan, context=context).data)


class ItemPages(CursorPages):
    """Items in the order of the plan."""

    ordering = "position"
    page_size = 100
    max_page_size = 500


class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """Jobs: made, watched, paused, resumed, cancelled, tried again."""

    queryset = GenerationJob.objects.select_related("owner", "team")
    serializer_class = JobSerializer
    permission_classes = (EditorsOnly,)
    key_scope = Scope.GENERATE
    filterset_fields = ("state", "kind", "provider")
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID
    conflicts = ("pause", "resume", "cancel", "retry", "prioritise")

    @extend_schema(request=NewJobSerializer, responses={201: JobSerializer, 422: NOTHING_TO_PLAN})
    def create(self, request: Request) -> Response:
        """Plan an order and queue its pictures."""
        order = NewJobSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        plan = _planned(order, request)
        try:
            job = jobs.create_job(
                plan,
                owner=cast(User, request.user),
                budget=order.validated_data.get("budget"),
                parameters=again.parameters(order.validated_data["retry_poor"]),
            )
        except JobError as error:
            raise Unplannable(str(error)) from error
        headers = {"Location": self.reverse_action("detail", [job.public_id])}
        return self._answer(job, status.HTTP_201_CREATED, headers)

    @extend_schema(
        responses=ItemSerializer(many=True),
        parameters=[OpenApiParameter("state", str, enum=ItemState.values)],
    )
    @action(detail=True, pagination_class=ItemPages, filterset_fields=None)
    def items(self, request: Request, public_id: Any) -> Response:
        """The job's items in the order of its plan."""
        items = listed_items().filter(job=self.get_object())
        if state := request.query_params.get("state"):
            items = items.filter(state=state)
        page = self.paginate_queryset(items)
        context = self.get_serializer_context()
        return self.get_paginated_response(ItemSerializer(page, many=True, context=context).data)

    @extend_schema(responses=WatchedSerializer)
    @action(detail=True, pagination_class=None, filterset_fields=None)
    def progress(self, request: Request, public_id: Any) -> Response:
        """How far the job is, how fast it goes, what it has cost and what came last."""
        watched = watch(self.get_object())
        return Response(WatchedSerializer(watched, context=self.get_serializer_context()).data)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, public_id: Any) -> Response:
        """Start nothing more; calls under way end as they end."""
        return self._verb(jobs.pause, request)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, public_id: Any) -> Response:
        """Go on with a paused job."""
        return self._verb(jobs.resume, request)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, public_id: Any) -> Response:
        """Give up what has not started."""
        return self._verb(jobs.cancel, request)

    @extend_schema(request=RetrySerializer, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, public_id: Any) -> Response:
        """Queue what failed or found no budget again."""
        sent = RetrySerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        return self._verb(jobs.retry, request, **sent.validated_data)

    @extend_schema(request=PrioritySerializer, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def prioritise(self, request: Request, public_id: Any) -> Response:
        """Put the job before or behind others."""
        sent = PrioritySerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        return self._verb(jobs.prioritise, request, **sent.validated_data)

    def _verb(self, verb: Callable[..., Any], request: Request, **given: Any) -> Response:
        job = self.get_object()
        try:
            verb(job, actor=request.user, **given)
        except JobError as error:
            raise Conflict(str(error)) from error
        return self._answer(job)

    def _answer(
        self, job: GenerationJob, code: int = status.HTTP_200_OK, headers: dict[str, str] | None = None
    ) -> Response:
        return Response(self.get_serializer(job).data, status=code, headers=headers)


class ItemViewSet(mixins.RetrieveModelMixin, GenericViewSet):
    """Items: looked at and judged."""

    queryset = GenerationItem.objects.none()
    serializer_class = ItemSerializer
    permission_classes = (EditorsOnly,)
    key_scope = Scope.REVIEW
    key_scopes = {"regenerate": (Scope.REVIEW, Scope.GENERATE), "make_again": (Scope.GENERATE,)}
    lookup_field = "public_id"
    lookup_value_regex = PUBLIC_ID
    conflicts = ("approve", "reject", "regenerate", "undo")

    def get_queryset(self) -> QuerySet[GenerationItem]:
        return listed_items()

    @extend_schema(request=ApprovalSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, public_id: Any) -> Response:
        """The result is good: it reaches the storefront and shows the SKUs of its inputs."""
        sent = ApprovalSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        return self._judge(partial(review.approve, sku_role=sent.validated_data["sku_role"]), request)

    @extend_schema(request=NoteSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, public_id: Any) -> Response:
        """The result is not good: it is kept, and never shown."""
        return self._judge(review.reject, request)

    @extend_schema(request=NoteSerializer, responses={201: ItemSerializer})
    @action(detail=True, methods=["post"])
    def regenerate(self, request: Request, public_id: Any) -> Response:
        """Make the picture again as a new item, with the note in its prompt."""
        return self._judge(review.regenerate, request, status.HTTP_201_CREATED)

    @extend_schema(request=MakeAgainSerializer, responses={201: JobSerializer, 422: NOTHING_TO_PLAN})
    @action(detail=True, methods=["post"], url_path="make-again")
    def make_again(self, request: Request, public_id: Any) -> Response:
        """A job that makes exactly this picture again: the same prompt, files, provider and parameters."""
        sent = MakeAgainSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        try:
            job = make_again(self.get_object(), actor=cast(User, request.user), **sent.validated_data)
        except JobError as error:
            raise Unplannable(str(error)) from error
        context = self.get_serializer_context()
        return Response(JobSerializer(job, context=context).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=VerdictEntrySerializer(many=True))
    @action(detail=True, pagination_class=None)
    def history(self, request: Request, public_id: Any) -> Response:
        """All verdicts on the result, the last first, those that were taken back among them."""
        entries = review.history_of(self.get_object())
        return Response(VerdictEntrySerializer(entries, many=True).data)

    @extend_schema(request=VerdictsSerializer, responses=JudgedSerializer)
    @action(detail=False, methods=["post"])
    def verdicts(self, request: Request) -> Response:
        """The same verdict on many results; one that cannot be judged stops none of the others."""
        sent = VerdictsSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        given = sent.validated_data
        if given["verdict"] == "regenerate":
            check_scopes(request.auth, (Scope.GENERATE,))
        judged = review.judge(
            VERDICTS[given["verdict"]],
            GenerationItem.objects.filter(public_id__in=given["items"]),
            actor=cast(User, request.user),
            note=given["note"],
            sku_role=given["sku_role"],
        )
        return Response(JudgedSerializer(judged).data)

    @extend_schema(request=DeedSerializer, responses=UndoneSerializer)
    @action(detail=False, methods=["post"])
    def undo(self, request: Request) -> Response:
        """Take back what was decided at one stroke, but for what was judged anew or moved on since."""
        sent = DeedSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        try:
            undone = review.undo(sent.validated_data["deed"], actor=cast(User, request.user))
        except ReviewError as error:
            raise Conflict(str(error)) from error
        return Response(UndoneSerializer(undone).data)

    def _judge(
        self, verb: Callable[..., GenerationItem | None], request: Request, code: int = status.HTTP_200_OK
    ) -> Response:
        sent = NoteSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        item = self.get_object()
        try:
            again = verb(item, actor=request.user, note=sent.validated_data["note"])
        except ReviewError as error:
            raise Conflict(str(error)) from error
        shown = get_object_or_404(listed_items(), pk=(again or item).pk)
        return Response(self.get_serializer(shown).data, status=code)


class CostsView(APIView):
    """What was spent."""

    permission_classes = (EditorsOnly,)

    @extend_schema(
        operation_id="generation_costs",
        parameters=[DaysSerializer, OpenApiParameter("as", str, enum=["csv"])],
        responses={200: CostsSerializer, (200, "text/csv"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """By day and job, with sums by team and by provider; all rows as a file with `as=csv`."""
        sent = DaysSerializer(data=request.query_params)
        sent.is_valid(raise_exception=True)
        try:
            found = costs.report(sent.validated_data.get("since"), sent.validated_data.get("until"))
        except BadDays as error:
            raise ValidationError({"since": [str(error)]}) from error
        if request.query_params.get("as") == "csv":
            return csv_download(costs.as_table(found), f"costs-{found.since}-{found.until}.csv")
        return Response(CostsSerializer(found).data)


def listed_items() -> QuerySet[GenerationItem]:
    """Items with all that a list shows of them, in a fixed number of queries."""
    return GenerationItem.objects.select_related(
        "job", "output__current", "regenerates", "reviewed_by"
    ).prefetch_related("inputs__asset__current", "inputs__version")

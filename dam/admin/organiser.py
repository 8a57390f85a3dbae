"""What the admins of tags, SKUs and collections share: their pictures, and saving through verbs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import Count, F, IntegerField, Model, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber
from django.forms import ModelForm
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from dam import organising
from dam.admin.changelist import PlainChangeList
from dam.carrying import carried
from dam.keys import is_key
from dam.models import Asset, AssetState
from dam.people import signed_in
from dam.roles import sees_library

PARENT = "parent"
SHOWN_PICTURES = 48
PICTURES_IN_ROW = 5


class PicturedChangeList(PlainChangeList):
    """A list whose rows carry a few of their newest pictures, fetched together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.add_pictures(request)

    def add_pictures(self, request: HttpRequest) -> None:
        """To the rows of the page that was found."""
        rows: list[Any] = list(self.result_list)  # type: ignore[has-type]  # Django sets it in there
        pictures = self.model_admin.newest_pictures(rows, signed_in(request))
        for row in rows:
            row.newest_pictures = pictures[row.pk]
        self.result_list = rows


class OrganiserAdmin(ModelAdmin):
    """`through` joins assets with the thing; `link` is its field that leads to the thing."""

    through: ClassVar[type[Model]]
    link: ClassVar[str]
    asset_filter: ClassVar[str]
    change_form_outer_after_template = "dam/pictures_of.html"
    delete_confirmation_template = delete_selected_confirmation_template = "dam/organiser_delete.html"
    show_full_result_count = False
    compressed_fields = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PicturedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """What is shown to the account, each with the number of its assets that are visible to it."""
        user = signed_in(request)
        counted = (
            self._joined(user)
            .filter(**{f"{self.link}_id": OuterRef("pk")})
            .order_by()
            .values(f"{self.link}_id")
            .annotate(number=Count("asset_id", distinct=True))
            .values("number")
        )
        number = Coalesce(Subquery(counted, output_field=IntegerField()), 0)
        things = super().get_queryset(request)
        if not sees_library(user):
            things = things.filter(pk__in=self.shown_to(user).values("pk"))
        # Completion shows no number, and asks again with every letter.
        completes = request.resolver_match and request.resolver_match.url_name == "autocomplete"
        return things if completes else things.annotate(asset_count=number)

    def shown_to(self, user: User) -> QuerySet:
        """Those of which an account may know that does not see the library."""
        raise NotImplementedError

    def _joined(self, user: User) -> QuerySet:
        links = self.through._default_manager
        if sees_library(user):
            return links.exclude(asset__state=AssetState.TRASHED)
        return links.filter(asset__in=Asset.objects.visible_to(user))

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without what a thing lies below for those to whom that may not be shown."""
        columns = super().get_list_display(request)
        return columns if sees_library(request.user) else [name for name in columns if name != PARENT]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return fields if sees_library(request.user) else [_without_parent(line) for line in fields]

    def newest_pictures(self, things: Iterable[Model], user: User) -> dict[int, list[Asset]]:
        """A few assets of each thing, in one query for the whole page."""
        place = Window(RowNumber(), partition_by=F(f"{self.link}_id"), order_by=F("asset_id").desc())
        rows = (
            self._joined(user)
            .filter(**{f"{self.link}_id__in": [thing.pk for thing in things]})
            .annotate(place=place)
            .filter(place__lte=PICTURES_IN_ROW)
            .select_related("asset__current")
        )
        pictures: dict[int, list[Asset]] = defaultdict(list)
        for row in rows:
            pictures[getattr(row, f"{self.link}_id")].append(row.asset)
        return pictures

    @display(description=_("assets"), ordering="asset_count")
    def asset_count(self, thing: Any) -> int:
        return thing.asset_count

    @display(description=_("pictures"))
    def pictures(self, thing: Any) -> SafeString:
        return render_to_string("dam/row_pictures.html", {"assets": thing.newest_pictures})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(extra_context or {})
        if object_id and is_key(object_id):
            context["pictures_of"] = self.shown_assets(int(object_id), signed_in(request))
            context["all_pictures_url"] = (
                f"{reverse('admin:dam_asset_changelist')}?{self.asset_filter}={object_id}"
            )
        return super().changeform_view(request, object_id, form_url, context)

    def shown_assets(self, pk: int, user: User) -> QuerySet[Asset]:
        """The newest assets of one thing."""
        chosen = self._joined(user).filter(**{f"{self.link}_id": pk}).values("asset_id")
        return Asset.objects.filter(pk__in=chosen).select_related("current")[:SHOWN_PICTURES]

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: Any) -> None:
        organising.save(obj, actor=signed_in(request))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What hangs on each, for the template; what has others below it is not deleted.

        Django would list every link of every asset instead.
        """
        told: list[Any] = [carried(thing, signed_in(request)) for thing in objs]
        number = {str(self.opts.verbose_name_plural): len(told)}
        return told, number, set(), [one.sentences[-1] for one in told if one.below]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        organising.delete(obj, actor=signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for thing in queryset:
            organising.delete(thing, actor=signed_in(request))


def _without_parent(line: Any) -> Any:
    """A line of fields, which is a name or several, without what the thing lies below."""
    return line if isinstance(line, str) else tuple(name for name in line if name != PARENT)

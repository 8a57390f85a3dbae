"""API keys in the admin: made, looked at and revoked, by administrators only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from dam import api_keys
from dam.admin.changelist import PlainChangeList
from dam.admin.webhooks import ForAdministrators
from dam.models import ApiKey, Scope
from dam.people import signed_in


class KeyForm(forms.ModelForm):
    """A new key, and what it may do."""

    owner = forms.ModelChoiceField(
        label=gettext_lazy("Acts for"),
        queryset=User.objects.filter(is_active=True).order_by("username"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "The key may never do more than this account; what it does is logged as this account's."
        ),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    origins = forms.CharField(
        label=gettext_lazy("Pages of these sites only"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "One a line, such as https://shop.example.com; browsers refuse the key to pages of other sites. "
            "Empty: from everywhere."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "owner", "scopes", "expires", "origins")

    def clean_origins(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["origins"].splitlines() if line.strip()]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                api_keys.check(cleaned["scopes"], cleaned["expires"], cleaned["origins"])
            except api_keys.BadKey as error:
                self.add_error(error.field, str(error))
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ForAdministrators):
    """Keys are made once and never changed, so that nobody's key can do more tomorrow than today."""

    form = KeyForm
    list_display = ("name", "begins", "owner", "scopes_line", "state_label", "last_used", "expires")
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__username")
    actions = ("revoke",)
    when_empty = gettext_lazy(
        "A key lets a program use the API in an account's name: a shop's pages, a script, another system."
    )
    shown = (
        "name", "begins", "owner", "scopes_line", "origins_line", "state_words", "expires", "last_used",
        "created", "created_by", "revoked",
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else ("name", "owner", "scopes", "expires", "origins")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk}

    @display(description=gettext_lazy("begins with"), ordering="prefix")
    def begins(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description=gettext_lazy("scopes"))
    def scopes_line(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description=gettext_lazy("pages of these sites only"))
    def origins_line(self, key: ApiKey) -> str:
        return ", ".join(key.origins)

    @display(
        description=gettext_lazy("state"),
        label={"live": "success", "expired": "warning", "revoked": "danger"},
    )
    def state_label(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked is not None:
            return "revoked", _("Revoked")
        if key.expires is not None and key.expires <= timezone.now():
            return "expired", _("Expired")
        return "live", _("In use")

    @display(description=gettext_lazy("state"))
    def state_words(self, key: ApiKey) -> str:
        return self.state_label(key)[1]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With one button: whichever is pressed, the key is shown next."""
        one = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **one})

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: Any) -> None:
        given = form.cleaned_data
        made, request.api_key = api_keys.create(  # type: ignore[attr-defined]
            given["name"],
            given["owner"],
            given["scopes"],
            actor=signed_in(request),
            expires=given["expires"],
            origins=given["origins"],
        )
        obj.pk, obj.prefix = made.pk, made.prefix

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        """The key itself, in this answer only: a message or a session would keep it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("The key “%(name)s”") % {"name": obj.name},
            "secret": request.api_key,  # type: ignore[attr-defined]
            "public": api_keys.is_public(request.api_key),  # type: ignore[attr-defined]
        }
        return render(request, "dam/api_key_made.html", context)

    @action(description=gettext_lazy("Revoke"), permissions=["view"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        count = api_keys.revoke(chosen, actor=signed_in(request))
        sentence = ngettext("%(count)d key is revoked.", "%(count)d keys are revoked.", count)
        messages.success(request, sentence % {"count": count})

"""Webhooks in the admin: endpoints and their messages, for administrators only."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from dam import webhooks
from dam.admin.changelist import KeyedChangeList, PlainChangeList
from dam.models import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from dam.people import signed_in
from dam.roles import has_role
from dam.webhook_http import AddressRefused, check_url


class EndpointForm(forms.ModelForm):
    """An endpoint; an address to which nothing would be sent is refused here already."""

    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=WebhookEvent.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url", "events", "active")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except AddressRefused as error:
            raise forms.ValidationError(str(error)) from error
        return url


class ForAdministrators(ModelAdmin):
    """Nobody else sees it, whatever permissions their account has."""

    list_per_page = list_max_show_all = 50
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _manages(request) and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _manages(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request) and super().has_delete_permission(request, obj)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ForAdministrators):
    form = EndpointForm
    list_display = ("name", "url", "events_line", "active", "failures", "paused_until")
    search_fields = ("name", "url")
    readonly_fields = ("failures", "paused_until", "created", "created_by")
    actions = ("send_test", "rotate_secret")
    when_empty = gettext_lazy(
        "A webhook tells another system (a shop, a cache, a chat) of assets approved, changed, expired or "
        "deleted, as soon as it happens."
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        written = ("name", "url", "events", "active")
        return (*written, *self.readonly_fields) if obj else written

    @display(description=gettext_lazy("events"))
    def events_line(self, endpoint: WebhookEndpoint) -> str:
        labels: dict[str, Any] = dict(WebhookEvent.choices)
        return ", ".join(str(labels.get(event, event)) for event in endpoint.events)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With one button: whichever is pressed, the secret is shown next."""
        one = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **one})

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: Any) -> None:
        webhooks.save(obj, actor=signed_in(request))

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: Any = None
    ) -> HttpResponse:
        return self._shown_secrets(request, [obj])

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        webhooks.delete(obj, actor=signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            webhooks.delete(endpoint, actor=signed_in(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The endpoints alone: their messages may be a million, and nobody deletes those by themselves."""
        names = [str(endpoint) for endpoint in objs]
        return names, {self.opts.verbose_name_plural: len(names)}, set(), []

    @action(description=gettext_lazy("Send a test message"), permissions=["change"])
    def send_test(self, request: HttpRequest, chosen: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in chosen:
            webhooks.send_test(endpoint, actor=signed_in(request))
        messages.success(request, _("The test goes out within seconds; see “Webhook messages”."))

    @action(description=gettext_lazy("Give it a new secret"), permissions=["change"])
    def rotate_secret(self, request: HttpRequest, chosen: QuerySet[WebhookEndpoint]) -> HttpResponse:
        endpoints = list(chosen)
        for endpoint in endpoints:
            webhooks.rotate_secret(endpoint, actor=signed_in(request))
        return self._shown_secrets(request, endpoints)

    def _shown_secrets(self, request: HttpRequest, endpoints: list[WebhookEndpoint]) -> HttpResponse:
        """In this answer only: a message would lie in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Secrets of webhooks"),
            "endpoints": endpoints,
        }
        return render(request, "dam/webhook_secrets.html", context)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ForAdministrators):
    """Messages: to read and to send again, never to write."""

    list_display = ("message_id", "endpoint", "event", "state_label", "attempts", "last_status", "created")
    list_filter = ("state", "event", "endpoint")
    list_select_related = ("endpoint",)
    search_fields = ("=message_id",)
    search_help_text = gettext_lazy("Id of the message")
    actions = ("send_again",)
    sortable_by = ()
    change_list_template = "dam/keyed_list.html"
    when_empty = gettext_lazy("Messages to your webhooks stand here, with what was answered.")
    fields = readonly_fields = (
        "message_id", "endpoint", "event", "subject", "state", "attempts", "next_attempt_at",
        "last_status", "last_error", "response", "content", "created", "delivered_at",
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeyedChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={DeliveryState.DELIVERED: "success", DeliveryState.DEAD: "danger"},
    )
    def state_label(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=gettext_lazy("content"))
    def content(self, delivery: WebhookDelivery) -> str:
        return json.dumps(delivery.payload, ensure_ascii=False, indent=2)

    @action(description=gettext_lazy("Send again"), permissions=["view"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[WebhookDelivery]) -> None:
        ended = chosen.exclude(state=DeliveryState.PENDING)
        try:
            count = webhooks.replay(ended, actor=signed_in(request))
        except webhooks.CannotReplay as error:  # somebody else was faster
            messages.error(request, str(error))
            return
        sentence = ngettext("%(count)d message goes out again.", "%(count)d messages go out again.", count)
        messages.success(request, sentence % {"count": count})


def _manages(request: HttpRequest) -> bool:
    return has_role(request.user, webhooks.MANAGING)

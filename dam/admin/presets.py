"""Rendition presets in the admin: managed by administrators, read by everybody else there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from dam import matting, presets
from dam.models import RenditionPreset
from dam.people import signed_in
from dam.roles import has_role


class PresetForm(forms.ModelForm):
    """A preset; what cannot be done on this installation is said before it is saved."""

    class Meta:
        model = RenditionPreset
        fields = forms.ALL_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "cutout" in self.fields and (sentence := matting.problem()):
            self.fields["cutout"].help_text = sentence

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wanted = {name: value for name, value in cleaned.items() if name in self.fields}
        for field, sentence in presets.problems_with(RenditionPreset(**wanted)).items():
            self.add_error(field, sentence)
        return cleaned


@admin.register(RenditionPreset)
class RenditionPresetAdmin(ModelAdmin):
    form = PresetForm
    list_display = ("slug", "name", "frame", "format", "quality", "public", "active")
    list_before_template = "dam/built_in_presets.html"
    search_fields = ("slug", "title", "title_zh")
    when_empty = gettext_lazy(
        "A preset says how renditions are made: size, crop, background, format, watermark. Each gets "
        "addresses for every picture, and files are made when somebody asks for them."
    )
    autocomplete_fields = ("watermark_asset",)
    compressed_fields = False
    fieldsets = (
        (None, {"fields": ("slug", ("title", "title_zh"), ("public", "active"))}),
        (gettext_lazy("Frame"), {"fields": ("fit", ("width", "height"), ("background", "cutout"))}),
        (gettext_lazy("File"), {"fields": (("format", "quality"), "keep_metadata")}),
        (
            gettext_lazy("Watermark"),
            {
                "fields": (
                    ("watermark_text", "watermark_asset"),
                    ("watermark_position", "watermark_size", "watermark_opacity"),
                    "ai_mark",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RenditionPreset]:
        return super().get_queryset(request).order_by("slug")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _manages(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request) and super().has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"built_in": [described(preset) for preset in presets.BUILT_IN.values()]}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @display(description=gettext_lazy("title"))
    def name(self, row: RenditionPreset) -> str:
        return str(row)

    @display(description=gettext_lazy("frame"))
    def frame(self, row: RenditionPreset) -> str:
        return frame_line(row.width, row.height, row.fit)

    def save_model(self, request: HttpRequest, obj: RenditionPreset, form: Any, change: Any) -> None:
        presets.save(obj, actor=signed_in(request))

    def delete_model(self, request: HttpRequest, obj: RenditionPreset) -> None:
        presets.delete(obj, actor=signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RenditionPreset]) -> None:
        for row in queryset:
            presets.delete(row, actor=signed_in(request))


def described(preset: presets.Preset) -> dict[str, str]:
    """A preset in words."""
    return {
        "slug": preset.slug,
        "title": presets.title_of(preset),
        "frame": frame_line(preset.width, preset.height, preset.fit),
        "format": format_line(preset),
    }


def format_line(preset: presets.Preset) -> str:
    """The format's name, with its quality where it has one."""
    name = "WebP" if preset.format == "webp" else preset.format.upper()
    return name if preset.format == "png" else f"{name} {preset.quality}"


def frame_line(width: int | None, height: int | None, fit: str) -> str:
    """Size and fit in one line."""
    words = {"contain": _("contain"), "cover": _("cover"), "pad": _("pad")}
    return f"{width or '–'} × {height or '–'} · {words[fit]}"


def _manages(request: HttpRequest) -> bool:
    return has_role(request.user, presets.MANAGING)

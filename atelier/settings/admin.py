"""The admin's face: django-unfold's title, colours, and navigation by the team's tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def _page(title: str | Promise, icon: str, name: str, permission: str, **more: Any) -> dict[str, Any]:
    """A line of the navigation, for those who may open the page."""

    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}"),
        "permission": allowed,
        **more,
    }


def _administered(title: str | Promise, icon: str, name: str, **more: Any) -> dict[str, Any]:
    """A line of the navigation, for administrators."""

    def allowed(request: HttpRequest) -> bool:
        from dam.roles import Role, has_role  # models cannot be imported while settings are read

        return has_role(request.user, Role.ADMINISTRATOR)

    link = reverse_lazy(f"admin:{name}")
    return {"title": title, "icon": icon, "link": link, "permission": allowed, **more}


def _asset_list(title: str | Promise, icon: str, **filters: str) -> dict[str, Any]:
    """A line that opens the list of assets with filters set; the list itself has a line of its own."""

    def link(request: HttpRequest) -> str:
        return f"{reverse('admin:dam_asset_changelist')}?{urlencode(filters)}"

    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perm("dam.view_asset")

    def active(request: HttpRequest) -> bool:
        return False

    return {"title": title, "icon": icon, "link": link, "permission": allowed, "active": active}


def _lies_in(name: str, *others: str) -> Callable[[HttpRequest], bool]:
    """Below this page, but not on those below it that have a line of their own."""

    def active(request: HttpRequest) -> bool:
        below = reverse(f"admin:{name}")
        elsewhere = tuple(reverse(f"admin:{other}") for other in others)
        return request.path.startswith(below) and not request.path.startswith(elsewhere)

    return active


UNFOLD = {
    "SITE_TITLE": "Atelier",
    "SITE_HEADER": "Atelier",
    "SITE_SUBHEADER": _("Ask your library"),
    "SITE_SYMBOL": "palette",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("atelier/favicon.svg"),
        }
    ],
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "atelier.dashboard.dashboard",
    "GLOBAL_CALLBACK": "atelier.look.look",
    "ACCOUNT": {
        "navigation": [
            {"title": _("Sign-in and security"), "link": reverse_lazy("admin:account_security")},
        ],
    },
    "STYLES": [
        lambda request: static("atelier/colours.css"),
        lambda request: static("atelier/atelier.css"),
    ],
    "SCRIPTS": [lambda request: static("atelier/unfold.js")],
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Library"),
                "items": [
                    {"title": _("Overview"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
                    _page(
                        _("Assets"),
                        "photo_library",
                        "dam_asset_changelist",
                        "dam.view_asset",
                        active=_lies_in("dam_asset_changelist", "dam_asset_upload", "dam_my_work"),
                    ),
                    _page(_("My work"), "inbox", "dam_my_work", "dam.view_asset"),
                    _page(_("Collections"), "folder", "dam_collection_changelist", "dam.view_collection"),
                    _page(
                        _("SKUs"),
                        "sell",
                        "dam_sku_changelist",
                        "dam.view_sku",
                        active=_lies_in("dam_sku_changelist", "dam_sku_coverage"),
                    ),
                    _page(_("SKU coverage"), "grid_on", "dam_sku_coverage", "dam.view_sku"),
                    _page(_("Tags"), "label", "dam_tag_changelist", "dam.view_tag"),
                    _page(
                        _("Near duplicates"),
                        "difference",
                        "dam_duplicatepair_changelist",
                        "dam.view_duplicatepair",
                    ),
                ],
            },
            {
                "title": _("Search"),
                "separator": True,
                "items": [
                    _page(
                        _("Search"),
                        "search",
                        "search_page",
                        "dam.view_asset",
                    ),
                    _page(_("Synonyms"), "translate", "search_synonym_changelist", "search.view_synonym"),
                    _page(_("Searches"), "query_stats", "search_searches", "search.view_searchday"),
                    _page(_("Search quality"), "speed", "search_evaluation", "search.view_evaluationquery"),
                ],
            },
            {
                "title": _("Studio"),
                "separator": True,
                "items": [
                    _page(
                        _("Studio"),
                        "auto_awesome",
                        "generation_studio",
                        "generation.add_generationjob",
                        active=_lies_in("generation_studio", "generation_try_on"),
                    ),
                    _page(_("Try-on"), "apparel", "generation_try_on", "generation.add_generationjob"),
                    _page(
                        _("Jobs"),
                        "factory",
                        "generation_generationjob_changelist",
                        "generation.view_generationjob",
                        active=_lies_in(
                            "generation_generationjob_changelist",
                            "generation_costs",
                            "generation_providers",
                        ),
                    ),
                    _page(
                        _("Failed pictures"),
                        "sms_failed",
                        "generation_deadletter_changelist",
                        "generation.view_generationjob",
                    ),
                    _page(_("Costs"), "payments", "generation_costs", "generation.view_generationjob"),
                    _page(
                        _("Style sets"), "style", "generation_styleset_changelist", "generation.view_styleset"
                    ),
                    _page(
                        _("Prompt templates"),
                        "edit_note",
                        "generation_prompttemplate_changelist",
                        "generation.view_prompttemplate",
                    ),
                    _page(
                        _("Combination rules"),
                        "rule_settings",
                        "generation_combinationrule_changelist",
                        "generation.view_combinationrule",
                    ),
                ],
            },
            {
                "title": _("Review"),
                "separator": True,
                "items": [
                    _page(
                        _("Made pictures"), "rule", "generation_review", "generation.change_generationitem"
                    ),
                    _asset_list(_("Assets to review"), "rate_review", state="in_review"),
                ],
            },
            {
                "title": _("Imports"),
                "separator": True,
                "items": [
                    _page(_("Upload"), "upload", "dam_asset_upload", "dam.add_asset"),
                    _page(_("Imports"), "drive_folder_upload", "dam_import_changelist", "dam.view_import"),
                    _page(_("Bulk edits"), "checklist", "dam_bulkedit_changelist", "dam.view_bulkedit"),
                ],
            },
            {
                "title": _("Settings"),
                "separator": True,
                "collapsible": True,
                "items": [
                    _page(_("Index"), "hub", "search_indexentry_changelist", "search.view_indexentry"),
                    _administered(
                        _("Log of searches"),
                        "manage_search",
                        "search_searchlog_changelist",
                        active=_lies_in("search_searchlog_changelist", "search_searches"),
                    ),
                    _page(_("Search encoder"), "swap_horiz", "search_reindex", "search.view_space"),
                    _page(_("Encoder spend"), "payments", "search_spend", "search.view_space"),
                    _page(
                        _("Image providers"),
                        "cloud_sync",
                        "generation_providers",
                        "generation.view_generationjob",
                    ),
                    _administered(_("Spending caps"), "savings", "generation_spendingcap_changelist"),
                    _page(
                        _("Rendition presets"),
                        "aspect_ratio",
                        "dam_renditionpreset_changelist",
                        "dam.view_renditionpreset",
                    ),
                    _administered(_("Custom fields"), "dynamic_form", "dam_customfield_changelist"),
                    _administered(_("Required fields"), "rule_folder", "dam_fieldrule_changelist"),
                    _administered(_("API keys"), "key", "dam_apikey_changelist"),
                    _administered(_("Webhooks"), "webhook", "dam_webhookendpoint_changelist"),
                    _administered(_("Webhook messages"), "outbox", "dam_webhookdelivery_changelist"),
                    _page(_("Audit log"), "history", "dam_auditentry_changelist", "dam.view_auditentry"),
                    _page(_("Users"), "person", "auth_user_changelist", "auth.view_user"),
                    _page(_("Groups"), "group", "auth_group_changelist", "auth.view_group"),
                ],
            },
        ],
    },
}

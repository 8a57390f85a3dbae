"""The admin's face: django-unfold's title, navigation by the team's tasks, languages."""

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": "Atelier",
    "SITE_HEADER": "Atelier",
    "SITE_SUBHEADER": _("Ask your library"),
    "SITE_SYMBOL": "palette",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "atelier.dashboard.dashboard",
    "STYLES": [lambda request: static("atelier/atelier.css")],
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Library"),
                "items": [
                    {"title": _("Search"), "icon": "search", "link": reverse_lazy("admin:search_page")},
                    {
                        "title": _("Assets"),
                        "icon": "photo_library",
                        "link": reverse_lazy("admin:dam_asset_changelist"),
                    },
                    {"title": _("Upload"), "icon": "upload", "link": reverse_lazy("admin:dam_asset_upload")},
                    {
                        "title": _("Collections"),
                        "icon": "folder",
                        "link": reverse_lazy("admin:dam_collection_changelist"),
                    },
                    {"title": _("SKUs"), "icon": "sell", "link": reverse_lazy("admin:dam_sku_changelist")},
                    {"title": _("Tags"), "icon": "label", "link": reverse_lazy("admin:dam_tag_changelist")},
                ],
            },
            {
                "title": _("Studio"),
                "separator": True,
                "items": [
                    {
                        "title": _("Studio"),
                        "icon": "auto_awesome",
                        "link": reverse_lazy("admin:generation_studio"),
                    },
                    {"title": _("Review"), "icon": "rule", "link": reverse_lazy("admin:generation_review")},
                    {
                        "title": _("Jobs"),
                        "icon": "factory",
                        "link": reverse_lazy("admin:generation_generationjob_changelist"),
                    },
                ],
            },
            {
                "title": _("Settings"),
                "separator": True,
                "collapsible": True,
                "items": [
                    {
                        "title": _("Index"),
                        "icon": "hub",
                        "link": reverse_lazy("admin:search_indexentry_changelist"),
                    },
                    {
                        "title": _("Audit log"),
                        "icon": "history",
                        "link": reverse_lazy("admin:dam_auditentry_changelist"),
                    },
                    {
                        "title": _("Users"),
                        "icon": "person",
                        "link": reverse_lazy("admin:auth_user_changelist"),
                    },
                    {
                        "title": _("Groups"),
                        "icon": "group",
                        "link": reverse_lazy("admin:auth_group_changelist"),
                    },
                ],
            },
        ],
    },
}

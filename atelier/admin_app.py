"""Django's admin with our own site, apart from `atelier.apps`: a module declares one application."""

from django.contrib.admin.apps import AdminConfig


class AtelierAdminConfig(AdminConfig):
    """The admin, whose site is Atelier's."""

    default_site = "atelier.site.AtelierAdminSite"

"""Django's static files without what no page asks for: a module of its own, as each application is."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class AtelierStaticFilesConfig(StaticFilesConfig):
    """Packages bring as much again: another page for the API's documentation, and flags of countries."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc", "flags"]

"""The project's own commands, pages and checks."""

from django.apps import AppConfig


class AtelierConfig(AppConfig):
    name = "atelier"

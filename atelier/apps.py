"""The project's own commands, pages and checks."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AtelierConfig(AppConfig):
    name = "atelier"

    def ready(self) -> None:
        from atelier import incoming, second_step, sessions, signing_in  # noqa: F401  their receivers
        from atelier.groups import ensure_groups

        incoming.prepare()
        post_migrate.connect(ensure_groups, dispatch_uid="atelier.groups")

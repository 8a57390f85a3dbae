"""Generation: plans, jobs, providers, review."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GenerationConfig(AppConfig):
    name = "generation"
    verbose_name = _("Studio")

    def ready(self) -> None:
        from dam import usage
        from dam.provenance import makers
        from generation import signals  # noqa: F401  connects the receivers
        from generation.provenance import made
        from generation.usage import JOBS

        usage.register(JOBS)
        makers.register(made)

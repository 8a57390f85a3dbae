"""Search: encoders, vector index, outbox, queries."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SearchConfig(AppConfig):
    name = "search"
    verbose_name = _("Search")

    def ready(self) -> None:
        from search import signals  # noqa: F401  connects the receivers
        from search.encoders.paid import set_cashier
        from search.spend import Accountant

        set_cashier(Accountant())

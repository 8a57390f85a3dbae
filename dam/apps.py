"""The digital asset manager: assets, renditions, tags, SKUs, collections."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DamConfig(AppConfig):
    name = "dam"
    verbose_name = _("Library")

"""The digital asset manager: assets, renditions, tags, SKUs, collections."""

import warnings

import pillow_heif
from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _
from PIL import Image


class DamConfig(AppConfig):
    name = "dam"
    verbose_name = _("Library")

    def ready(self) -> None:
        import dam.receivers
        from dam import usage, usage_sources

        for source in usage_sources.SOURCES:
            usage.register(source)
        post_migrate.connect(dam.receivers.fill_words, sender=self)
        pillow_heif.register_heif_opener()
        # `dam.sniffing` checks every header against DAM_MAX_PIXELS and refuses; Pillow only warns.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)

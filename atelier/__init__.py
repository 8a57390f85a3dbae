"""The Atelier project: settings, addresses and the Celery application."""

from atelier.celery import app as celery_app

__all__ = ["celery_app"]

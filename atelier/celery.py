"""The Celery application that web, worker and beat share."""

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")

app = Celery("atelier")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)  # each line of a task carries its id, and its request's
app.autodiscover_tasks()

from atelier import worker_health  # noqa: E402, F401  connects itself to the worker's signals

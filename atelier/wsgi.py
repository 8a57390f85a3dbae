"""WSGI entrance: one import per web process, which loads its text encoder at once."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")

from atelier import tracing

tracing.start("atelier-web")  # before Django reads its list of middleware
application = get_wsgi_application()

from search.warmup import warm_up  # noqa: E402  models can be imported only now

warm_up()

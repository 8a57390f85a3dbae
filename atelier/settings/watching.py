"""What operators see: logs, metrics, traces."""

from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from atelier.settings.environment import env

# Lines for people, or JSON objects for a log store. Either way each line of a request carries its id, and
# each line of a task the task's id and that of the request which it comes from (django-structlog).
LOG_FORMAT = env.str("LOG_FORMAT", default="line")
_level = env.str("LOG_LEVEL", default="INFO")
_of_each_line: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# Tracebacks without the values of variables, which structlog adds otherwise: passwords, keys and whole files
# may be among them. Drawn for a terminal, a traceback also costs seconds of computing where a server is away.
_traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
_as_json: list[Any] = [
    structlog.processors.ExceptionRenderer(_traceback),
    structlog.processors.JSONRenderer(ensure_ascii=False),
]
_as_line: list[Any] = [
    structlog.dev.ConsoleRenderer(
        colors=False,
        sort_keys=False,
        pad_event_to=0,
        exception_formatter=structlog.dev.plain_traceback,
    )
]
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT is {LOG_FORMAT}; it can be “line” or “json”.")
_written = _as_json if LOG_FORMAT == "json" else _as_line

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_written],
            "foreign_pre_chain": _of_each_line,
        }
    },
    "filters": {"declared": {"()": "atelier.http_telemetry.DeclaredAddress"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        # It warns that a folder, our embedded broker, has no host name.
        "kombu.connection": {"level": "ERROR"},
        # Whatever a call came to is said by the encoder, in a sentence and without a traceback.
        "dashscope": {"level": "CRITICAL"},
        "django.request": {"filters": ["declared"]},
    }
    | {
        name: {"level": _level, "handlers": ["console"], "propagate": False}
        for name in ("atelier", "dam", "search", "generation")
    }
    | {
        # A line for each request and task: for a log store; on a console they would hide the rest.
        name: {"level": _level if LOG_FORMAT == "json" else "ERROR"}
        for name in ("atelier.requests", "django_structlog")
    },
}
structlog.configure(
    processors=[
        *_of_each_line,
        structlog.stdlib.filter_by_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# Prometheus shows this token at /metrics; empty: there is no such address.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Where a worker answers /metrics and /health/live; 0: nowhere.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")

# Where OpenTelemetry traces go; the packages are in requirements-tracing.txt. Everything else is told by
# OpenTelemetry's own variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER …).
TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")

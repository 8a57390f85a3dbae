"""The parts that hold data: database, cache, broker, file storage, each embedded or a real server."""

from typing import Any

from celery.schedules import crontab
from whitenoise.compress import Compressor

from atelier.settings.environment import DATA_DIR, env

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'atelier.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets the web read while the worker writes; IMMEDIATE takes the write lock at BEGIN,
    # so that two writers wait for each other instead of failing half-way.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;",
    }
else:
    # Of libpq: a server that is away, or a line that lets nothing through, is noticed within seconds.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 20_000,  # ms
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        **DATABASES["default"].get("OPTIONS", {}),
    }
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# The folder of pg_dump and pg_restore, which backups need; empty: they are on the PATH.
POSTGRES_PROGRAMS = env.str("POSTGRES_PROGRAMS", default="")

REDIS_URL = env.str("REDIS_URL", default="")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        # Without Redis the throttle counts nothing, but an upload still goes through.
        # Rankings are most of what is kept, beside the broker's messages in one bounded memory.
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 2,
            "SOCKET_TIMEOUT": 2,
            "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
        },
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

# The embedded broker is a folder: it needs no server, and web, worker and commands share it.
BROKER_DIR = DATA_DIR / "broker"
CELERY_BROKER_URL = REDIS_URL or "filesystem://"
if CELERY_BROKER_URL == "filesystem://":
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.25,
    }
    for _folder in ("queue", "control"):
        (BROKER_DIR / _folder).mkdir(parents=True, exist_ok=True)
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
    if CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        CELERY_BROKER_TRANSPORT = "atelier.broker:Transport"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "atelier.beat:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "search-sweep": {"task": "search.tasks.sweep", "schedule": 30.0},
    "search-vocabulary": {
        "task": "search.tasks.refresh_vocabulary",
        "schedule": 10.0,
        "options": {"expires": 10},  # the next one does the same
    },
    "search-vocabulary-sweep": {"task": "search.tasks.sweep_vocabulary", "schedule": 3600.0},
    "search-log-sums": {"task": "search.tasks.sum_up_searches", "schedule": 300.0},
    "search-log-sweep": {"task": "search.tasks.sweep_log", "schedule": 3600.0},
    "search-evaluation": {
        "task": "search.tasks.evaluate_changed",
        "schedule": crontab(hour="3", minute="20"),
    },
    "dam-trash": {"task": "dam.tasks.empty_trash", "schedule": 3600.0},
    "dam-removals": {"task": "dam.tasks.remove_files", "schedule": 60.0},
    "dam-renditions": {"task": "dam.tasks.prune_renditions", "schedule": 3600.0},
    "dam-duplicates": {
        "task": "dam.tasks.look_for_duplicates",
        "schedule": 30.0,
        "options": {"expires": 30},  # the next one does the same
    },
    "dam-counts": {"task": "dam.tasks.fold_counts", "schedule": 60.0},
    "dam-words": {"task": "dam.tasks.fill_words", "schedule": 3600.0},
    "dam-notices": {"task": "dam.tasks.tell_people", "schedule": 3600.0},
    "dam-letters": {"task": "dam.tasks.send_letters", "schedule": 900.0},
    "dam-answers": {"task": "dam.tasks.forget_answers", "schedule": 3600.0},
    "dam-uploads": {"task": "dam.tasks.sweep_uploads", "schedule": 60.0},
    "dam-bulk-edits": {"task": "dam.tasks.sweep_bulk_edits", "schedule": 30.0},
    "dam-fields": {"task": "dam.tasks.sweep_fields", "schedule": 60.0},
    "dam-imports": {"task": "dam.tasks.sweep_imports", "schedule": 30.0},
    "dam-webhooks": {"task": "dam.tasks.send_webhooks", "schedule": 10.0},
    "dam-webhook-sweep": {"task": "dam.tasks.sweep_webhooks", "schedule": 3600.0},
    "generation-sweep": {
        "task": "generation.tasks.sweep",
        "schedule": 5.0,
        "options": {"expires": 5},  # the next one does the same
    },
    "generation-people": {"task": "generation.tasks.sweep_people", "schedule": 300.0},
    "generation-ends": {"task": "generation.tasks.tell_ends", "schedule": 30.0},
    "generation-rejected": {"task": "generation.tasks.remove_rejected", "schedule": 3600.0},
    "generation-quality": {
        "task": "generation.tasks.score_results",
        "schedule": 15.0,
        "options": {"expires": 15},  # the next one does the same
    },
}

MEDIA_ROOT = DATA_DIR / "media"
S3_BUCKET = env.str("S3_BUCKET", default="")
# Imports from S3 use the same connection, whatever the library's own files lie on.
S3_CONNECTION: dict[str, str | None] = {
    "endpoint_url": env.str("S3_ENDPOINT_URL", default="") or None,
    "access_key": env.str("S3_ACCESS_KEY", default="") or None,
    "secret_key": env.str("S3_SECRET_KEY", default="") or None,
    "region_name": env.str("S3_REGION", default="") or None,
}
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "dam.s3_storage.Bucket",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            **S3_CONNECTION,
            "default_acl": None,
            "file_overwrite": False,
            "querystring_auth": True,
        },
    }
    if S3_BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Maps of scripts are as large as all scripts together, and only who debugs them asks for one.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")

# A mail server as smtp://user:password@host:port (smtp+tls:// for STARTTLS); empty: nothing is sent by mail.
_mail = env.email_url("EMAIL_URL", default="dummymail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST") or ""
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="atelier@localhost")

"""How gunicorn serves the site in a container: threads, a bounded life, logs on the standard streams."""

import os
import shutil
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
# Each process holds a text encoder (about 500 MB for `starter`) and answers with threads.
workers = int(os.environ.get("WEB_PROCESSES", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 120
graceful_timeout = 30
keepalive = 65  # longer than the proxy keeps its own, which else meets closed connections
max_requests = 20_000
max_requests_jitter = 2_000
worker_tmp_dir = "/dev/shm"  # noqa: S108  a heartbeat file that must not lie on a disk
control_socket_disable = True
accesslog = None  # the site writes a line for each request itself, with its id
errorlog = "-"

# Metrics of all processes, told by whichever is asked.
_METRICS = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")


def on_starting(server: Any) -> None:
    """An empty folder for the metrics: those of a life before would be counted again."""
    if _METRICS:
        shutil.rmtree(_METRICS, ignore_errors=True)
        Path(_METRICS).mkdir(parents=True)


def child_exit(server: Any, worker: Any) -> None:
    """What a process that ended has counted stays; what it measured at the moment goes."""
    if _METRICS:
        multiprocess.mark_process_dead(worker.pid)

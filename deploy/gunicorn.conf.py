"""How gunicorn serves the site in a container: threads, a bounded life, logs on the standard streams."""

import os

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

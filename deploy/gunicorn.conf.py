"""How gunicorn serves the site in a container: threads, a bounded life, logs on the standard streams."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

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

# Metrics of all its processes, told by whichever is asked: in a folder of this life alone, for those of a
# life before would be counted again. It is named here and not in the container's environment: commands in a
# container of the site (`manage.py createsuperuser`) have no such folder, and must not count as the site.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")


_ended: list[int] = []  # processes whose counts lie in files of their own still


def child_exit(server: Any, worker: Any) -> None:
    """What a process that ended has counted joins that of those before it: else each scrape would read a file
    more for every process that there ever was. What it measured at the moment goes.
    """
    from prometheus_client import multiprocess  # which looks for the folder as soon as it is imported

    multiprocess.mark_process_dead(worker.pid)
    _ended.append(worker.pid)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    try:
        with (folder / "lock").open("a") as lock:  # `atelier.telemetry` has it while it reads
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while _ended:
                _join(folder, _ended[-1])
                _ended.pop()
    except Exception:  # as where somebody reads at this moment: the site goes on
        server.log.exception("Counts of processes that ended are joined when the next one ends.")


def _join(folder: Path, process: int) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    for kind in ("counter", "histogram"):
        ended = folder / f"{kind}_{process}.db"
        if not ended.exists():
            continue
        counts = list(MmapedDict.read_all_values_from_file(str(ended)))  # all of them or none
        before = MmapedDict(str(folder / f"{kind}_0.db"))
        for key, value, _time, _place in counts:
            before.write_value(key, before.read_value(key)[0] + value, 0.0)
        before.close()
        ended.unlink()


def on_exit(server: Any) -> None:
    """Nobody asks any more."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

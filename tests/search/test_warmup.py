"""Before a process has threads, nothing is left to import that two of them could begin at once."""

from __future__ import annotations

import os
import subprocess
import sys

PROBE = """
import sys
import django
django.setup()
assert "scipy.sparse" in sys.modules, "a worker's threads, too, find it whole"
from search import warmup
warmup._ask = lambda: None
warmup.warm_up().join()
print(*sorted({"kombu.transport.redis", "django_redis.client.default"} & set(sys.modules)))
"""


def test_what_two_threads_could_begin_to_import_is_imported_before_the_first_starts() -> None:
    nobody = {"REDIS_URL": "redis://127.0.0.1:9/0", "DJANGO_SETTINGS_MODULE": "atelier.settings"}
    probe = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, **nobody},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert probe.returncode == 0, probe.stderr
    assert probe.stdout.split() == ["django_redis.client.default", "kombu.transport.redis"]

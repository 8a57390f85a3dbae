"""What the site's container takes, all its processes together, as its control group says.

prometheus_client tells memory and processors of one process; of several that share a folder it tells none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# This container's own, where the kernel has version 2; outside of a container it holds no `memory.current`.
GROUP = Path("/sys/fs/cgroup")


class Container(Collector):
    """Nothing where there is no such group. Memory is without the cached files that the kernel would drop
    first, as `docker stats` counts it.
    """

    def collect(self) -> Iterator[Metric]:
        try:
            used = int((GROUP / "memory.current").read_text())
            cached, microseconds = _number("memory.stat", "inactive_file"), _number("cpu.stat", "usage_usec")
        except OSError:
            return
        memory, seconds = used - cached, microseconds / 1_000_000
        yield GaugeMetricFamily("atelier_site_memory_bytes", "Memory of the site's container.", memory)
        yield CounterMetricFamily("atelier_site_cpu_seconds", "Computing of the site's container.", seconds)


def _number(file: str, name: str) -> int:
    lines = dict(line.split() for line in (GROUP / file).read_text().splitlines())
    return int(lines[name])

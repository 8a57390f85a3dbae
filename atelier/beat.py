"""Celery's beat, which goes on where its clock was ahead and has been set right.

It keeps when it last sent each task. Celery waits until so long after that, however far ahead it lies.
"""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry


class Scheduler(PersistentScheduler):
    """For the setting `beat_scheduler`."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; what was sent by a later time than now is taken to have been sent now."""
        if ahead := [entry for entry in self.schedule.values() if _is_ahead(entry)]:
            for entry in ahead:
                entry.last_run_at = entry.default_now()
            self._heap = None  # made anew: it holds the times to come by the other clock
        return float(super().tick(*args, **kwargs))


def _is_ahead(entry: ScheduleEntry) -> bool:
    return entry.last_run_at is not None and bool(entry.last_run_at > entry.default_now())

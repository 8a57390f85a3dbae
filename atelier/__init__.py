"""The Atelier project: settings, addresses and the Celery application."""

import os

from atelier.celery import app as celery_app

# numpy's OpenBLAS has a thread for each core, and after a product of matrices these wait for the next one by
# turning for some 20 ms (its THREAD_TIMEOUT): a search's one small product kept the other core from Milvus
# (measured: 60 ms of processor time a search instead of 22). It reads this once, when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = ["celery_app"]

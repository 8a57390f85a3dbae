"""`python -m tests.search.sweeping_child tiny-clip.json`: sweeps once, with the tiny CLIP known."""

from __future__ import annotations

import sys

import django
import open_clip

if __name__ == "__main__":
    django.setup()
    open_clip.add_model_config(sys.argv[1])
    from search.tasks import sweep

    sweep()

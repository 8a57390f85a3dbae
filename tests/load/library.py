"""`python -m tests.load.library COUNT FOLDER`: fills the library that the environment's settings name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django


def main() -> None:
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    django.setup()
    from tests.benchmarks import search_library

    photos = search_library.photo_vectors(folder)
    search_library.build(photos, count)
    search_library.keep_vectors(photos, count)


if __name__ == "__main__":
    main()

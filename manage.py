#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK: shells that complete every program by argcomplete know this one by it.
"""Atelier's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    from atelier.commandline import run

    run(sys.argv)


if __name__ == "__main__":
    main()
